//! The admin API for programs: conditional changes, pages of listings, many documents at once, tokens with fewer rights than their owner,
//! and problems.

use forebay_admin_api::NameText;
use forebay_admin_api::client::{AdminClient, ClientError};
use forebay_admin_api::executions::ExecutionFilter;
use forebay_admin_api::integrations::RollbackRequest;
use forebay_admin_api::keys::CreateKeyRequest;
use forebay_admin_api::{KeyLabel, KeyValue};
use forebay_contract::Secret;
use forebay_tests::{Answer, Process, Sink, Stack, eventually};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A program with a token.
struct Program<'s> {
    stack: &'s Stack,
    root: String,
    token: String,
}

impl<'s> Program<'s> {
    /// Creates a program whose token has all rights.
    async fn new(stack: &'s Stack, process: &Process) -> Self {
        stack.command(&["users", "create", "robot", "--no-password", "--role", "administrator"]).await;
        let made = stack.command_json(&["tokens", "create", "--label", "tests", "--role", "administrator", "--user", "robot"]).await;
        Self { stack, root: format!("{}/api/v1/", process.console), token: made["token"].as_str().unwrap().to_owned() }
    }

    fn with(&self, token: &str) -> Program<'s> {
        Program { stack: self.stack, root: self.root.clone(), token: token.to_owned() }
    }

    async fn send(&self, method: Method, place: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request =
            self.stack.http.request(method, format!("{}{place}", self.root)).header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.stack.send(request).await
    }

    async fn get(&self, place: &str) -> Answer {
        self.send(Method::GET, place, &[], None).await
    }

    async fn put(&self, place: &str, condition: Option<(&str, &str)>, body: &Value) -> Answer {
        self.send(Method::PUT, place, condition.as_slice(), Some(body)).await
    }

    async fn post(&self, place: &str, body: &Value) -> Answer {
        self.send(Method::POST, place, &[], Some(body)).await
    }

    /// Returns every row of a listing, page by page.
    async fn pages(&self, place: &str, limit: usize) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let answer = self.get(&format!("{place}?limit={limit}{cursor}")).await;
            assert_eq!(answer.status, 200, "{}", answer.json());
            let page = answer.json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            rows.extend(items.iter().cloned());
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
                None => return (rows, pages),
            }
        }
    }
}

