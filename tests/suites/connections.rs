//! Connections, the steps that use them, and manual retries of executions.

use crate::databases::postgres_connection;
use forebay_tests::{Sink, Stack, eventually};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_steps_until_it_is_disabled_and_shows_no_secret() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack
        .connect(&format!(
            "tenant: t1\nconnection: erp\ndescription: the ERP\nhttp: {{ url: '{}/base/', authentication: {{ bearer: {{ token: hunter2-token }} }} }}\n",
            sink.address()
        ))
        .await;
    let listed = stack.command(&["connections", "list", "--output", "json"]).await;
    assert!(listed.contains("erp") && !listed.contains("hunter2"), "{listed}");
    stack
        .apply(
            "
tenant: t1
name: priced
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
steps: [{ id: price, http: { connection: erp, path: '/price/${ .body.id }?full=${ .body.full }' } }]
respond: { body: .steps.price.body }
",
        )
        .await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let body = r#"{"id": "a/b c", "full": "x&y"}"#;
    let answer = stack.post(&ingress, "/t1/priced", body).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"ok": true})));
    assert_eq!(sink.calls()[0].path, "/base/price/a%2Fb%20c?full=x%26y");

    stack.command(&["connections", "disable", "t1/erp"]).await;
    eventually("the connection is disabled", || async { (stack.post(&ingress, "/t1/priced", body).await.status == 500).then_some(()) })
        .await;
    let failed = stack.executions("priced").await.into_iter().find(|execution| execution["status"] == "failed");
    let failed = match failed {
        Some(failed) => failed,
        None => {
            eventually("it is recorded", || async { stack.executions("priced").await.into_iter().find(|e| e["status"] == "failed") }).await
        }
    };
    assert_eq!(failed["error"]["code"], "connection");
    assert!(failed["error"]["message"].as_str().unwrap().contains("forebay connections enable t1/erp"), "{failed}");

    stack.command(&["connections", "enable", "t1/erp"]).await;
    eventually("the connection is enabled", || async { (stack.post(&ingress, "/t1/priced", body).await.status == 200).then_some(()) })
        .await;
    stack.command(&["connections", "delete", "t1/erp"]).await;
    eventually("the connection is gone", || async { (stack.post(&ingress, "/t1/priced", body).await.status == 500).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tested_by_the_command_and_a_wrong_one_says_what_to_do() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.connect(&format!("tenant: t1\nconnection: erp\nhttp: {{ url: '{}' }}\n", sink.address())).await;
    let text = stack.command(&["connections", "test", "t1/erp"]).await;
    assert!(text.contains("t1/erp works: HTTP service at 127.0.0.1:"), "{text}");
    sink.answer_with(401);
    let (code, error) = stack.command_fails(&["connections", "test", "t1/erp"]).await;
    assert!(code == 1 && error.contains("check authentication"), "{code} {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_from_the_environment_and_a_missing_one_is_named() {
    let stack = Stack::new().await;
    let file = stack.file("tenant: t1\nconnection: bus\namqp: { url: { env: FOREBAY_TEST_NO_SUCH } }\n");
    let (code, error) = stack.command_fails(&["connections", "apply", &file]).await;
    assert_eq!(code, 1);
    assert!(error.contains("amqp.url: the environment variable FOREBAY_TEST_NO_SUCH is not set"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_steps_read_and_write_and_a_transaction_is_all_or_nothing() {
    let stack = Stack::new().await;
    stack.connect(&postgres_connection(&stack, "t1", "db")).await;
    stack
        .apply(
            "
tenant: t1
name: orders
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
steps:
  - { id: make, sql: { connection: db, execute: 'create table if not exists orders (id text primary key, amount numeric, at timestamptz)' } }
  - id: write
    sql:
      connection: db
      transaction:
        - { execute: 'insert into orders values ($1, $2, $3)', params: '[.body.id, .body.amount, \"2026-01-02T03:04:05Z\"]' }
        - { execute: 'insert into orders values ($1, 1, null)', params: '[.body.other]' }
        - { query: 'select count(*) as n from orders' }
  - { id: read, sql: { connection: db, query: 'select * from orders where id = $1', params: '[.body.id]' } }
respond: { body: '{ n: .steps.write[2].rows[0].n, row: .steps.read.rows[0] }' }
",
        )
        .await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let answer = stack.post(&ingress, "/t1/orders", r#"{"id": "a'; drop table orders --", "amount": 12.50, "other": "b"}"#).await;
    let expected = r#"{"n":2,"row":{"id":"a'; drop table orders --","amount":12.50,"at":"2026-01-02T03:04:05Z"}}"#;
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (200, expected));
    // The second statement violates the primary key, so the first is undone.
    assert_eq!(stack.post(&ingress, "/t1/orders", r#"{"id": "c", "amount": 1, "other": "b"}"#).await.status, 500);
    let answer = stack.post(&ingress, "/t1/orders", r#"{"id": "c", "amount": 1, "other": "d"}"#).await;
    assert_eq!((answer.status, &answer.json()["n"]), (200, &json!(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_hand_goes_on_after_what_was_done_or_from_the_start() {
    let (stack, sink, broken) = (Stack::new().await, Sink::start(Duration::ZERO).await, Sink::start(Duration::ZERO).await);
    broken.answer_with(400);
    let yaml = |url: &str| {
        format!(
            "
tenant: t1
name: fixed
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - {{ id: good, http: {{ method: POST, url: '{}/good' }} }}
  - {{ id: bad, http: {{ method: POST, url: '{url}/bad' }} }}
",
            sink.address()
        )
    };
    stack.apply(&yaml(broken.address())).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    let id = stack.post(&ingress, "/t1/fixed", "{}").await.json()["executionId"].as_str().unwrap().to_owned();
    assert_eq!(stack.ended("fixed", 1).await[0]["status"], "failed");
    let is = async |status: &str, attempts: u64| {
        eventually(&format!("attempt {attempts} has {status}"), || async {
            let execution = stack.executions("fixed").await.remove(0);
            (execution["status"] == status && execution["attempts"] == attempts).then_some(())
        })
        .await;
    };
    // The version that accepted it still calls the broken system.
    stack.apply(&yaml(sink.address())).await;
    stack.command(&["executions", "retry", &id]).await;
    is("failed", 2).await;
    assert_eq!((sink.calls().len(), broken.calls().len()), (1, 2));
    stack.command(&["executions", "retry", &id, "--latest"]).await;
    is("succeeded", 3).await;
    let paths: Vec<String> = sink.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/good", "/bad"]);
    let (code, error) = stack.command_fails(&["executions", "retry", &id]).await;
    assert!(code == 1 && error.contains("its status is succeeded"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_out_of_reach_where_the_operator_says_so() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let yaml = format!(
        "
tenant: t1
name: reaches
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
steps: [{{ id: a, http: {{ url: '{}/x' }} }}]
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let ingress = stack.start("ingress").await;
    let _worker = stack.start_with("worker", &[("FOREBAY_PRIVATE_ADDRESSES", "deny")]).await;
    assert_eq!(stack.post(&ingress, "/t1/reaches", "{}").await.status, 500);
    let ended = stack.ended("reaches", 1).await;
    assert!(ended[0]["error"]["message"].as_str().unwrap().contains("FOREBAY_PRIVATE_ADDRESSES"), "{ended:?}");
    assert!(sink.calls().is_empty());
}

#[tokio::test]
async fn diff_and_apply_compare_connections_field_by_field_and_show_no_secret() {
    let stack = Stack::new().await;
    let write = |url: &str, token: &str| {
        let text = format!("tenant: t1\nconnection: erp\nhttp: {{ url: '{url}', authentication: {{ bearer: {{ token: {token} }} }} }}\n");
        stack.named_file("erp.yaml", &text)
    };
    let file = write("https://a.example", "hunter2-one");
    let (code, text, _) = stack.command_ends(&["diff", &file]).await;
    assert!(code == 1 && text.contains("connection t1/erp  created"), "{code} {text}");
    let (code, error) = stack.command_fails(&["apply", &file]).await;
    assert!(code == 2 && error.contains("connection t1/erp  created"), "{error}");
    let applied = stack.command_json(&["apply", &file, "--yes"]).await;
    assert_eq!(applied, json!([{"connection": "t1/erp", "change": "created", "kind": "http", "enabled": true}]));

    let stored = async || stack.sql("select updated_at, sealed from connections").await;
    let before = stored().await;
    assert_eq!(stack.command_ends(&["diff", &file]).await, (0, String::new(), String::new()));
    for verb in [vec!["apply", &file, "--yes"], vec!["connections", "apply", &file]] {
        assert_eq!(stack.command_json(&verb).await[0]["change"], "unchanged", "{verb:?}");
    }
    assert_eq!(stored().await, before, "what is unchanged is not written");

    let (code, text, _) = stack.command_ends(&["diff", &write("https://b.example", "hunter2-one")]).await;
    let expected = "connection t1/erp  changed
  ~ http.url: \"https://a.example\" -> \"https://b.example\"
  * http.authentication.bearer.token: unchanged (secret)\n";
    assert_eq!((code, text.as_str()), (1, expected));
    let (code, text, _) = stack.command_ends(&["diff", &write("https://a.example", "hunter2-two"), "--output", "json"]).await;
    let expected = json!([{"connection": "t1/erp", "change": "updated", "enabled": true, "differences": [], "secrets": {"http.authentication.bearer.token": "changed"}}]);
    assert_eq!((code, serde_json::from_str::<serde_json::Value>(&text).unwrap()), (1, expected));
    let (_, error) = stack.command_fails(&["apply", &file]).await;
    assert!(error.contains("token: changed (secret)") && !error.contains("hunter2"), "{error}");

    for (key, reason) in
        [("", "FOREBAY_SECRET_KEY is not set"), ("another-key-0123456789abcdef0123", "encrypted by another FOREBAY_SECRET_KEY")]
    {
        let (code, text, error) = stack.command_ends_with(&["diff", &file], &[("FOREBAY_SECRET_KEY", key)]).await;
        assert!(code == 1 && text.contains("t1/erp  not compared: ") && text.contains(reason), "{code} {text}");
        assert!(error.contains("nothing else differs, but 1 connection could not be compared"), "{error}");
    }
    assert_eq!(stored().await, before);
    stack.command(&["connections", "disable", "t1/erp"]).await;
    let (code, text, _) = stack.command_ends(&["diff", &write("https://a.example", "hunter2-one")]).await;
    assert!(code == 1 && text.contains("this enables it") && text.contains("- enabled: false"), "{text}");
    assert_eq!(stack.command_json(&["apply", &file, "--yes"]).await[0]["change"], "updated");
}
