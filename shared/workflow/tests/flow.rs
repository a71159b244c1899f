//! Steps with nested steps, step failures, and checkpoints, so that no later run repeats a step.

#![allow(clippy::unwrap_used, reason = "a suite")]

mod support;

use forebay_contract::connection::Connection;
use forebay_contract::outcome::{Checkpoint, ErrorCode, ExecutionError, Response, StepStatus};
use forebay_contract::{Name, UnixMillis};
use forebay_workflow::{CallEnd, Host, HostFuture, NoHost, OutgoingCall, RunEnd};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;

#[allow(clippy::unwrap_used)]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Records the requests that it receives.
#[derive(Default)]
struct Witness {
    /// Storing never ends.
    is_stuck: bool,
    stored: Mutex<Vec<Vec<String>>>,
    answered: Mutex<Vec<u16>>,
    called: Mutex<Vec<(String, String)>>,
}

impl Host for Witness {
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool> {
        self.stored.lock().unwrap().push(steps.iter().map(|step| step.path.clone()).collect());
        let is_stuck = self.is_stuck;
        Box::pin(async move { if is_stuck { std::future::pending().await } else { true } })
    }

    fn answer(&self, response: &Response) {
        self.answered.lock().unwrap().push(response.status);
    }

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        self.called.lock().unwrap().push((call.path.clone(), String::from_utf8(call.body.clone()).unwrap()));
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let response = Response { status: 201, headers, body: call.body.into() };
        Box::pin(async move { Ok(CallEnd::Answered("child".into(), response)) })
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        NoHost.connection(name)
    }
}

#[tokio::test]
async fn a_switch_runs_the_first_case_that_holds_and_its_outputs_are_seen_after_it() {
    let steps = "
steps:
  - id: size
    switch:
      cases:
        - { when: .body.n > 100, steps: [{ id: large, set: '\"large\"' }] }
        - { when: .body.n > 10, steps: [{ id: middle, set: '\"middle\"' }] }
      default: [{ id: small, set: '\"small\"' }]
  - { id: seen, set: '[.steps.size, .steps.large, .steps.middle, .steps.small]' }";
    for (n, expected) in [
        (500, json!(["large", "large", null, null])),
        (50, json!(["middle", null, "middle", null])),
        (5, json!(["small", null, null, "small"])),
    ] {
        assert_eq!(parsed(&answer(steps, &json!({"n": n}).to_string()).await), expected);
    }
}

#[tokio::test]
async fn a_loop_collects_in_the_lists_order_and_its_steps_are_its_own() {
    let server = Server::start(|got| {
        // Later items answer earlier.
        let n: u64 = got.target.trim_start_matches("/n/").parse().unwrap();
        std::thread::sleep(Duration::from_millis(20 - n));
        reply(200, &[("content-type", "application/json")], format!("{}", n * 10))
    })
    .await;
    let steps = format!(
        "
steps:
  - id: lines
    each:
      in: .body
      parallel: 4
      steps:
        - {{ id: asked, http: {{ url: 'http://{}/n/${{ .item }}' }} }}
        - {{ id: named, set: '{{ index, item, ten: .steps.asked.body }}' }}
      output: '[.index, .item, .steps.named.ten]'
  - {{ id: after, set: '[.steps.lines, .steps.asked, .item]' }}",
        server.address
    );
    let run = engine().run(&program(&steps), &envelope("[3, 1, 2, 9, 7]"), once()).await;
    let paths: Vec<String> = run.steps.iter().map(|step| step.id.clone()).collect();
    assert!(paths.contains(&"lines[4]/named".to_owned()), "{paths:?}");
    let expected = json!([[[0, 3, 30], [1, 1, 10], [2, 2, 20], [3, 9, 90], [4, 7, 70]], null, null]);
    assert_eq!(parsed(&text(run)), expected);
}

#[tokio::test]
async fn a_loop_over_no_list_says_what_it_got_and_a_failing_item_is_named() {
    let failed = error(run("steps: [{ id: lines, each: { in: .body.lines, steps: [{ id: a, set: .item }] } }]", "{}").await);
    assert!(failed.message.contains("must give a list, and gave null"), "{failed}");
    let steps = "steps: [{ id: lines, each: { in: .body, parallel: 2, steps: [{ id: a, set: '1 / .item' }] } }]";
    let run = run(steps, "[1, 0, 2]").await;
    assert_eq!(run.steps.iter().filter(|step| step.status == StepStatus::Failed).count(), 2);
    assert_eq!(error(run).step.as_deref(), Some("lines[1]/a"));
}

