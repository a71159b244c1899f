//! Workflows with effects: completed steps are not repeated, whatever happens to the worker.

use forebay_tests::{Process, ReceivedCall, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const STEPS: usize = 5;

fn five_calls(sink: &Sink) -> String {
    let step = |number| {
        format!("  - {{ id: s{number}, http: {{ method: POST, url: '{}/{number}', body: '[.steps | keys]' }} }}\n", sink.address())
    };
    let steps: String = (1..=STEPS).map(step).collect();
    format!("tenant: t1\nname: five\ntrigger: {{ webhook: {{ authentication: none }} }}\nsteps:\n{steps}")
}

async fn call_at(sink: &Sink, number: usize, is_reached: impl Fn(&ReceivedCall) -> bool) {
    let path = format!("/{number}");
    eventually(&format!("the call {path}"), || async {
        sink.calls().iter().any(|call| call.path == path && is_reached(call)).then_some(())
    })
    .await;
}

/// Runs the workflow with a worker that is killed once in each step, when `is_reached` returns true for its call.
async fn killed_in_each_step(is_reached: impl Fn(&ReceivedCall) -> bool + Copy) -> Vec<ReceivedCall> {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::from_millis(300)).await);
    stack.apply(&five_calls(&sink)).await;
    let ingress = stack.start("ingress").await;
    let mut worker = stack.start("worker").await;
    assert_eq!(stack.post(&ingress, "/t1/five", "{}").await.status, 202);
    for number in 1..=STEPS {
        call_at(&sink, number, is_reached).await;
        worker.kill().await;
        worker = stack.start("worker").await;
    }
    let ended = stack.ended("five", 1).await;
    assert_eq!(ended[0]["status"], "succeeded", "{ended:?}");
    sink.calls()
}

