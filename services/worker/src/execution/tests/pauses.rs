//! Paused and disabled integrations: nothing of them starts.

use super::memory::Event;
use super::worker::{CALL, ORDERED, WORK, Worker, call, redelivered};
use crate::execution::Disposition;
use forebay_contract::UnixMillis;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use std::time::Duration;

const SET: &str = "steps: [{ id: a, set: .input.n }]";

#[tokio::test]
async fn no_attempt_of_a_paused_or_disabled_integration_begins() {
    for field in ["paused: true", "enabled: false"] {
        let worker = Worker::new(&format!("{field}\n{SET}"));
        let retry = Envelope { attempts: 1, ..call() };
        let resumes = Envelope { resumes: true, ..call() };
        for envelope in [call(), retry, resumes] {
            for source in [WORK, CALL, ORDERED] {
                assert_eq!(worker.deliver(&envelope, source).await, Disposition::Pause, "{field}, {source:?}");
                assert_eq!(worker.execute(&redelivered(&envelope, source)).await, Disposition::Pause, "{field}, {source:?}");
            }
        }
        assert_eq!(worker.events(), [], "{field}: it is not even claimed");
    }
}

#[tokio::test]
async fn a_call_that_is_too_late_expires_although_its_integration_is_paused() {
    let worker = Worker::new(&format!("paused: true\n{SET}"));
    let late = Envelope { deadline: Some(UnixMillis::now() - Duration::from_secs(1)), reply_to: Some("reply.1".to_owned()), ..call() };
    assert_eq!(worker.deliver(&late, CALL).await, Disposition::Acknowledge);
    assert_eq!(worker.end().status, ExecutionStatus::Expired);
}

#[tokio::test]
async fn a_step_that_waits_for_a_paused_integration_fails_and_may_go_better_later_and_one_that_does_not_wait_queues_its_call() {
    let calls = |wait: &str| format!("steps: [{{ id: sub, call: {{ integration: Sub{wait} }} }}]");
    let worker = Worker::with(&calls(""), &format!("paused: true\n{SET}"), None);
    worker.deliver(&call(), WORK).await;
    let error = worker.end().error.unwrap();
    assert_eq!((error.code, error.transient), (ErrorCode::Unreachable, true));
    assert!(error.message.contains("'Sub' was not called: its definition has `paused: true`"), "{}", error.message);

    let worker = Worker::with(&calls(", wait: false"), &format!("paused: true\n{SET}"), None);
    worker.deliver(&call(), WORK).await;
    assert_eq!(worker.end().status, ExecutionStatus::Succeeded);
    assert!(worker.events().iter().any(|event| matches!(event, Event::Published(..))), "{:?}", worker.events());
}
