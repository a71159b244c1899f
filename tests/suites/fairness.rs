//! One tenant cannot take what the others need: places, queues, memory.

use forebay_tests::{Process, Sink, Stack, eventually};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const OTHERS: usize = 4;
/// Longer than any of these tests.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A tenant `busy` whose remote system is at `url`, and quiet ones that share its queues.
fn definitions(url: &str) -> String {
    let (webhook, steps) = (
        "methods: [POST], authentication: none",
        format!("steps: [{{ id: a, timeout: 5m, http: {{ method: POST, url: '{url}/', body: '.body' }} }}]"),
    );
    let mut text = format!(
        "tenant: busy\nname: call\ntrigger: {{ webhook: {{ {webhook}, response: {{ wait: 1s }} }} }}\n{steps}\n---\n\
         tenant: busy\nname: work\ntrigger: {{ webhook: {{ {webhook} }} }}\n{steps}\n"
    );
    for other in 0..OTHERS {
        let _ = write!(
            text,
            "---\ntenant: quiet{other}\nname: call\ntrigger: {{ webhook: {{ {webhook}, response: {{ wait: 50s }} }} }}\nrespond: {{ body: '.body' }}\n\
             ---\ntenant: quiet{other}\nname: work\ntrigger: {{ webhook: {{ {webhook} }} }}\n"
        );
    }
    text
}

/// Sends calls of a tenant that does not wait for their outcomes.
async fn flood(stack: &Arc<Stack>, ingress: &Process, path: &str, count: usize) -> Vec<u16> {
    let mut sending = JoinSet::new();
    for number in 0..count {
        let request = stack.http.post(format!("{}{path}", ingress.url)).header("content-type", "application/json").body(number.to_string());
        sending.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    sending.join_all().await
}

async fn tenant_queues(stack: &Stack) -> Vec<String> {
    stack.sql("select tenant from tenant_queues order by tenant").await.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_tenant_whose_remote_system_hangs_does_not_stop_the_others() {
    let (stack, hanging) = (Arc::new(Stack::new().await), Sink::start(FOR_EVER).await);
    stack.apply(&definitions(hanging.address())).await;
    let ingress = stack.start("ingress").await;
    let _worker = stack.start_with("worker", &[("FOREBAY_WORKER_CONCURRENCY", "16")]).await;
    assert!(flood(&stack, &ingress, "/busy/work", 150).await.iter().all(|status| *status == 202));
    assert!(flood(&stack, &ingress, "/busy/call", 100).await.iter().all(|status| *status == 504));
    for other in 0..OTHERS {
        let answer = stack.post(&ingress, &format!("/quiet{other}/call"), "7").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"7".as_slice()));
        assert_eq!(stack.post(&ingress, &format!("/quiet{other}/work"), "7").await.status, 202);
    }
    eventually("the work of the others has succeeded", || async {
        let executions = stack.executions("work").await;
        let done = executions.iter().filter(|execution| execution["tenant"] != "busy" && execution["status"] == "succeeded");
        (done.count() == OTHERS).then_some(())
    })
    .await;
    assert_eq!(tenant_queues(&stack).await, ["busy"]);
}

