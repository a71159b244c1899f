//! Outcomes: readable with the API key that called, or with one that reads all.

use forebay_tests::{Answer, Process, Stack, eventually};
use serde_json::{Value, json};

const DEFINITIONS: &str = "
tenant: t1
name: price
trigger: { webhook: { methods: [POST] } }
steps: [{ id: sub, call: { integration: sub } }]
diagnostics: { output: true }
respond: { body: '{ price: 42 }' }
---
tenant: t1
name: sub
trigger: { webhook: { methods: [POST] } }
---
tenant: t1
name: failing
trigger: { webhook: { methods: [POST] } }
steps: [{ id: end, stop: { error: no } }]
---
tenant: t1
name: open
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: t1
name: event
trigger: { webhook: { methods: [POST], response: { wait: 20s }, idempotency: { key: .body.id } } }
respond: { body: '{ secret: .body.id }' }
---
tenant: t1
name: header
trigger: { webhook: { methods: [POST], response: { wait: 20s } } }
";

/// A key of a caller.
struct Key {
    id: String,
    value: String,
}

struct Outcomes {
    stack: Stack,
    ingress: Process,
    _worker: Process,
}

impl Outcomes {
    async fn start() -> Self {
        let stack = Stack::new().await;
        stack.apply(DEFINITIONS).await;
        let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
        Self { stack, ingress, _worker: worker }
    }

    /// Creates a key that opens all integrations, and waits until the ingress knows it.
    async fn key(&self, label: &str, more: &[&str]) -> Key {
        let create = ["keys", "create", "--tenant", "t1", "--label", label];
        let opens = ["--integration", "price", "sub", "failing", "event", "header"];
        let created = self.stack.command_json(&[&create[..], more, &opens[..]].concat()).await;
        let text = |field: &str| created[field].as_str().unwrap().to_owned();
        let key = Key { id: text("id"), value: text("key") };
        let is_loaded = || async { (self.outcome("/t1/price/executions/none", Some(&key)).await.status == 404).then_some(()) };
        eventually("the key is known to the ingress", is_loaded).await;
        key
    }

