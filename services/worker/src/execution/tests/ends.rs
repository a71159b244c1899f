//! Replies, records and halts at the end of an execution.

use super::memory::Event;
use super::worker::{CALL, CALL_ERP, HALTS, ORDERED, WORK, Worker, call, fails, redelivered};
use crate::execution::ports::Urgency;
use crate::execution::{Disposition, Source};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionStatus};
use forebay_store::{Decision, FinishedExecution};

const FAILS: &str = "steps: [{ id: a, assert: { that: 'false', message: refused } }]";
const SET: &str = "steps: [{ id: a, set: .input.n }]";

#[tokio::test]
async fn the_caller_has_the_reply_before_the_record_is_written() {
    for (workflow, status) in [(SET, ExecutionStatus::Succeeded), (FAILS, ExecutionStatus::Failed)] {
        let worker = Worker::new(workflow);
        assert_eq!(worker.deliver(&call(), CALL).await, Disposition::Acknowledge);
        let [Event::Replied(_, ending), Event::Recorded(record, _)] = &worker.events()[..] else { panic!("{:?}", worker.events()) };
        assert_eq!((ending.status(), record.status, record.attempts), (status, status, 1));
    }
}

#[tokio::test]
async fn a_call_for_which_nobody_waits_gets_no_reply() {
    let worker = Worker::new(SET);
    worker.deliver(&Envelope { reply_to: None, ..call() }, WORK).await;
    assert!(matches!(worker.events()[..], [Event::Recorded(..)]), "{:?}", worker.events());
}

#[tokio::test]
async fn an_early_answer_is_the_only_reply_whatever_comes_after_it() {
    let worker =
        Worker::new("steps: [{ id: now, respond: { body: '\"early\"' } }, { id: a, assert: { that: 'false', message: refused } }]");
    worker.deliver(&call(), CALL).await;
    let [Ending::Succeeded(response)] = &worker.replies()[..] else { panic!("{:?}", worker.replies()) };
    assert_eq!(response.body, "\"early\"");
    assert_eq!(worker.end().status, ExecutionStatus::Failed);
}

#[tokio::test]
async fn an_outcome_that_nothing_took_is_delivered_again() {
    for source in [WORK, CALL, ORDERED] {
        let worker = Worker::new(SET);
        worker.memory.state().refuses_records = true;
        assert_eq!(worker.deliver(&call(), source).await, Disposition::Leave);
    }
}

#[tokio::test]
async fn only_the_record_for_which_a_next_execution_waits_is_written_at_once() {
    let unordered = Source::ExclusiveQueue { is_ordered: false };
    for (source, urgency) in [(WORK, Urgency::Batched), (CALL, Urgency::Batched), (unordered, Urgency::Batched), (ORDERED, Urgency::Now)] {
        let worker = Worker::new(SET);
        worker.deliver(&call(), source).await;
        assert_eq!(worker.records()[0].1, urgency, "{source:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_halts_the_trigger_however_long_the_store_is_away() {
    let worker = Worker::new(&format!("{HALTS}{FAILS}"));
    worker.memory.state().store_is_away_for = 5;
    assert_eq!(worker.deliver(&call(), ORDERED).await, Disposition::Halt);
    let [Event::Replied(..), Event::Recorded(record, _), Event::Halted(error)] = &worker.events()[..] else {
        panic!("{:?}", worker.events())
    };
    assert!(record.halted);
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::Refused, "refused"));
}

#[tokio::test]
async fn a_failure_of_a_trigger_that_goes_on_halts_nothing() {
    let worker = Worker::new(FAILS);
    assert_eq!(worker.deliver(&call(), ORDERED).await, Disposition::Acknowledge);
    assert!(!worker.end().halted);
    assert!(!worker.events().iter().any(|event| matches!(event, Event::Halted(_) | Event::HaltCleared(_))));
}

#[tokio::test]
async fn a_halt_that_was_not_written_down_before_its_worker_ended_is_written_by_the_next_one() {
    let worker = Worker::new(&format!("{HALTS}{FAILS}"));
    worker.memory.state().finished = Some(FinishedExecution { status: ExecutionStatus::Failed, attempts: 1, halted: true });
    assert_eq!(worker.execute(&redelivered(&call(), ORDERED)).await, Disposition::Halt);
    assert!(matches!(worker.events()[..], [Event::Halted(_)]), "{:?}", worker.events());
}

