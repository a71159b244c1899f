//! Deferred executions.

use super::memory::Event;
use super::worker::{CALL, CALL_ERP, ORDERED, WORK, Worker, call, delivered, fails, succeeds};
use crate::execution::Disposition;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use std::time::Duration;
use tokio::time::Instant;

const RETRIES: &str = "retry: { attempts: 2, backoff: { first: 8s, max: 8s } }\nsteps: [{ id: erp, call: { integration: Erp } }]";
const WAITS: &str = "steps:\n  - { id: erp, call: { integration: Erp } }\n  - { id: later, wait: 3h }\n  - { id: end, set: '\"done\"' }";

#[tokio::test(start_paused = true)]
async fn unordered_work_is_retried_by_a_later_delivery_and_holds_no_place_meanwhile() {
    let worker = Worker::new(RETRIES);
    worker.reply_with([fails(), succeeds()]);
    let begun = Instant::now();
    assert_eq!(worker.deliver(&call(), WORK).await, Disposition::Acknowledge);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    tokio::task::yield_now().await;
    let [(later, delay)] = &worker.deferred()[..] else { panic!("{:?}", worker.events()) };
    assert_eq!((later.attempts, *delay), (1, 10));
    assert_eq!(worker.ends(), [], "it has not ended");
    let shown = &worker.records()[0].0;
    assert_eq!((shown.status, shown.attempts), (ExecutionStatus::Queued, 1));
    assert_eq!(shown.error.as_ref().map(|error| error.code), Some(ErrorCode::Remote));
    // The later delivery is the second attempt.
    assert_eq!(worker.deliver(later, WORK).await, Disposition::Acknowledge);
    assert_eq!((worker.end().status, worker.end().attempts), (ExecutionStatus::Succeeded, 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_of_a_deferred_execution_is_final() {
    let worker = Worker::new(RETRIES);
    worker.reply_with([fails(), fails()]);
    worker.deliver(&call(), WORK).await;
    let (later, _) = worker.deferred().remove(0);
    worker.deliver(&later, WORK).await;
    assert_eq!((worker.end().status, worker.end().attempts, worker.deferred().len()), (ExecutionStatus::Failed, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_cannot_be_deferred_is_delivered_again() {
    let worker = Worker::new(RETRIES);
    worker.reply_with([fails()]);
    worker.memory.state().refuses_messages = true;
    assert_eq!(worker.deliver(&call(), WORK).await, Disposition::Leave);
    assert_eq!(worker.ends(), []);
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_defers_an_execution_of_a_shared_queue_with_the_outputs_before_it() {
    for source in [WORK, CALL] {
        let worker = Worker::new(WAITS);
        worker.reply_with([succeeds()]);
        assert_eq!(worker.deliver(&call(), source).await, Disposition::Acknowledge);
        tokio::task::yield_now().await;
        let events = worker.events();
        let place = |is_match: fn(&Event) -> bool| events.iter().position(is_match);
        let stored = place(|event| matches!(event, Event::Checkpoints(paths) if paths.contains(&"erp".to_owned())));
        let published = place(|event| matches!(event, Event::Published(..)));
        assert!(stored.is_some() && stored < published, "outputs are durable before the message is: {events:?}");
        let (later, delay) = worker.deferred().remove(0);
        assert_eq!((later.resumes, later.attempts, delay), (true, 0, 3600));
        assert_eq!(worker.ends(), []);
        // Steps before the wait do not run again, and the wait ends at the time that was named first.
        worker.deliver(&later, source).await;
        assert_eq!((worker.calls(), worker.deferred().len()), (1, 2), "{source:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_whose_outputs_cannot_be_stored_is_not_deferred_before_they_are() {
    let worker = Worker::new(WAITS);
    worker.reply_with([succeeds()]);
    worker.memory.state().store_is_away_for = 5;
    assert_eq!(worker.deliver(&call(), WORK).await, Disposition::Acknowledge);
    assert_eq!(worker.deferred().len(), 1);
    assert!(!worker.memory.state().checkpoints.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_an_ordered_execution_keeps_its_place() {
    let worker = Worker::new("steps: [{ id: later, wait: 5m }, { id: end, set: '\"done\"' }]");
    assert_eq!(worker.deliver(&call(), ORDERED).await, Disposition::Acknowledge);
    assert_eq!((worker.deferred().len(), worker.end().status), (0, ExecutionStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_may_repeat_a_hidden_field_is_not_shown_before_the_end() {
    let worker = Worker::new(&format!("diagnostics: {{ redact: [secret] }}\n{RETRIES}"));
    worker.memory.state().can_seal = true;
    worker.reply_with([fails()]);
    worker.deliver(&call(), WORK).await;
    tokio::task::yield_now().await;
    let error = worker.records()[0].0.error.clone().unwrap();
    assert!(error.message.contains("its definition hides fields"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_deferred_execution_whose_delivery_was_lost_is_not_published_again() {
    let worker = Worker::new(&format!("retry: {{ attempts: 2, backoff: {{ first: 8s }} }}\n{CALL_ERP}"));
    let delivered = delivered(&call(), WORK);
    let lost = delivered.lost.clone();
    let (disposition, ()) = tokio::join!(worker.execute(&delivered), async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        lost.cancel();
    });
    assert_eq!((disposition, worker.deferred().len()), (Disposition::Leave, 0));
}
