//! Claims: the deliveries that run.

use super::memory::Event;
use super::worker::{CALL, CALL_ERP, HALTS, ORDERED, WORK, Worker, call, delivered, fails, redelivered, succeeds};
use crate::execution::{Delivered, Disposition};
use forebay_contract::UnixMillis;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionStatus};
use forebay_store::{Decision, FinishedExecution};
use std::time::Duration;

const SET: &str = "steps: [{ id: a, set: .input.n }]";

fn finished(attempts: i32, halted: bool) -> Option<FinishedExecution> {
    Some(FinishedExecution { status: ExecutionStatus::Failed, attempts, halted })
}

/// Delivers one message twice, with one row for each state of the store and each decision: whether it runs, and its status then.
#[tokio::test(start_paused = true)]
async fn a_redelivered_message_runs_only_where_no_end_of_it_is_recorded_or_a_person_resumed_it() {
    let halts = format!("{HALTS}{SET}");
    for (attempts_of_message, recorded, decision, runs, disposition) in [
        (0, None, None, true, Disposition::Acknowledge),
        (0, finished(1, false), None, false, Disposition::Acknowledge),
        (0, finished(1, false), Some(Decision::Resume), false, Disposition::Acknowledge),
        (1, finished(1, false), None, true, Disposition::Acknowledge),
        (1, finished(2, false), None, false, Disposition::Acknowledge),
        (0, finished(1, true), None, false, Disposition::Halt),
        (1, finished(1, true), None, false, Disposition::Halt),
        (0, finished(1, true), Some(Decision::Skip), false, Disposition::Acknowledge),
        (0, finished(1, true), Some(Decision::Resume), true, Disposition::Acknowledge),
    ] {
        let envelope = Envelope { attempts: attempts_of_message, ..call() };
        let worker = Worker::halted(&halts, &envelope, decision);
        worker.memory.state().finished.clone_from(&recorded);
        let what = format!("{attempts_of_message} attempts, {recorded:?}, {decision:?}");
        assert_eq!(worker.execute(&redelivered(&envelope, ORDERED)).await, disposition, "{what}");
        let ran = worker.ends().iter().any(|record| record.status == ExecutionStatus::Succeeded);
        assert_eq!(ran, runs, "{what}");
    }
}