#[tokio::test]
async fn a_message_that_is_moved_to_the_queues_of_its_tenant_is_executed_once() {
    let (stack, sink) = (Arc::new(Stack::new().await), Sink::start(Duration::from_millis(40)).await);
    stack.apply(&definitions(sink.address())).await;
    let ingress = stack.start("ingress").await;
    let _workers = [
        stack.start_with("worker", &[("FOREBAY_WORKER_CONCURRENCY", "8")]).await,
        stack.start_with("worker", &[("FOREBAY_WORKER_CONCURRENCY", "8")]).await,
    ];
    assert!(flood(&stack, &ingress, "/busy/work", 400).await.iter().all(|status| *status == 202));
    eventually("the tenant has queues of its own", || async { (tenant_queues(&stack).await == ["busy"]).then_some(()) }).await;
    // These are published to the tenant's own queue.
    assert!(flood(&stack, &ingress, "/busy/work", 100).await.iter().all(|status| *status == 202));
    let executions = stack.ended("work", 500).await;
    assert!(executions.iter().all(|execution| execution["status"] == "succeeded"), "{executions:?}");
    let mut bodies: Vec<u32> = sink.calls().iter().map(|call| call.body.parse().unwrap()).collect();
    bodies.sort_unstable();
    let mut expected: Vec<u32> = (0..400).chain(0..100).collect();
    expected.sort_unstable();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_tenant_that_fills_a_shared_queue_is_refused_and_the_others_are_not() {
    let (stack, sink) = (Arc::new(Stack::new().await), Sink::start(Duration::ZERO).await);
    stack.apply(&definitions(sink.address())).await;
    let ingress = stack.start_with("ingress", &[("FOREBAY_QUEUE_MAX_LENGTH", "100")]).await;
    let mut answers = Vec::new();
    // A queue accepts more than its maximum length of simultaneous calls.
    for _ in 0..40 {
        answers.extend(flood(&stack, &ingress, "/busy/work", 10).await);
    }
    let accepted = answers.iter().filter(|status| **status == 202).count();
    assert!((200..300).contains(&accepted), "{accepted} accepted");
    assert!(answers.iter().all(|status| [202, 503].contains(status)), "{answers:?}");
    for other in 0..OTHERS {
        let answers = flood(&stack, &ingress, &format!("/quiet{other}/work"), 5).await;
        assert_eq!(answers, [202; 5], "quiet{other}");
    }
    let _worker = stack.start_with("worker", &[("FOREBAY_QUEUE_MAX_LENGTH", "100")]).await;
    let executions = stack.ended("work", accepted + OTHERS * 5).await;
    assert_eq!(executions.len(), accepted + OTHERS * 5);
    assert!(executions.iter().all(|execution| execution["status"] == "succeeded"));
    assert_eq!(tenant_queues(&stack).await.len(), 1 + OTHERS);
}

#[tokio::test]
async fn answers_that_do_not_fit_into_a_worker_s_memory_together_are_read_one_after_the_other() {
    const CALLS: usize = 48;
    let (stack, sink) = (Arc::new(Stack::new().await), Sink::start(Duration::ZERO).await);
    sink.answer_body(&format!(r#"{{"text":"{}"}}"#, "x".repeat(7_000_000)));
    let steps = format!("steps: [{{ id: a, timeout: 5m, http: {{ url: '{}/' }} }}]", sink.address());
    stack
        .apply(&format!(
            "tenant: busy\nname: large\ntrigger: {{ webhook: {{ methods: [POST], authentication: none }} }}\n{steps}\n\
             respond: {{ body: '.steps.a.body.text | length' }}\n---\n\
             tenant: quiet\nname: call\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, response: {{ wait: 50s }} }} }}\n"
        ))
        .await;
    let ingress = stack.start("ingress").await;
    let worker = stack.start_with("worker", &[("FOREBAY_WORKER_MEMORY", "128MiB"), ("FOREBAY_WORKER_CONCURRENCY", "64")]).await;
    assert!(flood(&stack, &ingress, "/busy/large", CALLS).await.iter().all(|status| *status == 202));
    let mut most = 0;
    let executions: Vec<Value> = loop {
        most = most.max(worker.resident_bytes());
        let answer = stack.post(&ingress, "/quiet/call", "1").await;
        assert_eq!(answer.status, 200);
        let ended: Vec<Value> = stack.executions("large").await;
        if ended.iter().filter(|execution| execution["status"] != "running").count() == CALLS {
            break ended;
        }
    };
    let failed: Vec<&Value> = executions.iter().filter(|execution| execution["status"] != "succeeded").collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(most < 512 << 20, "{} MiB", most >> 20);
}

/// A worker holds as many waiting calls of a queue as fit into its memory.
#[tokio::test]
async fn large_bodies_that_wait_in_a_queue_are_drawn_as_they_fit_into_memory() {
    const CALLS: usize = 24;
    let (stack, sink) = (Arc::new(Stack::new().await), Sink::start(Duration::from_millis(200)).await);
    let steps = format!("steps: [{{ id: a, http: {{ url: '{}/' }} }}]", sink.address());
    stack.apply(&format!("tenant: t1\nname: large\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, body: {{ max_bytes: 4000000 }} }} }}\n{steps}\n")).await;
    let ingress = stack.start("ingress").await;
    let body = format!("\"{}\"", "x".repeat(3_000_000));
    for _ in 0..CALLS {
        assert_eq!(stack.post(&ingress, "/t1/large", &body).await.status, 202);
    }
    let worker = stack.start_with("worker", &[("FOREBAY_WORKER_MEMORY", "64MiB")]).await;
    let idle = worker.resident_bytes();
    let most = AtomicU64::new(0);
    eventually("all have ended", || async {
        most.fetch_max(worker.resident_bytes(), Ordering::Relaxed);
        (sink.calls().len() == CALLS).then_some(())
    })
    .await;
    stack.ended("large", CALLS).await;
    let more = most.into_inner() - idle;
    assert!(more < 100 << 20, "{} MiB more than before", more >> 20);
}