    async fn post(&self, path: &str, key: Option<&Key>, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.stack.http.post(format!("{}{path}", self.ingress.url));
        request = request.header("content-type", "application/json").body(body.to_string());
        if let Some(key) = key {
            request = request.header("x-api-key", &key.value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.stack.send(request).await
    }

    async fn outcome(&self, place: &str, key: Option<&Key>) -> Answer {
        let mut request = self.stack.http.get(format!("{}{place}", self.ingress.url));
        if let Some(key) = key {
            request = request.header("x-api-key", &key.value);
        }
        self.stack.send(request).await
    }

    async fn status_becomes(&self, place: &str, key: &Key, status: u16) {
        let what = format!("the outcome is {status}");
        eventually(&what, || async { (self.outcome(place, Some(key)).await.status == status).then_some(()) }).await;
    }

    /// Calls, and returns the place of the outcome after it is recorded.
    async fn called(&self, integration: &str, key: Option<&Key>) -> String {
        let answer = self.post(&format!("/t1/{integration}"), key, &json!({}), &[]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let place = answer.header("location").to_owned();
        eventually("the outcome is recorded", || async {
            let outcome = self.outcome(&place, key).await;
            assert_eq!(outcome.status, 200, "{outcome:?}");
            ["succeeded", "failed"].contains(&outcome.json()["status"].as_str().unwrap()).then_some(())
        })
        .await;
        place
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_for_the_key_that_called_and_for_keys_that_read_all() {
    let outcomes = Outcomes::start().await;
    let (own, other, all) =
        (outcomes.key("A", &[]).await, outcomes.key("B", &[]).await, outcomes.key("monitor", &["--all-outcomes"]).await);
    let place = outcomes.called("price", Some(&own)).await;
    let outcome = outcomes.outcome(&place, Some(&own)).await;
    assert_eq!((outcome.status, &outcome.json()["response"]["body"]), (200, &json!({ "price": 42 })));
    assert_eq!(outcomes.outcome(&place, Some(&all)).await.json(), outcome.json());
    let hidden = outcomes.outcome(&place, Some(&other)).await;
    assert_eq!((hidden.status, hidden.json()["type"].as_str().unwrap()), (404, "https://forebay.dev/problems/unknown-execution"));
    let id = place.rsplit('/').next().unwrap();
    let last = if id.ends_with('a') { "b" } else { "a" };
    let guess = format!("{}{last}", &id[..id.len() - 1]);
    let never_issued = outcomes.outcome(&place.replace(id, &guess), Some(&other)).await;
    let text = |answer: &Answer| answer.json().to_string().replace(&guess, id);
    assert_eq!((never_issued.status, text(&never_issued)), (404, text(&hidden)), "nothing tells that the execution exists");
    assert_eq!(hidden.header("forebay-execution-id"), "");

    // The execution that a step called has no caller.
    let sub = outcomes.stack.ended("sub", 1).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(outcomes.outcome(&format!("/t1/sub/executions/{sub}"), Some(&other)).await.json()["status"], "succeeded");
    // Nor has a call of an open endpoint: everybody with the id may read its outcome.
    let open = outcomes.called("open", None).await;
    assert_eq!(outcomes.outcome(&open, None).await.status, 200);

    outcomes.stack.command(&["keys", "update", &other.id, "--all-outcomes", "true"]).await;
    outcomes.stack.command(&["keys", "update", &all.id, "--all-outcomes", "false"]).await;
    outcomes.status_becomes(&place, &other, 200).await;
    outcomes.status_becomes(&place, &all, 404).await;
    let listed = outcomes.stack.command_json(&["keys", "list"]).await;
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|key| (&key["label"], &key["allOutcomes"])).collect();
    assert_eq!(listed, [(&json!("A"), &json!(false)), (&json!("B"), &json!(true)), (&json!("monitor"), &json!(false))]);
    let log = outcomes.stack.command_json(&["audit", "list", "--tenant", "t1", "--action", "key.update"]).await;
    let changes: Vec<_> = log.as_array().unwrap().iter().map(|entry| (&entry["before"], &entry["after"])).collect();
    let changes: Vec<_> = changes.iter().map(|(before, after)| (&before["allOutcomes"], &after["allOutcomes"])).collect();
    assert_eq!(changes, [(&json!(true), &json!(false)), (&json!(false), &json!(true))]);
    let wrong = ["keys", "create", "--tenant", "t1", "--label", "x", "--integration", "price", "--signing", "--all-outcomes"];
    assert_eq!(outcomes.stack.command_fails(&wrong).await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_hand_leaves_the_outcome_to_its_caller() {
    let outcomes = Outcomes::start().await;
    let (own, other) = (outcomes.key("A", &[]).await, outcomes.key("B", &[]).await);
    let place = outcomes.called("failing", Some(&own)).await;
    outcomes.stack.command(&["executions", "retry", place.rsplit('/').next().unwrap()]).await;
    eventually("the second attempt is recorded", || async {
        (outcomes.outcome(&place, Some(&own)).await.json()["attempts"] == 2).then_some(())
    })
    .await;
    assert_eq!(outcomes.outcome(&place, Some(&other)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_gets_no_outcome_of_another_keys_call_and_runs_nothing() {
    let outcomes = Outcomes::start().await;
    let (own, other, all) =
        (outcomes.key("A", &[]).await, outcomes.key("B", &[]).await, outcomes.key("monitor", &["--all-outcomes"]).await);
    let event = json!({ "id": "E-1" });
    let first = outcomes.post("/t1/event", Some(&own), &event, &[]).await;
    assert_eq!((first.status, first.json()), (200, json!({ "secret": "E-1" })));
    outcomes.stack.ended("event", 1).await;
    for reader in [&own, &all] {
        let again = outcomes.post("/t1/event", Some(reader), &event, &[]).await;
        assert_eq!((again.status, again.json(), again.header("idempotent-replayed")), (200, first.json(), "true"));
    }
    let refused = outcomes.post("/t1/event", Some(&other), &event, &[]).await;
    assert_eq!((refused.status, refused.json()["type"].as_str().unwrap()), (409, "https://forebay.dev/problems/call-of-another-key"));
    let shown = format!("{refused:?}");
    assert!(!shown.contains(first.header("forebay-execution-id")) && !shown.contains("secret"), "{shown}");
    // A caller that does not wait gets the id of the known event.
    let accepted = outcomes.post("/t1/event", Some(&other), &event, &[("prefer", "respond-async")]).await;
    assert_eq!((accepted.status, accepted.header("idempotent-replayed")), (202, "true"));
    assert_eq!(outcomes.outcome(accepted.header("location"), Some(&other)).await.status, 404);
    assert_eq!(outcomes.stack.executions("event").await.len(), 1);

    // A key of the header is unique for each API key.
    let of_header = [("idempotency-key", "k1")];
    let first = outcomes.post("/t1/header", Some(&own), &event, &of_header).await;
    let second = outcomes.post("/t1/header", Some(&other), &event, &of_header).await;
    assert_eq!((first.status, second.status, second.header("idempotent-replayed")), (200, 200, ""));
    assert_ne!(first.header("forebay-execution-id"), second.header("forebay-execution-id"));
}