#[tokio::test]
async fn another_message_of_the_same_execution_is_acknowledged_and_does_not_run() {
    let worker = Worker::new(SET);
    let first = Envelope { claim_token: Some(1), ..call() };
    assert_eq!(worker.deliver(&first, WORK).await, Disposition::Acknowledge);
    assert_eq!(worker.deliver(&Envelope { claim_token: Some(2), ..first.clone() }, WORK).await, Disposition::Acknowledge);
    assert_eq!(worker.ends().len(), 1);
    // A redelivery of the same message claims it again.
    worker.execute(&delivered(&first, WORK)).await;
    assert_eq!(worker.ends().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_claim_waits_for_a_store_that_is_away() {
    let worker = Worker::new(SET);
    worker.memory.state().store_is_away_for = 3;
    assert_eq!(worker.deliver(&Envelope { claim_token: Some(1), ..call() }, WORK).await, Disposition::Acknowledge);
    assert_eq!(worker.end().status, ExecutionStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_lost_while_the_store_is_away_is_left() {
    for envelope in [Envelope { claim_token: Some(1), ..call() }, Envelope { version: 7, ..call() }] {
        let worker = Worker::new(SET);
        worker.memory.state().store_is_away_for = usize::MAX;
        let delivered = delivered(&envelope, WORK);
        let lost = delivered.lost.clone();
        let (disposition, ()) = tokio::join!(worker.execute(&delivered), async move {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            lost.cancel();
        });
        assert_eq!(disposition, Disposition::Leave);
        assert_eq!(worker.events(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_halts_waits_for_the_store_before_a_redelivered_message_runs() {
    let envelope = call();
    let halts = Worker::halted(&format!("{HALTS}{SET}"), &envelope, None);
    halts.memory.state().finished = finished(1, true);
    halts.memory.state().store_is_away_for = 4;
    assert_eq!(halts.execute(&redelivered(&envelope, ORDERED)).await, Disposition::Halt);
    assert_eq!(halts.ends(), []);
    // An execution that continues after failures runs: its remote calls carry the same idempotency keys.
    let continues = Worker::new(SET);
    continues.memory.state().finished = finished(1, false);
    continues.memory.state().store_is_away_for = 1;
    assert_eq!(continues.execute(&redelivered(&envelope, ORDERED)).await, Disposition::Acknowledge);
    assert_eq!(continues.end().status, ExecutionStatus::Succeeded);
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_started_and_its_caller_is_told() {
    let worker = Worker::new(SET);
    let late = Envelope { deadline: Some(UnixMillis::now() - Duration::from_millis(1)), ..call() };
    assert_eq!(worker.deliver(&late, CALL).await, Disposition::Acknowledge);
    let record = worker.end();
    assert_eq!((record.status, record.attempts, record.started_at), (ExecutionStatus::Expired, 0, None));
    assert_eq!(worker.replies(), [Ending::Expired]);
    // An execution that continues after a wait began in time.
    let resumed = Worker::new(SET);
    resumed.deliver(&Envelope { resumes: true, ..late }, CALL).await;
    assert_eq!(resumed.end().status, ExecutionStatus::Succeeded);
}

#[tokio::test]
async fn a_message_that_ended_its_workers_again_and_again_fails_without_being_run() {
    for (redeliveries, status) in [(20, ExecutionStatus::Succeeded), (21, ExecutionStatus::Failed)] {
        let worker = Worker::new(SET);
        let poison = Delivered { redeliveries, ..redelivered(&call(), ORDERED) };
        assert_eq!(worker.execute(&poison).await, Disposition::Acknowledge);
        let record = worker.end();
        assert_eq!((record.status, record.attempts), (status, 1));
        assert_eq!(record.error.map(|error| error.code), (redeliveries == 21).then_some(ErrorCode::Crashed));
    }
}

#[tokio::test]
async fn a_version_that_is_not_in_the_store_fails_its_execution() {
    let worker = Worker::new(SET);
    worker.deliver(&Envelope { version: 7, ..call() }, WORK).await;
    let record = worker.end();
    assert_eq!(record.error.unwrap().message, "version 7 of the definition is not in the store");
    // A failed execution always keeps the input that its retry needs.
    assert_eq!(record.input.unwrap().body, r#"{"n":1}"#);
}

#[tokio::test]
async fn an_older_version_is_run_as_it_was() {
    let worker = Worker::new(SET);
    worker.memory.state().definitions.insert(7, super::worker::definition("Main", "steps: [{ id: a, set: '\"old\"' }]"));
    worker.deliver(&Envelope { version: 7, ..call() }, CALL).await;
    let [Ending::Succeeded(response)] = &worker.replies()[..] else { panic!("{:?}", worker.replies()) };
    assert_eq!(response.body, "\"old\"");
}

#[tokio::test]
async fn an_execution_whose_fields_are_hidden_needs_a_key_to_encrypt_with() {
    let hides = format!("diagnostics: {{ redact: [secret] }}\n{SET}");
    for (can_seal, status) in [(false, ExecutionStatus::Failed), (true, ExecutionStatus::Succeeded)] {
        let worker = Worker::new(&hides);
        worker.memory.state().can_seal = can_seal;
        worker.deliver(&call(), WORK).await;
        assert_eq!(worker.end().status, status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_execution_has_its_whole_allowance_again_and_counts_its_attempts_on() {
    let envelope = call();
    let worker =
        Worker::halted(&format!("retry: {{ attempts: 3, backoff: {{ first: 1s }} }}\n{CALL_ERP}"), &envelope, Some(Decision::Resume));
    worker.memory.state().finished = finished(3, true);
    worker.reply_with([fails(), fails(), succeeds()]);
    assert_eq!(worker.execute(&redelivered(&envelope, ORDERED)).await, Disposition::Acknowledge);
    let record = worker.end();
    assert_eq!((record.status, record.attempts), (ExecutionStatus::Succeeded, 6));
    assert!(worker.events().contains(&Event::HaltCleared(envelope.execution_id.unique())), "the halt at it ends");
}