fn definition(name: &str, text: &str) -> Value {
    json!({ "tenant": "t1", "name": name, "description": text, "trigger": { "webhook": { "authentication": "none" } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_only_to_what_was_read() {
    let stack = Stack::new().await;
    let process = stack.start("dev").await;
    let api = Program::new(&stack, &process).await;
    let connection =
        |text: &str| json!({ "tenant": "t1", "connection": "erp", "description": text, "http": { "url": "http://127.0.0.1:9" } });
    let alert = |text: &str| json!({ "tenant": "t1", "alert": "Stuck", "description": text, "when": { "halted": {} }, "send": { "webhook": { "url": "http://127.0.0.1:9" } } });
    for place in ["integrations/t1/orders", "connections/t1/erp", "alerts/t1/Stuck"] {
        let body = |text: &str| match place.split('/').next() {
            Some("integrations") => json!({ "document": definition("orders", text) }),
            Some("connections") => json!({ "document": connection(text) }),
            _ => json!({ "document": alert(text) }),
        };
        let unsaid = api.put(place, None, &body("one")).await;
        assert_eq!((unsaid.status, &unsaid.json()["type"]), (428, &json!("https://forebay.dev/problems/precondition-required")), "{place}");
        let missing = api.put(place, Some(("if-match", "\"1\"")), &body("one")).await;
        assert!(missing.status == 412 || missing.status == 404, "{place}: {}", missing.json());
        let made = api.put(place, Some(("if-none-match", "*")), &body("one")).await;
        assert_eq!(made.status, 200, "{place}: {}", made.json());
        assert_eq!(api.put(place, Some(("if-none-match", "*")), &body("two")).await.status, 412, "{place}: it is there already");
        let read = api.get(place).await;
        let tag = read.header("etag").to_owned();
        assert_eq!((tag.as_str(), &read.json()["description"]), (made.header("etag"), &json!("one")), "{place}");
        let changed = api.put(place, Some(("if-match", &tag)), &body("two")).await;
        assert_eq!(changed.status, 200, "{place}: {}", changed.json());
        assert_ne!(changed.header("etag"), tag, "{place}");
        let late = api.put(place, Some(("if-match", &tag)), &body("three")).await;
        assert_eq!((late.status, &late.json()["title"]), (412, &json!("Precondition failed")), "{place}");
        assert_eq!(api.get(place).await.json()["description"], "two", "{place}: nobody's change is lost");
        assert_eq!(api.put(place, Some(("if-match", "*")), &body("four")).await.status, 200, "{place}");
    }

    let key = api.post("keys", &json!({ "tenant": "t1", "label": "a", "integrations": ["orders"] })).await;
    let place = format!("keys/{}", key.json()["id"].as_str().unwrap());
    let tag = api.get(&place).await.header("etag").to_owned();
    let label = |text: &str| json!({ "label": text });
    let headers = [("if-match", tag.as_str())];
    assert_eq!(api.send(Method::PATCH, &place, &headers, Some(&label("b"))).await.status, 200);
    assert_eq!(api.send(Method::PATCH, &place, &headers, Some(&label("c"))).await.status, 412);
    assert_eq!(api.send(Method::DELETE, &place, &headers, None).await.status, 412);
    assert_eq!(api.get(&place).await.json()["label"], "b");
    // A null field leaves the value unchanged.
    let nothing = json!({ "label": null, "integrations": null, "grant": null, "revoke": null, "expiresIn": null, "allOutcomes": null });
    let same = api.send(Method::PATCH, &place, &[], Some(&nothing)).await;
    assert_eq!((same.status, &same.json()["label"], &same.json()["integrations"]), (200, &json!("b"), &json!(["orders"])));
    assert_eq!(api.send(Method::DELETE, &place, &[], None).await.status, 200);
    assert_eq!(api.get(&place).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_row_once() {
    let stack = Stack::new().await;
    let yaml: Vec<String> =
        (0..23).map(|n| format!("tenant: t{}\nname: n{n}\ntrigger: {{ webhook: {{ authentication: none }} }}\n", n % 3)).collect();
    stack.apply(&yaml.join("---\n")).await;
    let process = stack.start("dev").await;
    let api = Program::new(&stack, &process).await;
    for n in 0..12 {
        assert_eq!(stack.post(&process, "/t0/n0", &json!({ "n": n }).to_string()).await.status, 202);
    }
    stack.ended("n0", 12).await;

    let (rows, pages) = api.pages("integrations", 10).await;
    let names: BTreeSet<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), names.len(), pages), (23, 23, 3));
    assert!(rows[0].get("document").is_none());
    let whole = api.get("integrations?include=source&limit=5&tenant=t1").await.json();
    assert!(
        whole["items"].as_array().unwrap().iter().all(|row| row["tenant"] == "t1" && row["document"]["name"] == row["name"]),
        "{whole}"
    );

    let (rows, pages) = api.pages("executions", 5).await;
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    let mut newest_first = ids.clone();
    newest_first.sort_unstable();
    newest_first.reverse();
    newest_first.dedup();
    assert_eq!((ids.len(), pages), (12, 3));
    assert_eq!(ids, newest_first);
    // Entries of each created token and user, and of the definitions.
    let (lines, _) = api.pages("audit", 7).await;
    let lines: BTreeSet<String> = lines.iter().map(Value::to_string).collect();
    assert_eq!(lines.len(), 25);
    // A text in PostgreSQL cannot contain NUL.
    for nothing in ["audit?by=%00", "audit?action=%00&target=a%00", "executions?label=%00", "executions?label=a%3D%00"] {
        let answer = api.get(nothing).await;
        assert_eq!((answer.status, &answer.json()["items"]), (200, &json!([])), "{nothing}");
    }
    for wrong in ["executions?cursor=x", "audit?cursor=x", "keys?limit=0", "keys?limit=1001", "keys?novelty=1", "executions?status=lost"] {
        let answer = api.get(wrong).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_documents_are_applied_together_or_not_at_all() {
    let stack = Stack::new().await;
    let process = stack.start("dev").await;
    let api = Program::new(&stack, &process).await;
    let connection = json!({ "document": { "tenant": "t1", "connection": "erp", "http": { "url": "http://127.0.0.1:9" } } });
    let alert = json!({ "document": { "tenant": "t1", "alert": "Stuck", "integrations": ["orders", "nowhere"], "when": { "halted": {} }, "send": { "webhook": { "url": "http://127.0.0.1:9" } } } });
    let good = json!({ "source": "# mine\ntenant: t1\nname: orders\ntrigger: { webhook: {} }\n" });
    let bad = json!({ "source": "tenant: t1\nname: bad\ntrigger: { webhook: {} }\nsteps: [{ id: a, set: '.a |' }]\n" });
    let nothing = async || {
        for kind in ["integrations", "connections", "alerts"] {
            assert_eq!(api.get(kind).await.json()["items"], json!([]), "{kind}");
        }
    };
    let refused = api.post("apply", &json!({ "documents": [connection, good, bad, alert] })).await;
    let problem = refused.json();
    assert_eq!((refused.status, &problem["problems"][0]["path"]), (422, &json!("documents[2].steps[0].set")), "{problem}");
    nothing().await;
    let same = json!({ "document": definition("orders", "the same name") });
    let refused = api.post("apply", &json!({ "documents": [connection, good, alert, connection, same, alert] })).await;
    let problem = refused.json();
    let paths = ["documents[3]", "documents[4]", "documents[5]"];
    assert_eq!((refused.status, [0, 1, 2].map(|n| problem["problems"][n]["path"].as_str().unwrap())), (422, paths), "{problem}");
    let message = "defines the integration t1/orders, as documents[1] does: remove one of the two";
    assert_eq!(problem["problems"][1]["message"], message);
    nothing().await;
    let all = json!([connection, good, alert]);
    let planned = api.post("apply", &json!({ "documents": all, "dryRun": true })).await.json();
    let changes = |done: &Value| ["connections", "definitions", "alerts"].map(|kind| done[kind][0]["change"].as_str().unwrap().to_owned());
    assert_eq!(changes(&planned), ["created"; 3]);
    nothing().await;
    let applied = api.post("apply", &json!({ "documents": all })).await.json();
    assert_eq!(changes(&applied), ["created"; 3]);
    assert!(applied["alerts"][0]["notes"][0].as_str().unwrap().contains("'nowhere' does not exist yet"), "{applied}");
    assert_eq!(changes(&api.post("apply", &json!({ "documents": all })).await.json()), ["unchanged"; 3]);
    assert_eq!(api.get("integrations/t1/orders").await.json()["source"], good["source"]);

    // If the program may not change one of several tenants, nothing is changed.
    let made =
        stack.command_json(&["tokens", "create", "--label", "narrow", "--role", "developer", "--tenant", "t1", "--user", "robot"]).await;
    let narrow_api = api.with(made["token"].as_str().unwrap());
    let both = json!({ "documents": [{ "document": definition("orders", "new") }, { "document": { "tenant": "t2", "name": "x", "trigger": { "webhook": {} } } }] });
    assert_eq!(narrow_api.post("apply", &both).await.status, 404, "of a tenant that it does not see");
    let link =
        |tenant: &str, name: &str| json!({ "document": { "tenant": tenant, "connection": name, "http": { "url": "http://127.0.0.1:9" } } });
    assert_eq!(narrow_api.post("apply", &json!({ "documents": [link("t1", "new"), link("t2", "new")] })).await.status, 404);
    assert_eq!(api.get("connections").await.json()["items"].as_array().unwrap().len(), 1, "nor the first of two connections");
    assert_eq!(api.get("integrations/t1/orders").await.header("etag"), "\"1\"");
    let token = json!({ "label": "more", "role": "viewer", "tenants": ["t1"], "expiresIn": "1h" });
    assert_eq!(narrow_api.post("tokens", &token).await.status, 403, "a token makes no tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_look_changes_nothing() {
    let stack = Stack::new().await;
    stack.apply("tenant: t1\nname: orders\ntrigger: { webhook: { authentication: none } }\n").await;
    let process = stack.start("dev").await;
    let api = Program::new(&stack, &process).await;
    let made =
        stack.command_json(&["tokens", "create", "--label", "narrow", "--role", "viewer", "--tenant", "t1", "--user", "robot"]).await;
    let viewer = api.with(made["token"].as_str().unwrap());
    assert_eq!(viewer.get("integrations/t1/orders").await.status, 200);
    assert_eq!(viewer.get("integrations?tenant=t2").await.status, 404);
    assert_eq!(viewer.get("users").await.status, 403);
    let writes = [
        (Method::PUT, "integrations/t1/orders", json!({ "document": definition("orders", "new") })),
        (Method::POST, "keys", json!({ "tenant": "t1", "label": "a", "integrations": ["orders"] })),
        (Method::POST, "integrations/t1/orders/rollback", json!({})),
        (Method::PUT, "diagnostics/t1/orders", json!({ "for": "1h" })),
        (Method::POST, "executions/retry", json!({ "tenant": "t1" })),
        (Method::PATCH, "tenants/t1", json!({ "docs": "open" })),
        (Method::POST, "apply", json!({ "documents": [{ "document": definition("orders", "new") }] })),
    ];
    for (method, place, body) in writes {
        let answer = viewer.send(method, place, &[("if-match", "*")], Some(&body)).await;
        assert_eq!((answer.status, &answer.json()["title"]), (403, &json!("Not allowed")), "{place}");
    }
    assert_eq!(api.get("integrations/t1/orders").await.header("etag"), "\"1\"");
    assert_eq!(api.with("fby_nobodys").get("me").await.status, 401);
    let wrong = api.send(Method::DELETE, "me", &[], None).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD"));
    assert_eq!(api.get("nowhere").await.json()["type"], "https://forebay.dev/problems/not-found");
}

/// The command uses most methods of the client; this tests the others, and their common behaviour.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_reads_pages_keeps_digits_and_tells_problems() {
    let stack = Stack::new().await;
    let process = stack.start("dev").await;
    let program = Program::new(&stack, &process).await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let api = AdminClient::new(http.clone(), &process.console, &Secret::new(&program.token)).unwrap();

    stack.apply("tenant: t1\nname: Exact\ntrigger: { schedule: { every: 1h, input: { n: 1.10 } } }\n").await;
    let path = "t1/Exact".parse().unwrap();
    let stored = api.integration(&path).await.unwrap();
    assert_eq!(stored.document.unwrap()["trigger"]["schedule"]["input"].to_string(), r#"{"n":1.10}"#);
    assert_eq!(api.versions(&path).await.unwrap().len(), 1);
    assert_eq!(api.executions(ExecutionFilter::default(), 1).await.unwrap(), []);

    let request = CreateKeyRequest {
        tenant: NameText::new("t1"),
        label: KeyLabel::new("Partner"),
        integrations: vec![NameText::new("Exact")],
        key: Some(KeyValue::new(Secret::new("a-value-of-a-partner"))),
        expires_in: None,
        signs: false,
        all_outcomes: false,
    };
    let created = api.create_key(&request).await.unwrap();
    assert_eq!(created.key.expose(), "a-value-of-a-partner");
    let ClientError::Refused { status: 409, problem: Some(problem), .. } = api.create_key(&request).await.unwrap_err() else {
        panic!("a second key has the same value");
    };
    assert_eq!(problem.key.map(|key| (key.id, key.label)), Some((created.id, "Partner".to_owned())));

    let refused = api.rollback(&path, RollbackRequest { to: Some(9), dry_run: true }).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { problem: Some(problem), .. } if refused.to_string() == problem.detail),
        "{refused:?}"
    );
    let elsewhere = AdminClient::new(http, &process.url, &Secret::new("x")).unwrap();
    let error = elsewhere.users().await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: 404, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_field_is_given_under_both_names_for_one_release() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    sink.answer_with(500);
    let policies = ["", "ordered: true", "ordered: { by: .body.site, concurrency: 4 }", "concurrency: 5"];
    for (number, policy) in policies.iter().enumerate() {
        let trigger = format!("{{ webhook: {{ authentication: none, {policy} }} }}");
        stack.apply(&format!("tenant: t1\nname: n{number}\ntrigger: {trigger}\nsteps: [{{ id: a, assert: 'false' }}]\n")).await;
    }
    let when = "failure_rate: { over: 50, at_least: 1 }";
    stack.apply(&format!("tenant: t1\nalert: Failing\nwhen: {{ {when} }}\nsend: {{ webhook: {{ url: '{}' }} }}\n", sink.address())).await;
    let process = stack.start_with("dev", &[("FOREBAY_ALERT_INTERVAL", "300ms")]).await;
    let api = Program::new(&stack, &process).await;
    let document = api.get("openapi.json").await.json();
    let is_given_twice = |schema: &str, object: &Value, name: &str, former: &str| {
        assert!(!object[name].is_null() && object[name] == object[former], "{name}, {former}: {object}");
        assert_eq!(document["components"]["schemas"][schema]["properties"][former]["deprecated"], true, "{schema}.{former}");
    };

    stack.post(&process, "/t1/n0", "{}").await;
    let id = stack.ended("n0", 1).await[0]["id"].as_str().unwrap().to_owned();
    let execution = api.get(&format!("executions/{id}")).await.json();
    is_given_twice("Execution", &execution, "receivedAt", "acceptedAt");
    is_given_twice("Step", &execution["steps"][0], "durationMs", "tookMs");

    let alert = eventually("a notification is attempted again", || async {
        let alert = api.get("alerts/t1/Failing").await.json();
        (!alert["retryAt"].is_null() && alert["notifications"] == 1).then_some(alert)
    })
    .await;
    is_given_twice("AlertState", &alert, "retryAt", "tryAt");
    is_given_twice("AlertState", &alert, "notifications", "messages");
    is_given_twice("RaisedAlert", &alert["raised"][0], "notifiedAt", "toldAt");

    let triggers = api.get("triggers").await.json();
    let terms = |name: &str| triggers["items"].as_array().unwrap().iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(terms("dispatchPolicy"), ["parallel", "ordered", "ordered by key (4)", "concurrency limit 5"]);
    assert_eq!(terms("policy"), ["lane", "serial", "by key (4)", "parallel 5"]);
    assert_eq!(document["components"]["schemas"]["Trigger"]["properties"]["policy"]["deprecated"], true);

    for name in ["expiresIn", "lasts"] {
        let key = api.post("keys", &json!({ "tenant": "t1", "label": name, "integrations": ["n0"], name: "1h" })).await;
        let place = format!("keys/{}", key.json()["id"].as_str().unwrap());
        assert!(api.get(&place).await.json()["expiresAt"].is_string(), "{name}");
        let changed = api.send(Method::PATCH, &place, &[], Some(&json!({ name: "never" }))).await;
        assert_eq!((changed.status, &changed.json()["expiresAt"]), (200, &Value::Null), "{name}");
        let token = api.post("tokens", &json!({ "label": name, "role": "viewer", "tenants": ["t1"], name: "soon" })).await;
        assert_eq!((token.status, token.json()["detail"].as_str().unwrap().starts_with("expiresIn: ")), (422, true), "{}", token.json());
    }
}
