//! The caller in the records of an execution.

use super::memory::Event;
use super::worker::{CALL, CALL_ERP, MAIN, ORDERED, SUB, WORK, Worker, call, fails, redelivered, succeeds};
use crate::execution::Delivered;
use forebay_contract::UnixMillis;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Decision, FinishedExecution};
use std::time::Duration;
use uuid::Uuid;

const SET: &str = "steps: [{ id: a, set: .input.n }]";
const RETRIES: &str = "retry: { attempts: 2, backoff: { first: 30s, max: 30s } }\n";

fn called() -> Envelope {
    Envelope { caller: Some(Uuid::from_u128(9)), ..call() }
}

/// Returns the status of each record, after checking that each holds the caller.
fn statuses(worker: &Worker) -> Vec<ExecutionStatus> {
    let records = worker.records();
    assert!(records.iter().all(|(record, _)| record.caller == called().caller), "{records:?}");
    records.iter().map(|(record, _)| record.status).collect()
}

#[tokio::test(start_paused = true)]
async fn each_record_of_an_execution_holds_its_caller() {
    use ExecutionStatus::{Expired, Failed, Queued, Running, Succeeded};

    let succeeding = Worker::new(SET);
    succeeding.deliver(&called(), CALL).await;
    assert_eq!(statuses(&succeeding), [Succeeded]);

    let waiting = Worker::new(&format!("{RETRIES}{CALL_ERP}"));
    waiting.reply_with([fails(), succeeds()]);
    waiting.deliver(&called(), ORDERED).await;
    assert_eq!(statuses(&waiting), [Running, Succeeded]);

    let deferred = Worker::new(&format!("{RETRIES}{CALL_ERP}"));
    deferred.reply_with([fails()]);
    deferred.deliver(&called(), WORK).await;
    tokio::task::yield_now().await;
    assert_eq!(statuses(&deferred), [Queued]);
    assert_eq!(deferred.deferred()[0].0.caller, called().caller);

    let resumed = Worker::new("steps: [{ id: later, wait: 2h }]");
    resumed.deliver(&called(), WORK).await;
    tokio::task::yield_now().await;
    assert_eq!(statuses(&resumed), [Running]);
    assert_eq!(resumed.deferred()[0].0.caller, called().caller);

    let expired = Worker::new(SET);
    expired.deliver(&Envelope { deadline: Some(UnixMillis::now() - Duration::from_millis(1)), ..called() }, CALL).await;
    assert_eq!(statuses(&expired), [Expired]);

    let crashed = Worker::new(SET);
    crashed.execute(&Delivered { redeliveries: 21, ..redelivered(&called(), ORDERED) }).await;
    assert_eq!(statuses(&crashed), [Failed]);

    let unknown_version = Worker::new(SET);
    unknown_version.deliver(&Envelope { version: 7, ..called() }, WORK).await;
    assert_eq!(statuses(&unknown_version), [Failed]);

    let dead = Worker::new(SET);
    dead.dead_letter(&called(), "delivery_limit").await;
    assert_eq!(statuses(&dead), [Failed]);

    let execution = called();
    let skipped = Worker::halted(&format!("{}{SET}", super::worker::HALTS), &execution, Some(Decision::Skip));
    skipped.memory.state().finished = Some(FinishedExecution { status: Failed, attempts: 1, halted: true });
    skipped.execute(&redelivered(&execution, ORDERED)).await;
    assert_eq!(statuses(&skipped), [Failed]);
}

#[tokio::test]
async fn an_execution_that_another_one_calls_has_no_caller() {
    let here = Worker::new("steps: [{ id: sub, call: { integration: Sub } }]");
    here.deliver(&called(), WORK).await;
    let callers: Vec<_> = here.ends().iter().map(|record| (record.integration_id, record.caller)).collect();
    assert_eq!(callers, [(SUB, None), (MAIN, called().caller)]);

    let elsewhere = Worker::new(CALL_ERP);
    elsewhere.reply_with([succeeds()]);
    elsewhere.deliver(&called(), WORK).await;
    let calls: Vec<_> = elsewhere.events().into_iter().filter(|event| matches!(event, Event::Called(_))).collect();
    let [Event::Called(envelope)] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(envelope.caller, None);
}