/// Checks that each effect has one key, so that a server that honours it does it once.
fn check_keys(calls: &[ReceivedCall]) {
    for number in 1..=STEPS {
        let path = format!("/{number}");
        let keys: Vec<_> = calls.iter().filter(|call| call.path == path).map(|call| call.idempotency_key.clone().unwrap()).collect();
        assert!(!keys.is_empty() && keys[0].ends_with(&format!("/s{number}")) && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

/// Checks that no step runs again once a later one has begun: its output is stored by then.
fn check_order(calls: &[ReceivedCall]) {
    let numbers: Vec<usize> = calls.iter().map(|call| call.path[1..].parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "a step that was done was repeated after a later one: {numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_during_every_step_repeats_that_step_and_none_before_it() {
    let calls = killed_in_each_step(|_| true).await;
    check_keys(&calls);
    check_order(&calls);
    // Each kill interrupted a call. A worker on a busy machine may have progressed before it is killed.
    assert!(calls.len() > STEPS, "nothing was repeated: {calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_between_the_steps_repeats_at_most_the_last_one() {
    let calls = killed_in_each_step(|call| call.ended > call.began).await;
    check_keys(&calls);
    check_order(&calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_by_way_of_the_delayed_queue_goes_on_after_the_last_success() {
    let (stack, sink, broken) = (Stack::new().await, Sink::start(Duration::ZERO).await, Sink::start(Duration::ZERO).await);
    broken.answer_with(503);
    let yaml = format!(
        "
tenant: t1
name: retried
trigger: {{ webhook: {{ authentication: none }} }}
retry: {{ attempts: 10, backoff: {{ first: 1s, factor: 1 }} }}
steps:
  - {{ id: good, http: {{ method: POST, url: '{}/good' }} }}
  - {{ id: bad, http: {{ method: POST, url: '{}/bad', body: .steps.good.body }} }}
",
        sink.address(),
        broken.address()
    );
    stack.apply(&yaml).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    assert_eq!(stack.post(&ingress, "/t1/retried", "{}").await.status, 202);
    eventually("two attempts", || async { (broken.calls().len() >= 2).then_some(()) }).await;
    broken.answer_with(200);
    let ended = stack.ended("retried", 1).await;
    assert!(ended.iter().any(|execution| execution["status"] == "succeeded") || !stack.executions("retried").await.is_empty());
    eventually("success", || async { (stack.executions("retried").await[0]["status"] == "succeeded").then_some(()) }).await;
    assert_eq!(sink.calls().len(), 1, "the step that was done is not done again");
    assert_eq!(broken.calls().last().unwrap().body, r#"{"ok":true}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_holds_no_worker_and_survives_its_end() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let yaml = format!(
        "
tenant: t1
name: waits
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - {{ id: before, http: {{ method: POST, url: '{0}/before' }} }}
  - {{ id: later, wait: 6s }}
  - {{ id: after, http: {{ method: POST, url: '{0}/after' }} }}
---
tenant: t1
name: quick
trigger: {{ webhook: {{ authentication: none }} }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let ingress = stack.start("ingress").await;
    let worker = stack.start_with("worker", &[("FOREBAY_WORKER_CONCURRENCY", "1")]).await;
    let begun = Instant::now();
    assert_eq!(stack.post(&ingress, "/t1/waits", "{}").await.status, 202);
    eventually("it waits", || async { (stack.executions("waits").await.first()?["status"] == "running").then_some(()) }).await;
    assert_eq!(stack.post(&ingress, "/t1/quick", "{}").await.status, 202);
    stack.ended("quick", 1).await;
    worker.kill().await;
    let _worker = stack.start("worker").await;
    let ended = stack.ended("waits", 1).await;
    assert_eq!(ended[0]["status"], "succeeded", "{ended:?}");
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    let paths: Vec<String> = sink.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/before", "/after"]);
}

const CALLS: &str = "
tenant: t1
name: parent
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
steps:
  - { id: unordered, call: { integration: child, body: '{ n: .body.n }', query: '{ factor: 3 }' } }
  - { id: ordered, call: { integration: line, body: '{ n: 5 }' } }
  - { id: told, call: { integration: child, wait: false, body: '{ n: 9 }' } }
  - { id: failing, call: { integration: refuses }, on_error: continue }
respond: { body: '[.steps.unordered.body, .steps.ordered.body, .steps.ordered.status, .steps.failing.error]' }
---
tenant: t1
name: child
trigger: { webhook: { authentication: none, query: { factor: { type: integer, default: 2 } } } }
diagnostics: { output: true }
steps: [{ id: a, set: '.body.n * .query.factor' }]
---
tenant: t1
name: line
trigger: { webhook: { authentication: none, ordered: true } }
steps: [{ id: a, set: '.body.n + 1' }]
respond: { status: 201 }
---
tenant: t1
name: refuses
trigger: { webhook: { authentication: none } }
steps: [{ id: end, stop: { error: 'no' } }]
---
tenant: t1
name: itself
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
steps: [{ id: again, call: { integration: itself } }]
";

async fn serving(stack: &Stack) -> (Process, Process) {
    (stack.start("ingress").await, stack.start("worker").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn integrations_call_one_another_and_each_call_is_an_execution_of_its_own() {
    let stack = Stack::new().await;
    stack.apply(CALLS).await;
    let (ingress, _worker) = serving(&stack).await;
    let answer = stack.post(&ingress, "/t1/parent", r#"{"n": 7}"#).await;
    let body = answer.json();
    assert_eq!((answer.status, &body[0], &body[1], &body[2]), (200, &json!(21), &json!(6), &json!(201)), "{body}");
    assert_eq!(body[3]["code"], "refused");
    assert!(body[3]["message"].as_str().unwrap().contains("the integration 'refuses' failed"), "{body}");
    stack.ended("child", 2).await;
    let mut answers = Vec::new();
    for execution in stack.executions("child").await {
        let shown = stack.command_json(&["executions", "show", execution["id"].as_str().unwrap()]).await;
        answers.push(shown["output"]["body"].clone());
    }
    answers.sort_by_key(Value::to_string);
    assert_eq!(answers, [json!(18), json!(21)]);
    assert_eq!((stack.ended("line", 1).await.len(), stack.ended("refuses", 1).await.len()), (1, 1));

    let answer = stack.post(&ingress, "/t1/itself", "{}").await;
    assert_eq!(answer.status, 500, "an integration that calls itself ends with an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_respond_step_answers_the_caller_while_the_workflow_goes_on() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::from_secs(3)).await);
    let yaml = format!(
        "
tenant: t1
name: early
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
steps:
  - {{ id: answer, respond: {{ status: 202, body: '\"soon\"' }} }}
  - {{ id: slow, http: {{ method: POST, url: '{}/slow' }} }}
",
        sink.address()
    );
    stack.apply(&yaml).await;
    let (ingress, _worker) = serving(&stack).await;
    let answer = stack.post(&ingress, "/t1/early", "{}").await;
    assert_eq!((answer.status, answer.json()), (202, json!("soon")));
    assert!(sink.calls().iter().all(|call| call.ended == call.began), "the workflow has not ended yet");
    let ended = stack.ended("early", 1).await;
    assert_eq!((&ended[0]["status"], sink.calls().len()), (&json!("succeeded"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_items_all_have_checkpoints() {
    let (stack, sink, broken) = (Stack::new().await, Sink::start(Duration::from_millis(20)).await, Sink::start(Duration::ZERO).await);
    broken.answer_with(400);
    let yaml = format!(
        "
tenant: t1
name: items
trigger: {{ webhook: {{ authentication: none }} }}
steps:
  - id: lines
    each:
      in: '[range(24)]'
      parallel: 8
      steps:
        - {{ id: first, http: {{ method: POST, url: '{0}/first', body: .item }} }}
        - {{ id: second, http: {{ method: POST, url: '{0}/second', body: .item }} }}
  - {{ id: last, http: {{ method: POST, url: '{1}/last' }} }}
",
        sink.address(),
        broken.address()
    );
    stack.apply(&yaml).await;
    let (ingress, _worker) = serving(&stack).await;
    let id = stack.post(&ingress, "/t1/items", "{}").await.json()["executionId"].as_str().unwrap().to_owned();
    assert_eq!(stack.ended("items", 1).await[0]["status"], "failed");
    broken.answer_with(200);
    stack.command(&["executions", "retry", &id]).await;
    eventually("success", || async { (stack.executions("items").await[0]["status"] == "succeeded").then_some(()) }).await;
    assert_eq!(sink.calls().len(), 48, "each call of each item is made once");
}
