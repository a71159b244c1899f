//! Retries in place.

use super::worker::{CALL, CALL_ERP, ORDERED, WORK, Worker, call, delivered, fails, fails_and_asks_for, succeeds};
use crate::execution::Disposition;
use forebay_contract::outcome::{Ending, ExecutionStatus};
use std::time::Duration;
use tokio::time::Instant;

fn retries(attempts: u32, first: &str) -> String {
    format!("retry: {{ attempts: {attempts}, backoff: {{ first: {first}, max: {first} }} }}\n{CALL_ERP}")
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_gets_the_outcome_of_the_last_attempt_once() {
    let worker = Worker::new(&retries(3, "10s"));
    worker.reply_with([fails(), fails(), succeeds()]);
    let begun = Instant::now();
    assert_eq!(worker.deliver(&call(), CALL).await, Disposition::Acknowledge);
    assert!(begun.elapsed() >= Duration::from_secs(16), "two pauses of 10 s, less 20 %: {:?}", begun.elapsed());
    assert_eq!((worker.end().status, worker.end().attempts, worker.calls()), (ExecutionStatus::Succeeded, 3, 3));
    assert!(matches!(worker.replies()[..], [Ending::Succeeded(_)]), "{:?}", worker.replies());
    assert_eq!(worker.deferred(), []);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_execution_is_retried_in_its_place_and_fails_after_its_last_attempt() {
    let worker = Worker::new(&retries(2, "1m"));
    worker.reply_with([fails(), fails()]);
    assert_eq!(worker.deliver(&call(), ORDERED).await, Disposition::Acknowledge);
    assert_eq!((worker.end().status, worker.end().attempts, worker.calls()), (ExecutionStatus::Failed, 2, 2));
    assert_eq!(worker.deferred(), []);
}

#[tokio::test(start_paused = true)]
async fn retries_in_place_end_before_the_broker_takes_the_delivery_back() {
    let worker = Worker::new(&retries(20, "4m"));
    worker.reply_with((0..20).map(|_| fails()));
    let begun = Instant::now();
    worker.deliver(&call(), ORDERED).await;
    assert!(begun.elapsed() <= Duration::from_secs(16 * 60), "{:?}", begun.elapsed());
    assert_eq!(worker.end().status, ExecutionStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_made_in_place_on_every_queue() {
    for source in [WORK, CALL, ORDERED] {
        let worker = Worker::new(&retries(2, "999ms"));
        worker.reply_with([fails(), succeeds()]);
        worker.deliver(&call(), source).await;
        assert_eq!((worker.end().status, worker.end().attempts), (ExecutionStatus::Succeeded, 2), "{source:?}");
        assert_eq!(worker.deferred(), [], "{source:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_makes_the_pause_longer_and_never_shorter() {
    let worker = Worker::new(&retries(2, "1s"));
    worker.reply_with([fails_and_asks_for(30), succeeds()]);
    let begun = Instant::now();
    worker.deliver(&call(), ORDERED).await;
    assert!(begun.elapsed() >= Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(worker.end().status, ExecutionStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_waits_for_its_next_attempt_says_why_until_its_end_is_recorded() {
    let worker = Worker::new(&retries(2, "10s"));
    worker.reply_with([fails(), succeeds()]);
    worker.deliver(&call(), ORDERED).await;
    let shown: Vec<_> = worker.records().iter().map(|(record, _)| (record.status, record.attempts)).collect();
    assert_eq!(shown, [(ExecutionStatus::Running, 1), (ExecutionStatus::Succeeded, 2)]);
    let waits = worker.records()[0].0.error.clone().unwrap();
    assert!(waits.message.contains("503; the next attempt begins after "), "{waits}");
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_delivery_is_lost_leaves_nothing_behind() {
    // While a step runs, and in the pause before a retry.
    for replies in [vec![], vec![fails()]] {
        let worker = Worker::new(&retries(2, "500ms"));
        worker.reply_with(replies);
        let delivered = delivered(&call(), ORDERED);
        let lost = delivered.lost.clone();
        let (disposition, ()) = tokio::join!(worker.execute(&delivered), async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            lost.cancel();
        });
        assert_eq!(disposition, Disposition::Leave);
        assert_eq!((worker.records().len(), worker.replies().len()), (0, 0));
    }
}
