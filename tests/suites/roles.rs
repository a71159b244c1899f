//! Every route of the console with every role, as another tenant's administrator, and without authentication; no data of a tenant is
//! visible to another.

use forebay_admin_api::tokens::{CreateTokenRequest, CreatedToken};
use forebay_admin_api::users::{CreateUserRequest, User};
use forebay_admin_api::{FullName, KeyLabel, Password, RoleName, TenantScope, UserName};
use forebay_console::{Access, RouteInfo, routes};
use forebay_contract::Secret;
use forebay_store::Role;
use forebay_tests::{Process, Stack, eventually};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// A text in all data of the tenant that other tenants must not see.
const HIDDEN: &str = "hidden-from-others";

/// A user of the console.
struct Person {
    name: &'static str,
    token: Option<String>,
    /// The role in the tenant; `None`: it may see nothing of it.
    role: Option<Role>,
    everywhere: bool,
    administers_some: bool,
}

struct World {
    http: Client,
    console: String,
    /// The session cookie of the first administrator.
    cookie: String,
    people: Vec<Person>,
    key: String,
    /// A key that a page deletes.
    other_key: String,
    execution: String,
}

impl World {
    fn request(&self, method: &str, place: &str, person: &Person) -> RequestBuilder {
        let request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{place}", self.console));
        let request = request.header(ORIGIN, &self.console);
        match &person.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    async fn create<T: DeserializeOwned>(&self, place: &str, body: &impl Serialize) -> T {
        let request = self.http.post(format!("{}{place}", self.console)).header(ORIGIN, &self.console).header(COOKIE, &self.cookie);
        let response = request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body).unwrap()).send().await.unwrap();
        assert!(response.status().is_success(), "{place}: {} {}", response.status(), response.text().await.unwrap());
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// Creates a user with these roles, and a token that has all of them.
    async fn person(&self, name: &'static str, (scope, granted): (&str, &str), role: Option<Role>) -> Person {
        let user = CreateUserRequest {
            name: UserName::new(name),
            full_name: FullName::default(),
            password: Some(Password::new(Secret::new("a long password"))),
            grants: BTreeMap::from([(TenantScope::new(scope), RoleName::new(granted))]),
        };
        let user: User = self.create("/api/v1/users", &user).await;
        let token = CreateTokenRequest {
            label: KeyLabel::new(name),
            role: RoleName::new("administrator"),
            tenants: vec![TenantScope::new("*")],
            expires_in: Duration::from_secs(3600).into(),
            user: Some(user.id),
        };
        let token: CreatedToken = self.create("/api/v1/tokens", &token).await;
        let administers_some = granted == "administrator";
        Person { name, token: Some(token.token.expose().to_owned()), role, everywhere: scope == "*", administers_some }
    }
}

