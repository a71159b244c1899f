//! Behaviour while the broker or the database is away. These tests stop the private services of `FOREBAY_SERVICES` (`scripts/test` sets
//! it), so they run alone, one after another: `scripts/test` runs them last.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are not seen as tests by the lint")]

mod cluster;
mod refusals;
mod test_queue;
mod too_large;

use forebay_tests::{Answer, Process, Stack, eventually};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "
tenant: t1
name: async
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: t1
name: answer
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 10s } } }
respond: { body: '.body' }
";

/// Runs a verb of `scripts/services`, such as `stop-broker`, with its arguments.
pub(crate) async fn services(verb: &str) {
    let script = std::env::var("FOREBAY_SERVICES").expect("FOREBAY_SERVICES: the path of scripts/services");
    let mut command = tokio::process::Command::new(script);
    // If the URLs were set, the script would not control the servers.
    command.args(verb.split(' ')).env_remove("FOREBAY_AMQP_URL").env_remove("FOREBAY_DATABASE_URL");
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Calls from 16 connections until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<(Instant, Duration, Answer)>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(stack: &Stack, process: &Process, path: &str) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let tasks = (0..16).map(|number| {
            let (stop, answers, http, url) = (stop.clone(), answers.clone(), stack.http.clone(), format!("{}{path}", process.url));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let request = http.post(&url).header("content-type", "application/json").body(format!("{{\"n\":{number}}}"));
                    let response = request.send().await.unwrap();
                    let (status, headers) = (response.status().as_u16(), response.headers().clone());
                    let body = response.bytes().await.unwrap().to_vec();
                    answers.lock().unwrap().push((sent, sent.elapsed(), Answer { status, headers, body }));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Self { stop, answers, tasks }
    }

    pub(crate) async fn end(self) -> Vec<(Instant, Duration, Answer)> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

async fn all_recorded(stack: &Stack, ids: &HashSet<String>) {
    eventually("every accepted call is recorded as succeeded", || async {
        let listed = stack.command_json(&["executions", "list", "--limit", "100000"]).await;
        let succeeded: HashSet<&str> =
            listed.as_array().unwrap().iter().filter(|row| row["status"] == "succeeded").filter_map(|row| row["id"].as_str()).collect();
        ids.iter().all(|id| succeeded.contains(id.as_str())).then_some(())
    })
    .await;
}

fn execution_id(answer: &Answer) -> String {
    answer.header("forebay-execution-id").to_owned()
}

#[tokio::test]
async fn while_the_broker_is_away_calls_get_503_and_what_was_accepted_is_executed() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let process = stack.start("dev").await;
    let load = Load::start(&stack, &process, "/t1/async");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory_before = process.resident_bytes();
    services("stop-broker").await;
    let away = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let memory_away = process.resident_bytes();
    services("start-broker").await;
    let back = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let answers = load.end().await;

    let mut accepted = HashSet::new();
    let mut refused = 0;
    for (sent, duration, answer) in &answers {
        match answer.status {
            202 => assert!(accepted.insert(execution_id(answer))),
            503 => {
                refused += 1;
                assert!(!answer.header("retry-after").is_empty());
                let problem: Value = answer.json();
                let in_doubt = problem["mayBeDelivered"] == true;
                assert!(!in_doubt || *sent <= away, "a call that came while the broker was away cannot have been delivered: {problem}");
                assert!(in_doubt || *duration < Duration::from_secs(2), "a refusal duration {duration:?}");
            }
            status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
    assert!(refused > 0);
    let first = answers
        .iter()
        .filter(|(sent, _, answer)| *sent + Duration::from_millis(1) > back && answer.status == 202)
        .map(|(sent, duration, _)| *sent + *duration)
        .min();
    let after = first.expect("calls are accepted again").duration_since(back);
    assert!(after < Duration::from_secs(3), "the first call was accepted {after:?} after the broker's return");
    assert!(memory_away < memory_before + 64 * 1024 * 1024, "{memory_before} -> {memory_away} bytes");
    all_recorded(&stack, &accepted).await;
}

/// The readiness of the process, and its check `accepting`.
async fn readiness(stack: &Stack, process: &Process) -> (u16, Value) {
    let answer = stack.send(stack.http.get(format!("http://{}/readyz", process.admin_address()))).await;
    let report = answer.json();
    let accepting = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "accepting").cloned();
    (answer.status, accepting.unwrap_or_default())
}

#[tokio::test]
async fn an_ingress_is_ready_while_the_broker_is_away_and_says_that_it_does_not_accept() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let running = stack.start("ingress").await;
    let accepting = |ok: bool| {
        let (stack, running) = (&stack, &running);
        eventually("the check follows the broker", move || async move {
            let (status, check) = readiness(stack, running).await;
            assert_eq!((status, &check["required"]), (200, &Value::Bool(false)), "{check}");
            (check["ok"] == ok).then_some(())
        })
    };
    accepting(true).await;
    services("stop-broker").await;
    accepting(false).await;
    // A process that starts now listens without a broker after a few seconds.
    let begun = Instant::now();
    let started = stack.start("ingress").await;
    assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    for process in [&running, &started] {
        let answer = stack.post(process, "/t1/async", "{}").await;
        assert_eq!((answer.status, &answer.json()["mayBeDelivered"]), (503, &Value::Bool(false)));
    }
    services("start-broker").await;
    accepting(true).await;
    eventually("it accepts", || async { (stack.post(&started, "/t1/async", "{}").await.status == 202).then_some(()) }).await;
}

/// Above its memory limit the broker stops reading from publishing connections, until it is below.
#[tokio::test]
async fn while_the_broker_is_short_of_memory_calls_get_503_at_once_and_are_accepted_again_after() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let process = stack.start("dev").await;
    let load = Load::start(&stack, &process, "/t1/async");
    services("rabbitmqctl set_vm_memory_high_watermark 0.000001").await;
    let blocked = eventually("calls are refused", || async {
        let answer = stack.post(&process, "/t1/async", "{}").await;
        (answer.status == 503 && answer.header("retry-after") == "5").then_some(answer)
    });
    let problem: Value = blocked.await.json();
    assert_eq!(problem["mayBeDelivered"], false, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("short of memory"), "{problem}");
    let refused_at_once = Instant::now();
    assert_eq!(stack.post(&process, "/t1/async", "{}").await.status, 503);
    assert!(refused_at_once.elapsed() < Duration::from_secs(1), "{:?}", refused_at_once.elapsed());
    // The value with which `scripts/parts/broker.sh` starts it.
    services("rabbitmqctl set_vm_memory_high_watermark 0.25").await;
    let back = Instant::now();
    eventually("calls are accepted again", || async { (stack.post(&process, "/t1/async", "{}").await.status == 202).then_some(()) }).await;
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
    let mut accepted = HashSet::new();
    for (_, _, answer) in load.end().await {
        match answer.status {
            202 => assert!(accepted.insert(execution_id(&answer))),
            503 => assert!(!answer.header("retry-after").is_empty()),
            status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
    all_recorded(&stack, &accepted).await;
}

#[tokio::test]
async fn while_the_database_is_away_calls_are_accepted_executed_and_answered_and_recorded_after() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let process = stack.start("dev").await;
    let loads = [Load::start(&stack, &process, "/t1/async"), Load::start(&stack, &process, "/t1/answer")];
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory_before = process.resident_bytes();
    services("stop-database").await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let memory_away = process.resident_bytes();
    services("start-database").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut ids = HashSet::new();
    for (load, status) in loads.into_iter().zip([202, 200]) {
        for (_, _, answer) in load.end().await {
            assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
            ids.insert(execution_id(&answer));
        }
    }
    assert!(memory_away < memory_before + 64 * 1024 * 1024, "{memory_before} -> {memory_away} bytes");
    all_recorded(&stack, &ids).await;
}
