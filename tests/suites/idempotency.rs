//! Repeated calls: one execution for each key, and the first response for each repetition. Also validation of bodies by a schema.

use forebay_tests::{Answer, Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::Duration;

fn definitions(sink: &Sink) -> String {
    let steps = format!("steps: [{{ id: send, http: {{ method: POST, url: '{}/x', body: .body }} }}]", sink.address());
    format!(
        "
tenant: t1
name: async
trigger: {{ webhook: {{ authentication: none }} }}
{steps}
---
tenant: t1
name: sync
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
{steps}
respond: {{ status: 201, headers: {{ X-Made: 'yes' }}, body: '{{ made: .body.n, at: now }}' }}
---
tenant: t1
name: mapped
trigger: {{ webhook: {{ authentication: none, idempotency: {{ key: .body.workOrder.id }} }} }}
{steps}
---
tenant: t1
name: any
trigger: {{ webhook: {{ authentication: none, idempotency: {{ key: .body.key }} }} }}
{steps}
---
tenant: t1
name: alone
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }}, idempotency: {{ key: .body.id, match: key }} }} }}
{steps}
respond: {{ status: 201, body: '{{ sentAt: .body.sentAt }}' }}
---
tenant: t1
name: brief
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
diagnostics: {{ keep: 1ms }}
{steps}
---
tenant: t1
name: failing
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
steps: [{{ id: end, stop: {{ error: no }} }}]
"
    )
}

async fn post(stack: &Stack, ingress: &Process, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = stack.http.post(format!("{}{path}", ingress.url)).header("content-type", "application/json").body(body.to_string());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    stack.send(request).await
}

