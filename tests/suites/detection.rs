//! How soon others take over from a worker that hangs, of which no connection tells.

use forebay_tests::Stack;
use std::time::{Duration, Instant};

const ORDERED: &str = "
tenant: t1
name: ordered
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
";

/// RabbitMQ takes a client as gone after two to three heartbeats without a sign of life; the rest is for a machine under load.
const TAKEOVER: Duration = Duration::from_secs(9 + 3);
/// So long one worker runs all calls before the trigger has come to rest on it: queues move when a worker comes.
const REST: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_triggers_of_a_worker_that_hangs_are_run_by_another_within_three_heartbeats() {
    let stack = Stack::new().await;
    stack.apply(ORDERED).await;
    let ingress = stack.start("ingress").await;
    let workers = [
        ("one", stack.start_with("worker", &[("FOREBAY_WORKER_NAME", "one")]).await),
        ("two", stack.start_with("worker", &[("FOREBAY_WORKER_NAME", "two")]).await),
    ];
    let (mut active, mut since) = (String::new(), Instant::now());
    while active.is_empty() || since.elapsed() < REST {
        assert_eq!(stack.post(&ingress, "/t1/ordered", "{}").await.status, 202);
        let calls = stack.executions("ordered").await.len().max(1);
        let worker = stack.ended("ordered", calls).await[0]["worker"].as_str().unwrap_or_default().to_owned();
        if worker != active {
            (active, since) = (worker, Instant::now());
        }
    }
    let (_, hung) = workers.iter().find(|(name, _)| *name == active).unwrap();
    let before = stack.executions("ordered").await.len();
    hung.signal("STOP");
    let stopped = Instant::now();
    assert_eq!(stack.post(&ingress, "/t1/ordered", "{}").await.status, 202);
    let ended = stack.ended("ordered", before + 1).await;
    let took = stopped.elapsed();
    hung.signal("CONT");
    eprintln!("taken over after {took:?}");
    assert_ne!(ended[0]["worker"], active.as_str());
    assert!(took < TAKEOVER, "{took:?}");
}