#[tokio::test]
async fn branches_run_at_once_and_are_joined() {
    let server = Server::with_json("1").await;
    let never = format!("http://{}/never", server.address);
    let steps = format!(
        "
steps:
  - id: both
    parallel:
      slow: [{{ id: a, http: {{ url: '{never}', timeout: 300ms }}, on_error: continue }}, {{ id: b, set: '\"b\"' }}]
      slower: [{{ id: c, http: {{ url: '{never}', timeout: 400ms }}, on_error: continue }}, {{ id: d, set: '\"d\"' }}]
  - {{ id: seen, set: '[.steps.both, .steps.b, .steps.d, .steps.a.error.code]' }}"
    );
    let begun = Instant::now();
    assert_eq!(parsed(&answer(&steps, "{}").await), json!([{"slow": "b", "slower": "d"}, "b", "d", "timeout"]));
    assert!(begun.elapsed() < Duration::from_millis(690), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_assert_or_a_stop_refuses_for_good_and_a_plain_stop_ends_well() {
    let failed = error(run("steps: [{ id: sure, assert: { that: '.body.n == 1', message: 'n is ${ .body.n }' } }]", r#"{"n": 2}"#).await);
    assert_eq!((failed.code, failed.transient, failed.to_string().as_str()), (ErrorCode::Refused, false, "sure: n is 2"));
    let failed = error(run("steps: [{ id: sure, assert: .body.n }]", r#"{"n": 2}"#).await);
    assert!(failed.message.contains("must give true, and gave 2"), "{failed}");
    let failed = error(run("steps: [{ id: end, stop: { error: gone } }]", "{}").await);
    assert_eq!((failed.code, failed.message.as_str()), (ErrorCode::Refused, "gone"));
    let steps =
        "steps: [{ id: a, set: 1 }, { id: end, when: .body.n == 2, stop: }, { id: b, set: 2 }]\nrespond: { body: '[.steps.a, .steps.b]' }";
    assert_eq!(answer(steps, r#"{"n": 2}"#).await, "[1,null]");
    assert_eq!(answer(steps, "{}").await, "[1,2]");
}

#[tokio::test]
async fn a_step_is_tried_again_as_its_own_retry_says_and_waits_as_the_remote_system_asks() {
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let server = Server::start(move |_| {
        let mut count = counted.lock().unwrap();
        *count += 1;
        if *count == 1 { reply(503, &[("retry-after", "1")], "") } else { reply(200, &[("content-type", "application/json")], "7") }
    })
    .await;
    let url = format!("http://{}/x", server.address);
    let begun = Instant::now();
    let steps = format!(
        "steps: [{{ id: a, retry: {{ attempts: 3, backoff: {{ first: 1ms }} }}, http: {{ url: '{url}' }} }}]\nrespond: {{ body: .steps.a.body }}"
    );
    assert_eq!(answer(&steps, "{}").await, "7");
    assert!(begun.elapsed() >= Duration::from_millis(790), "{:?}", begun.elapsed());
    let keys: Vec<_> = server.got().iter().map(|got| got.header("idempotency-key").map(str::to_owned)).collect();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

#[tokio::test]
async fn a_backoff_that_is_longer_than_the_execution_is_not_blamed_on_a_short_retry_after() {
    for (asked, is_blamed) in [("1", false), ("30", true)] {
        let server = Server::start(move |_| reply(503, &[("retry-after", asked)], "")).await;
        let steps = format!(
            "steps: [{{ id: a, retry: {{ attempts: 2, backoff: {{ first: 20s }} }}, http: {{ url: 'http://{}/x' }} }}]",
            server.address
        );
        let error = error(engine().run(&program(&steps), &envelope("{}"), within(Duration::from_secs(2))).await);
        assert_eq!(error.message.contains("(Retry-After), which is longer than this execution may take"), is_blamed, "{error}");
    }
}

#[tokio::test]
async fn what_the_same_input_meets_again_is_not_tried_again_unless_asked() {
    let server = Server::start(|_| reply(404, &[], "")).await;
    for (on, times) in [("", 1), (", on: any", 3)] {
        let before = server.got().len();
        let steps = format!(
            "steps: [{{ id: a, retry: {{ attempts: 3, backoff: {{ first: 1ms }}{on} }}, http: {{ url: 'http://{}/x' }} }}]",
            server.address
        );
        error(run(&steps, "{}").await);
        assert_eq!(server.got().len() - before, times, "{steps}");
    }
}

#[tokio::test]
async fn an_accepted_status_is_an_output_and_a_failure_can_be_handled_by_steps() {
    let server = Server::start(|_| reply(404, &[("content-type", "application/json")], r#"{"no": 1}"#)).await;
    let steps = format!(
        "steps: [{{ id: a, http: {{ url: 'http://{}/x', accept: [404] }} }}]\nrespond: {{ body: .steps.a.status }}",
        server.address
    );
    assert_eq!(answer(&steps, "{}").await, "404");
    let steps = format!(
        "steps: [{{ id: a, http: {{ url: 'http://{}/x' }}, on_error: [{{ id: told, set: '\"told: \" + .steps.a.error.code' }}] }}, {{ id: b, set: '.steps.told + \"!\"' }}]",
        server.address
    );
    let run = engine().run(&program(&steps), &envelope("{}"), once()).await;
    assert_eq!(
        run.steps.iter().map(|step| step.status).collect::<Vec<_>>(),
        [StepStatus::Failed, StepStatus::Succeeded, StepStatus::Succeeded]
    );
    assert_eq!(text(run), "\"told: remote!\"");
}

#[tokio::test]
async fn a_respond_step_answers_while_the_workflow_goes_on() {
    let witness = Arc::new(Witness::default());
    let mut execution = once();
    execution.host = witness.clone();
    let steps = "steps: [{ id: early, respond: { status: 202, body: '\"soon\"' } }, { id: b, set: 2 }]\nrespond: { status: 200 }";
    let run = engine().run(&program(steps), &envelope("{}"), execution).await;
    assert_eq!(*witness.answered.lock().unwrap(), [202]);
    assert_eq!(run.answered.as_ref().map(|answer| answer.status), Some(202));
    assert_eq!(text(run), "\"soon\"");
}

const FIVE_CALLS: &str = "
steps:
  - { id: a, http: { method: POST, url: 'http://ADDRESS/a' } }
  - { id: pure, set: .steps.a.body }
  - { id: read, http: { url: 'http://ADDRESS/read' } }
  - { id: b, http: { method: POST, url: 'http://ADDRESS/b' } }
  - { id: last, set: '[.steps.pure, .steps.b.body]' }";

#[tokio::test]
async fn outputs_are_kept_before_the_next_effect_and_at_no_other_time() {
    let server = Server::with_json("1").await;
    let program = program(&FIVE_CALLS.replace("ADDRESS", &server.address));
    let witness = Arc::new(Witness::default());
    let mut execution = once();
    execution.host = witness.clone();
    let run = engine().run(&program, &envelope("{}"), execution).await;
    assert_eq!(*witness.stored.lock().unwrap(), [["a", "read"]]);
    assert_eq!(run.unstored.iter().map(|step| step.path.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(program.uses_checkpoints());
    let single = format!("steps: [{{ id: a, http: {{ method: POST, url: 'http://{}/a' }} }}]", server.address);
    assert!(!support::program(&single).uses_checkpoints());
}

#[tokio::test]
async fn a_step_with_a_checkpoint_is_not_repeated() {
    let server = Server::with_json("2").await;
    let program = program(&FIVE_CALLS.replace("ADDRESS", &server.address));
    let mut execution = once();
    let output = br#"{"status": 200, "headers": {}, "body": 1}"#.to_vec();
    execution.checkpoints = ["a", "read"].map(|path| Checkpoint { path: path.to_owned(), output: output.clone() }).to_vec();
    let run = engine().run(&program, &envelope("{}"), execution).await;
    let called: Vec<String> = server.got().into_iter().map(|got| got.target).collect();
    assert_eq!(called, ["/b"]);
    assert_eq!(text(run), "[1,2]");
}

#[tokio::test]
async fn a_long_wait_defers_the_execution_and_ends_when_its_time_has_come() {
    let steps = "steps: [{ id: a, set: 1 }, { id: later, wait: 1h }, { id: b, set: 2 }]";
    let mut execution = once();
    (execution.max_wait_in_place, execution.may_be_deferred) = (Duration::from_millis(100), true);
    let run = engine().run(&program(steps), &envelope("{}"), execution.clone()).await;
    let RunEnd::WaitsUntil(until) = run.end else { panic!("{:?}", run.end) };
    let left = until.since(UnixMillis::now()).as_secs();
    assert!((3_590..=3_600).contains(&left), "{until:?}");
    assert_eq!(run.steps.last().unwrap().status, StepStatus::Waiting);
    execution.checkpoints = run.unstored.clone();
    let again = engine().run(&program(steps), &envelope("{}"), execution.clone()).await;
    assert_eq!(again.end, RunEnd::WaitsUntil(until));
    let past = Checkpoint { path: "later".into(), output: br#"{"until": "2020-01-01T00:00:00Z"}"#.to_vec() };
    execution.checkpoints = vec![past];
    assert_eq!(text(engine().run(&program(steps), &envelope("{}"), execution).await), "2");
}

#[tokio::test]
async fn a_wait_until_a_time_that_is_past_or_near_goes_on_in_place() {
    let steps = "steps: [{ id: a, wait: { until: '\"2020-01-01T00:00:00Z\"' } }, { id: b, wait: 20ms }, { id: c, set: .steps.a.until }]";
    assert_eq!(answer(steps, "{}").await, "\"2020-01-01T00:00:00Z\"");
    let failed = error(run("steps: [{ id: a, wait: { until: '\"noon\"' } }]", "{}").await);
    assert!(failed.message.contains("must give a time (RFC 3339"), "{failed}");
}

#[tokio::test]
async fn a_call_of_another_integration_gives_its_answer() {
    let witness = Arc::new(Witness::default());
    let mut execution = once();
    execution.host = witness.clone();
    let steps = "steps: [{ id: sub, call: { integration: Other, body: '{ a: 1 }' } }]\nrespond: { body: '[.steps.sub.executionId, .steps.sub.status, .steps.sub.body]' }";
    let run = engine().run(&program(steps), &envelope("{}"), execution).await;
    assert_eq!(parsed(&text(run)), json!(["child", 201, {"a": 1}]));
    assert_eq!(*witness.called.lock().unwrap(), [("sub".to_owned(), r#"{"a":1}"#.to_owned())]);
}

#[tokio::test]
async fn a_failure_after_an_effect_leaves_what_a_later_attempt_needs() {
    let server = Server::start(|got| if got.target == "/b" { reply(500, &[], "") } else { reply(200, &[], "") }).await;
    let program = program(&FIVE_CALLS.replace("ADDRESS", &server.address));
    let witness = Arc::new(Witness::default());
    let mut execution = once();
    execution.host = witness.clone();
    let run = engine().run(&program, &envelope("{}"), execution).await;
    assert_eq!(*witness.stored.lock().unwrap(), [["a", "read"]]);
    assert_eq!(error(run).step.as_deref(), Some("b"));
}

#[tokio::test]
async fn checkpoints_that_were_being_stored_when_the_run_was_cancelled_are_not_lost() {
    let server = Server::with_json("1").await;
    let mut execution = within(Duration::from_millis(500));
    execution.host = Arc::new(Witness { is_stuck: true, ..Witness::default() });
    let run = engine().run(&program(&FIVE_CALLS.replace("ADDRESS", &server.address)), &envelope("{}"), execution).await;
    assert_eq!(run.unstored.iter().map(|step| step.path.as_str()).collect::<Vec<_>>(), ["a", "read"]);
    assert_eq!(error(run).code, ErrorCode::Timeout);
}

#[test]
fn a_program_keeps_steps_where_one_reaches_out_before_another_or_waits() {
    let cases = [
        ("steps: [{ id: a, set: 1 }, { id: b, set: .steps.a }]", false),
        ("steps: [{ id: a, http: { url: 'http://a.example' } }]", false),
        ("steps: [{ id: a, http: { url: 'http://a.example' } }, { id: b, set: .steps.a }]", true),
        ("steps: [{ id: a, set: now }, { id: b, set: .steps.a }]", true),
        ("steps: [{ id: a, each: { in: .body, steps: [{ id: b, http: { url: 'http://a.example' } }] } }]", true),
        ("steps: [{ id: a, wait: 1h }]", true),
    ];
    for (steps, expected) in cases {
        assert_eq!(program(steps).uses_checkpoints(), expected, "{steps}");
    }
}
