//! The history of executions: labels, hidden fields, diagnostics, statistics.

use forebay_tests::{Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const LABELLED: &str = "
tenant: t1
name: labelled
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
label: '{ workOrder: .body.id, site: .input.site }'
input: '{ site: .body.site }'
steps: [{ id: check, assert: .body.id != 13 }]
";

#[tokio::test(flavor = "multi_thread")]
async fn executions_are_found_by_their_labels_whether_they_succeed_or_fail() {
    let stack = Stack::new().await;
    stack.apply(LABELLED).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    for (id, status) in [(12, 200), (13, 500)] {
        assert_eq!(stack.post(&ingress, "/t1/labelled", &format!(r#"{{"id": {id}, "site": "M1"}}"#)).await.status, status);
    }
    stack.ended("labelled", 2).await;
    let list = async |more: &[&str]| -> Vec<Value> {
        let listed = stack.command_json(&[&["executions", "list"], more].concat()).await;
        listed.as_array().unwrap().clone()
    };
    let failed = list(&["--label", "workOrder=13"]).await;
    assert_eq!((failed.len(), &failed[0]["status"]), (1, &json!("failed")));
    assert_eq!(failed[0]["labels"], json!({ "workOrder": "13", "site": "M1" }));
    assert_eq!(list(&["--label", "M1"]).await.len(), 2);
    assert_eq!(list(&["--label", "M1", "--error", "refused"]).await.len(), 1);
    assert!(list(&["--label", "site=12"]).await.is_empty());
    let shown = stack.command(&["executions", "show", failed[0]["id"].as_str().unwrap()]).await;
    assert!(shown.contains("labels       workOrder=13, site=M1"), "{shown}");
}

const DIGITS: &str = r#"{"price":12345678901234567.89,"odd":[-0,1E5,1e400,1.10,9007199254740993],"half":3,"n":1.10}"#;

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_the_digits_of_the_sender_in_calls_answers_labels_and_the_history() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    sink.answer_body(DIGITS);
    let yaml = format!(
        "
tenant: t1
name: digits
trigger: {{ webhook: {{ authentication: none, query: {{ n: {{ type: number }} }}, response: {{ wait: 20s }} }} }}
diagnostics: {{ input: true, output: true, steps: true }}
label: '{{ price: .body.price, n: .query.n }}'
steps:
  - {{ id: kept, set: '{{ price: .body.price, odd: .body.odd, half: (6 / 2), n: .query.n }}' }}
  - {{ id: send, http: {{ method: POST, url: '{}', body: .steps.kept }} }}
respond: {{ body: .steps.send.body }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let body = r#"{"price":12345678901234567.89,"odd":[-0,1E5,1e400,1.10,9007199254740993]}"#;
    let answer = stack.post(&ingress, "/t1/digits?n=1.10", body).await;
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (200, DIGITS));
    assert_eq!(sink.calls()[0].body, DIGITS);
    stack.ended("digits", 1).await;

    for label in ["price=12345678901234567.89", "1.10"] {
        let found = stack.command_json(&["executions", "list", "--label", label]).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{label}");
    }
    let id = stack.executions("digits").await[0]["id"].as_str().unwrap().to_owned();
    let shown = stack.command(&["executions", "show", &id]).await;
    assert!(shown.contains(&format!("             {DIGITS}\n")), "{shown}");
    assert!(shown.contains("labels       price=12345678901234567.89, n=1.10"), "{shown}");
    let shown = stack.command(&["executions", "show", &id, "--output", "json"]).await;
    let shown: String = shown.split_whitespace().collect();
    // The steps `kept` and `send`, and the response; the call has no `half`.
    assert_eq!(shown.matches(DIGITS).count(), 3, "{shown}");
    assert_eq!((shown.matches(body).count(), shown.matches("\"query\":{\"n\":1.10}").count()), (1, 1), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_fields_are_nowhere_in_the_history_and_a_retry_still_has_them() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    sink.answer_with(400);
    sink.answer_body(r#"{"token": "hunter2-answer", "fine": 1}"#);
    let yaml = format!(
        "
tenant: t1
name: secretive
trigger: {{ webhook: {{ query: {{ pin: {{}} }} }} }}
diagnostics: {{ input: true, output: true, steps: true, redact: [password, pin, token, X-Secret] }}
steps:
  - {{ id: made, set: '{{ token: \"hunter2-made\", user: .body.user }}' }}
  - {{ id: send, http: {{ method: POST, url: '{}', accept: [200], body: '{{ password: .body.login.password, pin: .query.pin }}' }} }}
  - {{ id: parse, set: .body.login.password | tonumber }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let key = stack.command_json(&["keys", "create", "--tenant", "t1", "--label", "l", "--integration", "secretive"]).await;
    let key = key["key"].as_str().unwrap();
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let call = stack
        .http
        .post(format!("{}/t1/secretive?pin=hunter2-pin", ingress.url))
        .header("x-api-key", key)
        .header("x-secret", "hunter2-header")
        .header("content-type", "application/json")
        .body(r#"{"user": "ann", "login": {"Password": 1, "password": "hunter2-body"}}"#);
    assert_eq!(stack.send(call).await.status, 202);
    let ended = stack.ended("secretive", 1).await;
    let id = ended[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ended[0]["status"], "failed", "{ended:?}");

    let shown = stack.command_json(&["executions", "show", &id]).await;
    let text = shown.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains(key), "the key that the call came with is never stored");
    assert_eq!(shown["input"]["body"], json!({ "user": "ann", "login": { "Password": "[redacted]", "password": "[redacted]" } }));
    assert_eq!(shown["steps"][0]["output"], json!({ "token": "[redacted]", "user": "ann" }));

    sink.answer_with(200);
    stack.command(&["executions", "retry", &id]).await;
    let failed_again = eventually("the retry has ended", || async {
        let execution = stack.executions("secretive").await.remove(0);
        (execution["attempts"] == 2).then_some(execution)
    })
    .await;
    assert_eq!(
        sink.calls().last().unwrap().body,
        r#"{"password":"hunter2-body","pin":"hunter2-pin"}"#,
        "a retry sends the call as it came"
    );
    let message = failed_again["error"]["message"].as_str().unwrap();
    assert!(message.contains("[redacted]") && !message.contains("hunter2"), "{message}");
    let shown = stack.command_json(&["executions", "show", &id]).await.to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    let stored = "select count(*) from execution_payloads where encoding not like 'sealed%' and encoding = 'identity'
                  and position('hunter2' in convert_from(content, 'LATIN1')) > 0";
    assert_eq!(stack.sql(stored).await.trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_hides_fields_does_not_run_where_nothing_can_be_encrypted() {
    let stack = Stack::new().await;
    stack.apply("tenant: t1\nname: hides\ntrigger: { webhook: { authentication: none } }\ndiagnostics: { redact: [a] }\n").await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start_with("worker", &[("FOREBAY_SECRET_KEY", "")]).await);
    assert_eq!(stack.post(&ingress, "/t1/hides", r#"{"a": "hunter2"}"#).await.status, 202);
    let ended = stack.ended("hides", 1).await;
    assert!(ended[0]["error"]["message"].as_str().unwrap().contains("FOREBAY_SECRET_KEY"), "{ended:?}");
    let id = ended[0]["id"].as_str().unwrap();
    assert_eq!(stack.command_json(&["executions", "show", id]).await["input"]["body"], json!({ "a": "[redacted]" }));
    let (code, error) = stack.command_fails(&["executions", "retry", id]).await;
    assert!(code == 1 && error.contains("send the call again"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_repeated_call_is_whole_though_its_fields_are_hidden() {
    let stack = Stack::new().await;
    let yaml = "
tenant: t1
name: repeated
trigger: { webhook: { authentication: none, response: { wait: 20s }, idempotency: { key: .body.id } } }
diagnostics: { redact: [token] }
steps: [{ id: made, set: '{ token: \"hunter2\", n: 1 }' }]
";
    stack.apply(yaml).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let first = stack.post(&ingress, "/t1/repeated", r#"{"id": 1}"#).await;
    stack.ended("repeated", 1).await;
    let again = stack.post(&ingress, "/t1/repeated", r#"{"id": 1}"#).await;
    assert_eq!((first.json(), again.json()), (json!({ "token": "hunter2", "n": 1 }), json!({ "token": "hunter2", "n": 1 })));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let id = stack.executions("repeated").await[0]["id"].as_str().unwrap().to_owned();
    let shown = stack.command_json(&["executions", "show", &id]).await;
    assert_eq!(shown["output"]["body"], json!({ "token": "[redacted]", "n": 1 }));
}

const WATCHED: &str = "
tenant: t1
name: watched
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
input: '{ n: .body.n }'
steps:
  - { id: double, set: .input.n * 2 }
  - { id: more, set: .steps.double + 1 }
";

#[tokio::test(flavor = "multi_thread")]
async fn diagnostics_record_everything_while_they_are_on_and_nothing_else_is_kept() {
    let stack = Stack::new().await;
    stack.apply(WATCHED).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let call = async || {
        let answer = stack.post(&ingress, "/t1/watched", r#"{"n": 21}"#).await;
        assert_eq!(answer.status, 200);
        answer.header("forebay-execution-id").to_owned()
    };
    let shown = async |id: String| {
        eventually("the execution is recorded", || async {
            let (code, output, _) = stack.command_ends(&["executions", "show", &id, "--output", "json"]).await;
            (code == 0).then(|| serde_json::from_str::<Value>(&output).unwrap())
        })
        .await
    };
    let before = shown(call().await).await;
    assert_eq!((&before["input"], &before["output"], &before["steps"][0]["output"]), (&Value::Null, &Value::Null, &Value::Null));

    stack.command(&["diagnostics", "on", "t1/watched", "--for", "1h"]).await;
    let listed = stack.command_json(&["diagnostics", "list"]).await;
    assert_eq!(listed[0]["integration"], "watched");
    let recorded = eventually("diagnostics are on", || async {
        let execution = shown(call().await).await;
        (!execution["input"].is_null()).then_some(execution)
    })
    .await;
    assert_eq!((&recorded["input"]["body"], &recorded["output"]["body"]), (&json!({ "n": 21 }), &json!(43)));
    let more = &recorded["steps"][1];
    assert_eq!(more["before"], json!({ "input": { "n": 21 }, "steps.double": 42 }));
    assert_eq!(more["after"], json!({ "input": { "n": 21 }, "steps.double": 42, "steps.more": 43 }));

    stack.command(&["diagnostics", "off", "t1/watched"]).await;
    eventually("diagnostics are off", || async { shown(call().await).await["input"].is_null().then_some(()) }).await;
    let (code, _) = stack.command_fails(&["diagnostics", "off", "t1/nothing"]).await;
    assert_eq!(code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_counted_by_minute_whatever_came_of_the_executions() {
    let stack = Stack::new().await;
    stack.apply(LABELLED).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    for id in [1, 2, 13] {
        stack.post(&ingress, "/t1/labelled", &format!(r#"{{"id": {id}}}"#)).await;
    }
    stack.ended("labelled", 3).await;
    // Statistics that are not written yet are written when the worker ends.
    assert!(worker.terminate().await.success());
    let sums = "select sum(succeeded), sum(failed), sum(expired), sum((select sum(n) from unnest(durations) n)) from traffic";
    assert_eq!(stack.sql(sums).await.trim(), "2|1|0|3");
}