async fn started(sink: &Sink) -> (Stack, Process, Process) {
    let stack = Stack::new().await;
    stack.apply(&definitions(sink)).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    (stack, ingress, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_gets_the_first_ones_answer_and_runs_nothing() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let first = post(&stack, &ingress, "/t1/sync", Some("k1"), &json!({"n": 1})).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    eventually("it is recorded", || async { (!stack.executions("sync").await.is_empty()).then_some(()) }).await;
    let again = post(&stack, &ingress, "/t1/sync", Some("k1"), &json!({"n": 1})).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), again.header("x-made")), (201, "true", "yes"));
    assert_eq!((again.json(), again.header("forebay-execution-id")), (first.json(), first.header("forebay-execution-id")));
    let other = post(&stack, &ingress, "/t1/sync", Some("k1"), &json!({"n": 2})).await;
    assert_eq!((other.status, other.json()["type"].as_str().unwrap()), (422, "https://forebay.dev/problems/idempotency-key-reused"));
    let another_key = post(&stack, &ingress, "/t1/sync", Some("k2"), &json!({"n": 2})).await;
    assert_eq!((another_key.status, another_key.header("idempotent-replayed")), (201, ""));
    assert_eq!(sink.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_repeated_while_the_first_runs_is_a_conflict_that_names_it() {
    let sink = Sink::start(Duration::from_secs(2)).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let body = json!({"n": 1});
    let first = post(&stack, &ingress, "/t1/sync", Some("k"), &body);
    let second = async {
        eventually("the first runs", || async { (!sink.calls().is_empty()).then_some(()) }).await;
        post(&stack, &ingress, "/t1/sync", Some("k"), &body).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (201, 409), "{second:?}");
    assert_eq!(second.json()["executionId"], first.header("forebay-execution-id"));
    assert!(second.header("location").ends_with(first.header("forebay-execution-id")) && !second.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_key_are_one_execution() {
    let sink = Sink::start(Duration::from_millis(100)).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let other = stack.start("ingress").await;
    let body = json!({"n": 1});
    let calls = (0..20).map(|number| post(&stack, if number % 2 == 0 { &ingress } else { &other }, "/t1/async", Some("same"), &body));
    let answers = futures_util::future::join_all(calls).await;
    let ids: std::collections::HashSet<String> = answers.iter().map(|answer| answer.json()["executionId"].to_string()).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    assert_eq!(ids.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count(), 19);
    stack.ended("async", 1).await;
    // A call without a key, so that all earlier messages have been processed.
    post(&stack, &ingress, "/t1/async", None, &json!({"n": 2})).await;
    stack.ended("async", 2).await;
    assert_eq!(sink.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_can_give_the_key_and_null_gives_none() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let order = json!({"workOrder": {"id": "WO-1"}});
    let first = post(&stack, &ingress, "/t1/mapped", None, &order).await;
    let again = post(&stack, &ingress, "/t1/mapped", Some("ignored"), &order).await;
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (202, 202, "true"));
    assert_eq!(first.json()["executionId"], again.json()["executionId"]);
    let (one, two) =
        (post(&stack, &ingress, "/t1/mapped", None, &json!({})).await, post(&stack, &ingress, "/t1/mapped", None, &json!({})).await);
    assert_ne!(one.json()["executionId"], two.json()["executionId"]);
    stack.ended("mapped", 3).await;
    assert_eq!(sink.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_says_something_of_the_call_or_is_none_and_a_comparison_is_refused() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let ids = async |key: &Value| {
        let body = json!({ "key": key });
        let (first, second) = (post(&stack, &ingress, "/t1/any", None, &body).await, post(&stack, &ingress, "/t1/any", None, &body).await);
        assert_eq!((first.status, second.status), (202, 202), "{key}");
        (first.json()["executionId"].clone(), second.json()["executionId"].clone())
    };
    for none in [json!(null), json!(""), json!([]), json!([null, ""]), json!({"order": null, "lines": [null]})] {
        let (first, second) = ids(&none).await;
        assert_ne!(first, second, "{none}");
    }
    for key in [json!("WO-1"), json!(0), json!([1]), json!([null, 2]), json!({"order": false})] {
        let (first, second) = ids(&key).await;
        assert_eq!(first, second, "{key}");
    }
    for comparison in [true, false] {
        let refused = post(&stack, &ingress, "/t1/any", None, &json!({ "key": comparison })).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("gave true or false"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_key_alone_is_matched_a_repetition_may_hold_anything_else() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let first = post(&stack, &ingress, "/t1/alone", None, &json!({"id": 7, "sentAt": "06:00:00"})).await;
    assert_eq!((first.status, first.header("idempotent-replayed"), first.json()), (201, "", json!({"sentAt": "06:00:00"})));
    eventually("it is recorded", || async { (!stack.executions("alone").await.is_empty()).then_some(()) }).await;
    let again = post(&stack, &ingress, "/t1/alone?try=2", None, &json!({"id": 7, "sentAt": "06:00:05"})).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), again.json()), (201, "true", json!({"sentAt": "06:00:00"})));
    assert_eq!(again.header("forebay-execution-id"), first.header("forebay-execution-id"));
    let other = post(&stack, &ingress, "/t1/alone", None, &json!({"id": 8, "sentAt": "06:00:05"})).await;
    assert_eq!((other.status, other.header("idempotent-replayed"), other.json()), (201, "", json!({"sentAt": "06:00:05"})));
    assert_eq!(sink.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_replayed_too_and_a_bad_key_is_refused() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let first = post(&stack, &ingress, "/t1/failing", Some("k"), &json!({})).await;
    eventually("it is recorded", || async { (!stack.executions("failing").await.is_empty()).then_some(()) }).await;
    let again = post(&stack, &ingress, "/t1/failing", Some("k"), &json!({})).await;
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (500, 500, "true"));
    assert_eq!(first.json()["executionId"], again.json()["executionId"]);
    assert_eq!(post(&stack, &ingress, "/t1/failing", Some(&"x".repeat(300)), &json!({})).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_for_as_long_as_its_key_is_known() {
    let sink = Sink::start(Duration::ZERO).await;
    let (stack, ingress, _worker) = started(&sink).await;
    let first = post(&stack, &ingress, "/t1/brief", Some("k"), &json!({"n": 1})).await;
    eventually("it is recorded", || async { (!stack.executions("brief").await.is_empty()).then_some(()) }).await;
    let again = post(&stack, &ingress, "/t1/brief", Some("k"), &json!({"n": 1})).await;
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (200, 200, "true"));
    assert_eq!(first.body, again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_held_against_the_schema_and_every_misfit_is_named() {
    let stack = Stack::new().await;
    let yaml = "
tenant: t1
name: checked
trigger:
  webhook:
    authentication: none
    body:
      schema:
        type: object
        required: [id]
        properties: { id: { type: string }, lines: { type: array, items: { properties: { count: { type: integer } } } } }
";
    stack.apply(yaml).await;
    let ingress = stack.start("ingress").await;
    let good = post(&stack, &ingress, "/t1/checked", None, &json!({"id": "a", "lines": [{"count": 1}]})).await;
    assert_eq!(good.status, 202);
    let bad = post(&stack, &ingress, "/t1/checked", None, &json!({"lines": [{"count": 1}, {"count": "x"}]})).await;
    let problem = bad.json();
    assert_eq!((bad.status, bad.header("content-type")), (422, "application/problem+json"), "{problem}");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert!(pointers.contains(&"") && pointers.contains(&"/lines/1/count"), "{problem}");
    let xml = stack.http.post(format!("{}/t1/checked", ingress.url)).header("content-type", "application/xml").body("<order id='1'/>");
    assert_eq!(stack.send(xml).await.status, 422);
    let get = stack.http.get(format!("{}/t1/checked", ingress.url));
    assert_eq!(stack.send(get).await.status, 202);
}
