//! Users of the console: their sessions and tokens end with their rights, and audit entries have their address.

use forebay_tests::{Answer, Process, Stack, eventually};
use reqwest::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A console with its first administrator, `root`.
pub(crate) struct Console {
    pub(crate) url: String,
    /// The cookies of the administrator, as `name=value`.
    pub(crate) session: String,
    pub(crate) device: String,
    /// Clients by address.
    clients: Mutex<HashMap<String, Client>>,
}

/// A client at one of this machine's loopback addresses.
pub(crate) fn client(from: &str) -> Client {
    let from: IpAddr = from.parse().unwrap();
    let client = Client::builder().local_address(from).redirect(reqwest::redirect::Policy::none()).no_proxy();
    // Reading the machine's certificates would take longer than the calls.
    client.tls_certs_only([]).build().unwrap()
}

/// The cookies that an answer sets, as `name=value`.
pub(crate) fn cookies(answer: &Answer) -> Vec<String> {
    answer.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

async fn read(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

impl Console {
    pub(crate) async fn set_up(stack: &Stack, dev: &Process) -> Self {
        let log = stack.log_of("dev");
        let code = log.split("/setup?code=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let clients = Mutex::default();
        let mut console = Self { url: dev.console.clone(), session: String::new(), device: String::new(), clients };
        let form = format!("code={code}&name=root&password={}", PASSWORD.replace(' ', "+"));
        let answer = console.post("127.0.0.1", "/setup", &form, &[]).await;
        assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.body));
        let mut cookies = cookies(&answer).into_iter();
        (console.session, console.device) = (cookies.next().unwrap(), cookies.next().unwrap_or_default());
        console
    }

    fn client(&self, from: &str) -> Client {
        self.clients.lock().unwrap().entry(from.to_owned()).or_insert_with(|| client(from)).clone()
    }

    /// A POST of the console's own page.
    pub(crate) fn request(&self, from: &str, place: &str) -> RequestBuilder {
        self.client(from).post(format!("{}{place}", self.url)).header(ORIGIN, &self.url)
    }

    pub(crate) async fn post(&self, from: &str, place: &str, form: &str, cookies: &[&str]) -> Answer {
        read(self.request(from, place).header(COOKIE, cookies.join("; ")).body(form.to_owned())).await
    }

    pub(crate) async fn page(&self, from: &str, place: &str, cookies: &[&str]) -> Answer {
        read(self.client(from).get(format!("{}{place}", self.url)).header(COOKIE, cookies.join("; "))).await
    }

    pub(crate) async fn sign_in(&self, from: &str, name: &str, password: &str, cookies: &[&str]) -> Answer {
        self.post(from, "/sign-in", &format!("name={name}&password={}", password.replace(' ', "+")), cookies).await
    }

    /// A request of the admin API, as the administrator.
    pub(crate) async fn api(&self, method: &str, place: &str, body: &Value) -> Answer {
        let request = client("127.0.0.1").request(method.parse().unwrap(), format!("{}/api/v1/{place}", self.url));
        let request = request.header(ORIGIN, &self.url).header(COOKIE, &self.session).header("content-type", "application/json");
        read(request.body(body.to_string())).await
    }

    /// Creates a user with a role in every tenant, and a token with all of it; returns the user's id and the token.
    async fn user_with_token(&self, name: &str, role: &str) -> (String, String) {
        let user = self.api("POST", "users", &json!({ "name": name, "password": PASSWORD, "grants": { "*": role } })).await.json();
        let id = user["id"].as_str().unwrap().to_owned();
        let token = json!({ "user": id, "label": "CI", "role": role, "tenants": ["*"], "expiresIn": "1h" });
        (id, self.api("POST", "tokens", &token).await.json()["token"].as_str().unwrap().to_owned())
    }

    async fn by_token(&self, method: &str, place: &str, token: &str, body: &Value) -> u16 {
        let request = client("127.0.0.1").request(method.parse().unwrap(), format!("{}/api/v1/{place}", self.url));
        let request = request.header(AUTHORIZATION, format!("Bearer {token}")).header("content-type", "application/json");
        read(request.body(body.to_string())).await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_within_a_heartbeat_of_the_rights_of_who_follows_it() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let (disabled, token) = console.user_with_token("anna", "viewer").await;
    let (deleted, _) = console.user_with_token("bert", "viewer").await;
    let (weakened, weak_token) = console.user_with_token("cleo", "operator").await;
    let (_, kept_token) = console.user_with_token("dora", "viewer").await;
    let signed_in = cookies(&console.sign_in("127.0.0.1", "bert", PASSWORD, &[]).await).remove(0);
    let api = format!("{}/api/v1/executions/live", console.url);
    let bearer = |token: &str| client("127.0.0.1").get(&api).header(AUTHORIZATION, format!("Bearer {token}"));
    let page = client("127.0.0.1").get(format!("{}/live", console.url)).header(COOKIE, signed_in);
    let mut streams = Vec::new();
    for request in [bearer(&token), page, bearer(&weak_token), bearer(&kept_token)] {
        let mut stream = request.send().await.unwrap();
        assert!(stream.chunk().await.unwrap().unwrap().starts_with(b": following"));
        streams.push(stream);
    }
    assert_eq!(console.api("PATCH", &format!("users/{disabled}"), &json!({ "enabled": false })).await.status, 200);
    assert_eq!(console.api("DELETE", &format!("users/{deleted}"), &json!({})).await.status, 200);
    assert_eq!(console.api("PATCH", &format!("users/{weakened}"), &json!({ "grants": { "*": "viewer" } })).await.status, 200);
    let mut open = streams.pop().unwrap();
    for (index, mut stream) in streams.into_iter().enumerate() {
        let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
        assert!(tokio::time::timeout(Duration::from_secs(25), ended).await.is_ok(), "stream {index} goes on");
    }
    let beat = tokio::time::timeout(Duration::from_secs(25), open.chunk()).await.unwrap();
    assert!(beat.unwrap().unwrap().starts_with(b": still here"), "nothing has changed for this one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_owners_reset_and_makes_neither_users_nor_tokens() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let (anna, token) = console.user_with_token("anna", "administrator").await;
    let new = json!({ "name": "mallory", "password": PASSWORD, "grants": { "*": "administrator" } });
    let new_token = json!({ "label": "more", "role": "viewer", "tenants": ["*"], "expiresIn": "1h" });
    for (method, place, body) in [
        ("POST", "users".to_owned(), new),
        ("POST", "tokens".to_owned(), new_token),
        ("PATCH", format!("users/{anna}"), json!({ "password": "another password" })),
        ("PATCH", format!("users/{anna}"), json!({ "grants": {} })),
        ("PATCH", format!("users/{anna}"), json!({ "enabled": true })),
    ] {
        assert_eq!(console.by_token(method, &place, &token, &body).await, 403, "{method} {place} {body}");
    }
    assert_eq!(console.by_token("PATCH", &format!("users/{anna}"), &token, &json!({ "fullName": "Anna" })).await, 200);

    let weak = json!({ "name": "weak", "password": "Password1234", "grants": {} });
    let refused = console.api("POST", "users", &weak).await;
    assert!(refused.status == 422 && refused.json()["detail"].as_str().unwrap().contains("easy to guess"), "{}", refused.json());

    // Changing one's own password does not affect tokens, a reset does.
    let session = cookies(&console.sign_in("127.0.0.1", "anna", PASSWORD, &[]).await).remove(0);
    let form = format!("old={}&password=another+long+password", PASSWORD.replace(' ', "+"));
    assert_eq!(console.post("127.0.0.1", "/account/password", &form, &[&session]).await.status, 303);
    assert_eq!(console.by_token("GET", "me", &token, &json!({})).await, 200);
    assert_eq!(console.api("PATCH", &format!("users/{anna}"), &json!({ "password": "a third long password" })).await.status, 200);
    assert_eq!(console.by_token("GET", "me", &token, &json!({})).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_is_in_the_audit_log_with_the_address_and_without_what_was_typed() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    assert_eq!(console.sign_in("127.0.0.5", "root", "wrong password", &[]).await.status, 401);
    assert_eq!(console.sign_in("127.0.0.5", "hunter2-typed-into-the-wrong-field", "x", &[]).await.status, 401);
    assert_eq!(console.sign_in("127.0.0.5", "ROOT", PASSWORD, &[]).await.status, 303);
    let lines = eventually("the sign-ins are recorded", || async {
        let lines = stack.command_json(&["audit", "list", "--action", "session"]).await;
        (lines.as_array().unwrap().len() == 4).then_some(lines)
    })
    .await;
    assert!(!lines.to_string().contains("hunter2"), "{lines}");
    let summary = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        (text("action"), text("byKind"), text("address"), line["after"]["reason"].as_str().unwrap_or_default().to_owned())
    };
    let expected = [("session.open", "user", "127.0.0.5", ""), ("session.refuse", "anonymous", "127.0.0.5", "wrong name or password")];
    let expected = expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned()));
    assert_eq!([summary(&lines[0]), summary(&lines[1])], expected);
    assert_eq!((lines[0]["target"].as_str(), lines[2]["target"].as_str()), (Some("root"), Some("root")));
    assert!(lines[1]["target"].as_str().unwrap().starts_with("nobody ("), "{lines}");
    assert_eq!(summary(&lines[3]).0, "session.open", "the first run");

    let exported = stack.command(&["audit", "export"]).await;
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listed = stack.command_json(&["audit", "list", "--limit", "1000"]).await;
    assert_eq!(json!(exported), listed, "all of it, one line each");
    assert_eq!(stack.command(&["audit", "export", "--since", "1ms"]).await, "");
}
