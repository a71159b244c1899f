//! The `http` step with a real server on this machine.

mod support;

use forebay_contract::outcome::{ErrorCode, StepStatus};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::*;

#[tokio::test]
async fn a_call_sends_what_the_definition_says_and_gives_the_answer() {
    let server = Server::with_json(r#"{"ok": true}"#).await;
    let rest = format!(
        "
steps:
  - id: call
    http:
      method: PUT
      url: 'http://{}/sites/${{ .body.site }}?a=${{ .body.q }}'
      query: {{ q: 'x ${{ .body.q }}' }}
      headers: {{ X-Site: 's-${{ .body.no }}' }}
      body: '{{ n: .body.no }}'
",
        server.address
    );
    let envelope = envelope(r#"{"site": "a/../b c", "q": "1&2=ö", "no": 5}"#);
    let run = engine().run(&program(&rest), &envelope, once()).await;
    let output: Value = serde_json::from_str(&text(run)).unwrap();
    assert_eq!((&output["status"], &output["body"]), (&json!(200), &json!({"ok": true})));
    assert_eq!(output["headers"]["content-type"], json!("application/json"));
    let got = server.got().remove(0);
    assert_eq!((got.method.as_str(), &got.body[..]), ("PUT", &br#"{"n":5}"#[..]));
    assert_eq!(got.target, "/sites/a%2F..%2Fb%20c?a=1%262%3D%C3%B6&q=x%201%262%3D%C3%B6");
    assert_eq!((got.header("x-site"), got.header("content-type")), (Some("s-5"), Some("application/json")));
    assert_eq!(got.header("idempotency-key"), Some(format!("{}/call", envelope.execution_id).as_str()));
}

#[tokio::test]
async fn a_value_cannot_lead_to_another_host_or_path() {
    let server = Server::with_json("1").await;
    let at = &server.address;
    let cases = [
        ("http://127.0.0.1${ .body.host }/x".to_owned(), "url: "),
        (format!("http://{at}/a/${{ .body.up }}/x"), "another path"),
        (format!("http://{at}/a/.${{ .body.dot }}/x"), "another path"),
        ("${ .body.file }".to_owned(), "http://"),
        ("${ .body.user }".to_owned(), "credentials"),
    ];
    let body = r#"{"host": "@evil.example", "up": "..", "dot": ".", "file": "file:///etc/passwd", "user": "http://a:b@c/"}"#;
    for (url, expected) in cases {
        let error = error(run(&format!("steps: [{{ id: s, http: {{ url: '{url}' }} }}]"), body).await);
        assert_eq!((error.code, error.step.as_deref(), error.transient), (ErrorCode::Mapping, Some("s"), false), "{url}: {error}");
        assert!(error.message.contains(expected), "{url}: {error}");
    }
    assert_eq!(server.got().len(), 0);
}

#[tokio::test]
async fn statuses_and_silence_are_failures_of_the_step() {
    let server = Server::start(|got| match got.target.as_str() {
        "/busy" => reply(503, &[], "try\r\nlater"),
        "/wrong" => reply(422, &[], "no site"),
        _ => reply(302, &[("location", "http://other.example/")], ""),
    })
    .await;
    let cases = [
        ("/busy", ErrorCode::Remote, true, "later"),
        ("/wrong", ErrorCode::Remote, false, "no site"),
        ("/moved", ErrorCode::Remote, false, "not followed"),
        ("/never", ErrorCode::Timeout, true, "did not answer within"),
    ];
    for (path, code, transient, expected) in cases {
        let rest = format!("steps: [{{ id: s, timeout: 300ms, http: {{ url: 'http://{}{path}' }} }}]", server.address);
        let run = run(&rest, "{}").await;
        assert_eq!(run.steps[0].status, StepStatus::Failed);
        let error = error(run);
        assert_eq!((error.code, error.transient, error.step.as_deref()), (code, transient, Some("s")), "{path}: {error}");
        assert!(error.message.contains(expected), "{path}: {error}");
    }
    let refused = error(run("steps: [{ id: s, http: { url: 'http://127.0.0.1:1/' } }]", "{}").await);
    assert_eq!((refused.code, refused.transient), (ErrorCode::Unreachable, true), "{refused}");
}

#[tokio::test]
async fn connections_are_reused_between_executions() {
    let server = Server::with_json("1").await;
    let program = program(&format!("steps: [{{ id: s, http: {{ url: 'http://{}/' }} }}]", server.address));
    let engine = engine();
    for _ in 0..3 {
        response(engine.run(&program, &envelope("{}"), once()).await);
    }
    assert_eq!((server.got().len(), server.connections()), (3, 1));
}

#[tokio::test]
async fn the_deadline_and_a_cancellation_end_the_run_in_its_step() {
    let server = Server::with_json("1").await;
    let program = program(&format!("steps: [{{ id: s, http: {{ url: 'http://{}/never' }} }}]", server.address));
    let started = Instant::now();
    let run = engine().run(&program, &envelope("{}"), within(Duration::from_millis(200))).await;
    assert_eq!(run.steps.len(), 1);
    let late = error(run);
    assert_eq!((late.code, late.step.as_deref()), (ErrorCode::Timeout, Some("s")));
    let execution = once();
    let cancel = execution.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    let stopped = error(engine().run(&program, &envelope("{}"), execution).await);
    assert_eq!((stopped.code, stopped.transient, stopped.step.as_deref()), (ErrorCode::Crashed, true, Some("s")));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_hostile_mapping_ends_its_own_execution_only() {
    for (mapping, code) in [
        ("def f: f; f", ErrorCode::Timeout),
        ("last(range(1e12))", ErrorCode::Timeout),
        ("def f: 1 + f; f", ErrorCode::Limit),
        ("\"x\" * 1e9", ErrorCode::Limit),
    ] {
        let rest = format!("steps: [{{ id: bad, set: '{mapping}' }}]");
        let error = error(run(&rest, "{}").await);
        assert_eq!((error.code, error.step.as_deref()), (code, Some("bad")), "{mapping}: {error}");
    }
    assert_eq!(answer("steps: [{ id: a, set: '1' }]", "{}").await, "1");
}

#[test]
fn the_future_of_a_run_is_send() {
    fn is_send<T: Send>(_: &T) {}
    let (engine, program, envelope) = (engine(), program(""), envelope("{}"));
    is_send(&engine.run(&program, &envelope, once()));
    is_send(&program.ordering_key(&envelope));
}