async fn world(stack: &Stack, dev: &Process) -> World {
    stack
        .connect(&format!("tenant: alphaonly\nconnection: Remote\ndescription: {HIDDEN}\nhttp: {{ url: 'http://127.0.0.1:9', authentication: {{ bearer: {{ token: {HIDDEN}-secret }} }} }}\n"))
        .await;
    stack
        .apply(&format!("tenant: alphaonly\nname: Flow\ndescription: {HIDDEN}\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, ordered: true }} }}\nlabel: '{{ place: \"{HIDDEN}\" }}'\ndiagnostics: {{ input: true }}\nsteps:\n  - id: a\n    set: 'error(\"{HIDDEN}\")'\n---\ntenant: beta\nname: Own\ntrigger: {{ webhook: {{ authentication: none }} }}\n"))
        .await;
    stack
        .command(&["alerts", "apply", &stack.file(&format!("tenant: alphaonly\nalert: Stuck\ndescription: {HIDDEN}\nwhen: {{ halted: {{}} }}\nsend: {{ webhook: {{ url: 'http://127.0.0.1:9/x' }} }}\n"))])
        .await;
    let create = ["keys", "create", "--tenant", "alphaonly", "--label", HIDDEN, "--integration", "Flow"];
    let (key, other_key) = (stack.command_json(&create).await, stack.command_json(&create).await);
    let other_key = other_key["id"].as_str().unwrap().to_owned();
    eventually("the call is accepted", || async { (stack.post(dev, "/alphaonly/Flow", "{}").await.status == 202).then_some(()) }).await;
    let failed = stack.ended("Flow", 1).await;

    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let log = stack.log_of("dev");
    let code = log.split("/setup?code=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let form = format!("code={code}&name=first&password=correct+horse+battery");
    let signed = http.post(format!("{}/setup", dev.console)).header(ORIGIN, &dev.console).body(form).send().await.unwrap();
    let cookie = signed.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (key, execution) = (key["id"].as_str().unwrap().to_owned(), failed[0]["id"].as_str().unwrap().to_owned());
    let mut world = World { http, console: dev.console.clone(), cookie, people: Vec::new(), key, other_key, execution };
    let nobody = Person { name: "nobody", token: None, role: None, everywhere: false, administers_some: false };
    // The weakest first: objects that a strong role deletes exist until then.
    world.people = vec![
        nobody,
        world.person("other", ("beta", "administrator"), None).await,
        world.person("viewer", ("alphaonly", "viewer"), Some(Role::Viewer)).await,
        world.person("operator", ("alphaonly", "operator"), Some(Role::Operator)).await,
        world.person("developer", ("alphaonly", "developer"), Some(Role::Developer)).await,
        world.person("administrator", ("alphaonly", "administrator"), Some(Role::Administrator)).await,
        world.person("everywhere", ("*", "administrator"), Some(Role::Administrator)).await,
    ];
    world
}

/// Returns the route's address with objects of the tenant in its placeholders.
fn filled(route: &RouteInfo, world: &World) -> String {
    let name = match route.path {
        path if path.contains("/connections/") => "Remote",
        path if path.contains("/alerts/") => "Stuck",
        path if path.contains("/assets/") => "console.css",
        _ => "Flow",
    };
    let id = match route.path {
        "/keys/{id}/delete" => world.other_key.clone(),
        path if path.contains("/keys/") => world.key.clone(),
        path if path.contains("/executions/") => world.execution.clone(),
        _ => Uuid::new_v4().to_string(),
    };
    route.path.replace("{tenant}", "alphaonly").replace("{name}", name).replace("{id}", &id).replace("{hash}", "0")
}

/// Returns a valid body, so that the result depends only on the permission.
fn body(route: &RouteInfo) -> (&'static str, String) {
    let flow = "{tenant: alphaonly, name: Flow, trigger: {webhook: {methods: [POST], authentication: none, ordered: true}}}";
    let json = match (route.method.as_str(), route.path) {
        ("PUT", "/api/v1/integrations/{tenant}/{name}") => json!({ "source": flow }),
        ("PUT", "/api/v1/connections/{tenant}/{name}") => {
            json!({ "document": { "tenant": "alphaonly", "connection": "Remote", "http": { "url": "http://127.0.0.1:9" } } })
        }
        ("PUT", "/api/v1/alerts/{tenant}/{name}") => {
            json!({ "document": { "tenant": "alphaonly", "alert": "Stuck", "when": { "halted": {} }, "send": { "webhook": { "url": "http://127.0.0.1:9/x" } } } })
        }
        ("PUT", "/api/v1/diagnostics/{tenant}/{name}") => json!({ "for": "1m" }),
        ("PATCH", "/api/v1/keys/{id}") => json!({ "label": HIDDEN }),
        ("PATCH", "/api/v1/tenants/{tenant}") => json!({ "docs": "key" }),
        ("PATCH", "/api/v1/users/{id}") => json!({ "fullName": "x" }),
        ("POST", "/api/v1/users") => json!({ "name": format!("u{}", Uuid::new_v4().simple()), "password": "a long password" }),
        _ => json!({}),
    };
    let form =
        "to=1&from=failed&for=1m&label=hidden-from-others&method=POST&key_from=pasted&name=x&role=viewer&tenant=*&password=a+long+password";
    if route.path.starts_with("/api/") {
        ("application/json", json.to_string())
    } else {
        // A refused form shows its sender their own input.
        let form = if route.path == "/tokens" { form.replace(HIDDEN, "mine") } else { form.to_owned() };
        ("application/x-www-form-urlencoded", form)
    }
}

fn allows(access: Access, person: &Person) -> Option<bool> {
    match access {
        Access::Public => None,
        Access::SignedIn => Some(person.token.is_some()),
        Access::Role(role) => Some(person.role >= Some(role)),
        Access::RoleInAllTenants(_) => Some(person.everywhere),
        // All callers are programs with a token.
        Access::PersonInAllTenants(_) => Some(false),
        Access::AdministratorOfAnyTenant => Some(person.administers_some),
    }
}

#[tokio::test]
async fn every_route_is_for_whom_the_table_says_and_nothing_of_a_tenant_leaks_to_another() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let world = world(&stack, &dev).await;
    let mut routes = routes();
    // Routes that delete objects are last.
    routes.sort_by_key(|route| route.method == "DELETE" || route.path.ends_with("/delete"));
    let mut faults = Vec::new();
    let mut requests = 0;
    for route in routes.iter().filter(|route| !route.path.contains("live") && route.path != "/sign-out") {
        for person in &world.people {
            let Some(may) = allows(route.access, person) else { continue };
            let (media, text) = body(route);
            let mut request = world.request(&route.method, &filled(route, &world), person);
            if route.method != "GET" {
                request = request.header(CONTENT_TYPE, media).header(HeaderName::from_static("if-match"), "*").body(text);
            }
            let response = request.send().await.unwrap();
            requests += 1;
            let status = response.status().as_u16();
            let place = response.headers().get(LOCATION).map(|place| place.to_str().unwrap().to_owned()).unwrap_or_default();
            let text = response.text().await.unwrap();
            let is_page = !route.path.starts_with("/api/");
            let is_right = if person.token.is_none() {
                if is_page { status == 303 && place.starts_with("/sign-in") } else { status == 401 }
            } else if may {
                // These objects do not exist, or the caller before has deleted them.
                let is_fake = ["/users/", "/tokens/", "/unreadable/", "/tenants/"].iter().any(|part| route.path.contains(part))
                    || route.method == "DELETE"
                    || route.path.ends_with("/delete");
                status < 500 && ![401, 403].contains(&status) && (status != 404 || is_fake || route.path.ends_with("/run"))
            } else if matches!(route.access, Access::Role(_)) && person.role.is_none() {
                status == 404
            } else {
                status == 403
            };
            if !is_right {
                faults.push(format!(
                    "{} {} by {}: {status} {}",
                    route.method,
                    route.path,
                    person.name,
                    text.chars().take(200).collect::<String>()
                ));
            }
            if person.role.is_none() && text.contains(HIDDEN) {
                faults.push(format!("{} {} shows {} what is hidden", route.method, route.path, person.name));
            }
            if person.name == "other" && !route.path.contains("{tenant}") && text.contains("alphaonly") {
                faults.push(format!("{} {} names the tenant to another", route.method, route.path));
            }
        }
    }
    assert!(requests > 500, "{requests}");
    assert!(faults.is_empty(), "{} of {requests}:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn a_tenant_in_a_query_or_a_body_is_checked_as_one_in_an_address() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let world = world(&stack, &dev).await;
    let mut faults = Vec::new();
    let listings = [
        "integrations",
        "keys",
        "connections",
        "alerts",
        "executions",
        "triggers",
        "schedules",
        "diagnostics",
        "monitor/queues",
        "monitor/statistics",
        "monitor/traffic",
    ];
    for person in &world.people[1..] {
        for listing in listings {
            let response = world.request("GET", &format!("/api/v1/{listing}?tenant=alphaonly"), person).send().await.unwrap();
            let expected = if person.role.is_some() { 200 } else { 404 };
            if response.status().as_u16() != expected {
                faults.push(format!("GET {listing} by {}: {}", person.name, response.status()));
            }
        }
        let applied = "{tenant: alphaonly, name: Flow2, trigger: {webhook: {authentication: none}}}";
        let posts = [
            ("keys", json!({ "tenant": "alphaonly", "label": "x", "integrations": ["Flow"] }), Role::Developer),
            ("apply", json!({ "documents": [{ "source": applied }] }), Role::Developer),
            ("executions/retry", json!({ "tenant": "alphaonly", "dryRun": true }), Role::Operator),
        ];
        for (place, body, needed) in posts {
            let request = world.request("POST", &format!("/api/v1/{place}"), person).header(CONTENT_TYPE, "application/json");
            let status = request.body(body.to_string()).send().await.unwrap().status().as_u16();
            let is_right = match person.role {
                None => status == 404,
                Some(role) if role < needed => status == 403,
                Some(_) => status < 300,
            };
            if !is_right {
                faults.push(format!("POST {place} by {}: {status}", person.name));
            }
        }
    }
    // A wrong body is not treated as absent, even if the body is optional.
    for (place, body) in [
        ("integrations/alphaonly/Flow/rollback", "{\"too\": 1}"),
        ("integrations/alphaonly/Flow/rollback", "[1]"),
        ("executions/retry", "[null]"),
    ] {
        let request = world.request("POST", &format!("/api/v1/{place}"), &world.people[6]).header(CONTENT_TYPE, "application/json");
        let status = request.body(body).send().await.unwrap().status();
        if status != 400 {
            faults.push(format!("POST {place} with {body}: {status}"));
        }
    }
    let bare = world.http.delete(format!("{}/api/v1/keys/{}", world.console, world.key)).send().await.unwrap().status();
    if bare != 401 {
        faults.push(format!("DELETE without a token or a cookie: {bare}"));
    }
    // A browser sends the cookie with requests of any site.
    for route in routes().iter().filter(|route| route.method != "GET") {
        let request =
            world.http.request(Method::from_bytes(route.method.as_bytes()).unwrap(), format!("{}{}", world.console, filled(route, &world)));
        let request = request.header(COOKIE, &world.cookie).header(ORIGIN, "https://evil.example").header("sec-fetch-site", "cross-site");
        let status = request.body(body(route).1).send().await.unwrap().status();
        if status != 403 {
            faults.push(format!("{} {} from another site: {status}", route.method, route.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