#[tokio::test]
async fn a_skipped_execution_stays_failed_and_ends_the_halt() {
    let envelope = call();
    let worker = Worker::halted(&format!("{HALTS}{SET}"), &envelope, Some(Decision::Skip));
    worker.memory.state().finished = Some(FinishedExecution { status: ExecutionStatus::Failed, attempts: 2, halted: true });
    assert_eq!(worker.execute(&redelivered(&envelope, ORDERED)).await, Disposition::Acknowledge);
    let [Event::Recorded(record, _), Event::HaltCleared(at)] = &worker.events()[..] else { panic!("{:?}", worker.events()) };
    assert_eq!(*at, envelope.execution_id.unique());
    assert_eq!((record.status, record.skipped, record.attempts), (ExecutionStatus::Failed, true, 2));
    assert_eq!(record.error.as_ref().unwrap().message, "halted it");
    assert_eq!(record.input.as_ref().unwrap().body, r#"{"n":1}"#);
}

/// A strictly ordered queue delivers the halted execution first, so another delivery proves that its message is gone. With several keys it
/// does not.
#[tokio::test]
async fn a_halt_at_another_execution_ends_when_it_is_decided_and_strict_order_shows_that_its_message_is_gone() {
    const BY_KEY: &str = "trigger: { webhook: { ordered: { by: .body.n } } }\non_failure: halt\n";
    let (other, envelope) = (call(), call());
    for (trigger, source, decision, is_ended) in [
        (HALTS, ORDERED, Some(Decision::Resume), true),
        (HALTS, ORDERED, Some(Decision::Skip), true),
        (HALTS, ORDERED, None, false),
        (HALTS, Source::Call { may_be_deferred: false }, Some(Decision::Resume), false),
        (BY_KEY, ORDERED, Some(Decision::Resume), false),
    ] {
        let worker = Worker::halted(&format!("{trigger}{SET}"), &other, decision);
        worker.deliver(&envelope, source).await;
        let ended = Event::HaltCleared(other.execution_id.unique());
        assert_eq!(worker.events().contains(&ended), is_ended, "{trigger}, {source:?}, {decision:?}");
        assert_eq!(worker.end().status, ExecutionStatus::Succeeded);
    }
}

/// The snapshot has no halt yet: a worker that was frozen wrote it for its own attempt a moment ago.
#[tokio::test]
async fn a_success_of_a_repeated_delivery_ends_a_halt_that_the_snapshot_does_not_have_yet() {
    let envelope = call();
    let worker = Worker::new(&format!("{HALTS}{SET}"));
    worker.execute(&redelivered(&envelope, ORDERED)).await;
    assert!(worker.events().contains(&Event::HaltCleared(envelope.execution_id.unique())), "{:?}", worker.events());
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_keeps_the_outputs_that_a_retry_needs() {
    let steps = "steps: [{ id: one, call: { integration: Erp } }, { id: two, call: { integration: Erp } }]";
    let worker = Worker::new(steps);
    worker.reply_with([super::worker::succeeds(), fails()]);
    worker.deliver(&call(), ORDERED).await;
    let stored: Vec<Event> = worker.events().into_iter().filter(|event| matches!(event, Event::Checkpoints(_))).collect();
    assert_eq!(stored, [Event::Checkpoints(vec!["one".to_owned()])], "before the next step with an effect");
    // A later delivery of the same message does not run the step again.
    worker.reply_with([super::worker::succeeds()]);
    worker.memory.state().finished = None;
    worker.execute(&redelivered(&call(), ORDERED)).await;
    assert_eq!(worker.calls(), 3);
    assert_eq!(worker.ends().last().unwrap().status, ExecutionStatus::Succeeded);
}

#[tokio::test]
async fn a_workflow_that_calls_nothing_costs_the_store_one_record() {
    let worker = Worker::new(CALL_ERP.replace("call: { integration: Erp }", "set: '1'").as_str());
    worker.deliver(&Envelope { reply_to: None, ..call() }, WORK).await;
    assert_eq!(worker.events().len(), 1);
}

#[tokio::test]
async fn a_worker_that_wakes_up_late_halts_nothing_at_an_execution_that_another_one_has_ended() {
    let worker = Worker::new(&format!("{HALTS}{FAILS}"));
    worker.memory.state().has_succeeded = true;
    assert_eq!(worker.deliver(&call(), ORDERED).await, Disposition::Acknowledge);
    assert!(!worker.events().iter().any(|event| matches!(event, Event::Halted(_))), "{:?}", worker.events());
    // The same holds where the next worker has to write the halt.
    worker.memory.state().finished = Some(FinishedExecution { status: ExecutionStatus::Failed, attempts: 1, halted: true });
    assert_eq!(worker.execute(&redelivered(&call(), ORDERED)).await, Disposition::Acknowledge);
    assert!(!worker.events().iter().any(|event| matches!(event, Event::Halted(_))), "{:?}", worker.events());
}

#[tokio::test]
async fn a_message_that_the_broker_gave_up_ends_its_execution_whatever_attempt_is_recorded_as_running() {
    for (reason, has_begun, status) in [
        ("expired", false, ExecutionStatus::Expired),
        ("expired", true, ExecutionStatus::Failed),
        ("delivery_limit", false, ExecutionStatus::Failed),
        ("delivery_limit", true, ExecutionStatus::Failed),
    ] {
        let worker = Worker::new(SET);
        worker.memory.state().has_begun = has_begun;
        assert_eq!(worker.dead_letter(&call(), reason).await, Disposition::Acknowledge);
        let record = worker.end();
        assert_eq!((record.status, record.is_abandoned), (status, status == ExecutionStatus::Failed), "{reason}, {has_begun}");
        assert_eq!(record.error.map(|error| error.code), (status == ExecutionStatus::Failed).then_some(ErrorCode::Crashed));
        assert_eq!(worker.replies().len(), usize::from(status == ExecutionStatus::Failed));
    }
    let away = Worker::new(SET);
    away.memory.state().store_is_away_for = 1;
    assert_eq!(away.dead_letter(&call(), "expired").await, Disposition::Leave);
}

#[tokio::test]
async fn a_halt_that_was_not_ended_before_its_worker_stopped_is_ended_by_the_next_delivery() {
    let envelope = call();
    let worker = || Worker::halted(&format!("{HALTS}{SET}"), &envelope, Some(Decision::Resume));
    let succeeded = Some(FinishedExecution { status: ExecutionStatus::Succeeded, attempts: 2, halted: false });
    let ended = worker();
    ended.memory.state().finished = succeeded;
    assert_eq!(ended.execute(&redelivered(&envelope, ORDERED)).await, Disposition::Acknowledge);
    assert_eq!(ended.events(), [Event::HaltCleared(envelope.execution_id.unique())]);
    // A message of another claim proves nothing about the halt.
    let other = worker();
    other.memory.state().claims.insert(envelope.execution_id, 1);
    other.deliver(&Envelope { claim_token: Some(2), ..envelope.clone() }, ORDERED).await;
    assert_eq!(other.events(), []);
}
