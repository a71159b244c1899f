//! Calls of other integrations.

use super::memory::Event;
use super::worker::{CALL_ERP, ERP, MAIN, ORDERED, SUB, WORK, Worker, call, fails, redelivered};
use crate::execution::Disposition;
use crate::execution::ports::CallReply;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionStatus, Response};
use forebay_fairness::STACK_BYTES;

const CALL_SUB: &str = "steps: [{ id: sub, call: { integration: Sub } }]\nrespond: { body: .steps.sub.body }";

fn response(body: &'static str) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response { status: 200, headers, body: body.into() }
}

#[tokio::test]
async fn a_called_integration_without_order_runs_in_the_place_of_its_caller_and_is_recorded_first() {
    let worker = Worker::new(CALL_SUB);
    worker.deliver(&call(), WORK).await;
    let ends: Vec<_> = worker.ends().iter().map(|record| (record.integration_id, record.status)).collect();
    assert_eq!(ends, [(SUB, ExecutionStatus::Succeeded), (MAIN, ExecutionStatus::Succeeded)]);
    assert!(worker.ends()[0].is_served && worker.ends()[0].output.is_some(), "its caller's repetition asks for the response");
    let [Ending::Succeeded(response)] = &worker.replies()[..] else { panic!("{:?}", worker.replies()) };
    assert_eq!(response.body, "\"sub\"");
}

#[tokio::test]
async fn a_repeated_caller_takes_the_response_of_the_call_that_it_made_before() {
    let worker = Worker::new(CALL_SUB);
    worker.memory.state().endings.insert(SUB, Ending::Succeeded(response("\"before\"")));
    worker.execute(&redelivered(&call(), ORDERED)).await;
    let [Ending::Succeeded(response)] = &worker.replies()[..] else { panic!("{:?}", worker.replies()) };
    assert_eq!(response.body, "\"before\"");
    assert_eq!(worker.ends().len(), 1, "the called integration did not run again");
}

#[tokio::test]
async fn a_failure_of_a_called_integration_fails_its_caller_with_its_name_and_id() {
    let worker = Worker::with(CALL_SUB, "steps: [{ id: a, assert: { that: 'false', message: no stock } }]", None);
    worker.deliver(&call(), WORK).await;
    let ends = worker.ends();
    let error = ends[1].error.as_ref().unwrap();
    assert_eq!((error.code, error.step.as_deref()), (ErrorCode::Refused, Some("sub")));
    assert!(error.message.contains(&format!("the integration 'Sub' failed (execution {}): a: no stock", ends[0].execution_id)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_called_integration_that_waits_long_defers_its_caller() {
    let worker = Worker::with(CALL_SUB, "steps: [{ id: later, wait: 2h }]", None);
    assert_eq!(worker.deliver(&call(), WORK).await, Disposition::Acknowledge);
    let deferred = worker.deferred();
    assert_eq!((deferred.len(), deferred[0].0.integration_id, deferred[0].0.resumes), (1, MAIN, true));
    assert_eq!(worker.ends(), [], "neither has ended");
}

#[test]
fn calls_of_integrations_are_not_nested_without_bound() {
    let nested = async {
        let worker = Worker::with(CALL_SUB, "steps: [{ id: again, call: { integration: Sub } }]", None);
        worker.deliver(&call(), WORK).await;
        worker.ends()
    };
    // The threads of the program have this stack.
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || runtime().block_on(nested)).unwrap();
    let ends = thread.join().unwrap();
    assert_eq!(ends.len(), 9);
    let error = ends[0].error.clone().unwrap();
    assert!(error.message.contains("more than 8 levels deep"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_called_integration_is_looked_up_where_its_reply_is_lost() {
    let worker = Worker::new(&format!("{CALL_ERP}\nrespond: {{ body: .steps.erp.body }}"));
    worker.reply_with([CallReply::Lost]);
    worker.memory.state().endings.insert(ERP, Ending::Succeeded(response("\"from the store\"")));
    worker.memory.state().store_is_away_for = 3;
    worker.deliver(&call(), ORDERED).await;
    let [Ending::Succeeded(response)] = &worker.replies()[..] else { panic!("{:?}", worker.replies()) };
    assert_eq!(response.body, "\"from the store\"");
}

#[tokio::test]
async fn a_call_that_is_not_awaited_is_published_and_the_caller_goes_on() {
    let worker = Worker::new("steps: [{ id: erp, call: { integration: Erp, wait: false } }]");
    worker.deliver(&call(), WORK).await;
    let published = worker.events().into_iter().find_map(|event| match event {
        Event::Published(envelope, None) => Some(envelope),
        _ => None,
    });
    let published = published.unwrap();
    assert_eq!((published.integration_id, published.reply_to.as_deref()), (ERP, None));
    assert!(published.claim_token.is_some(), "a repetition publishes it again: the called execution is claimed");
    assert_eq!(worker.end().status, ExecutionStatus::Succeeded);
}

#[tokio::test]
async fn a_call_that_the_broker_does_not_take_is_a_failure_that_may_be_retried() {
    let worker = Worker::new("steps: [{ id: erp, call: { integration: Erp, wait: false } }]");
    worker.memory.state().refuses_messages = true;
    worker.deliver(&call(), ORDERED).await;
    let error = worker.end().error.unwrap();
    assert_eq!((error.code, error.transient), (ErrorCode::Unreachable, true));
}

#[tokio::test(start_paused = true)]
async fn a_called_integration_is_retried_in_its_callers_place() {
    let sub = "retry: { attempts: 3, backoff: { first: 5s } }\nsteps: [{ id: erp, call: { integration: Erp } }]";
    let worker = Worker::with(CALL_SUB, sub, None);
    worker.reply_with([fails(), fails(), super::worker::succeeds()]);
    worker.deliver(&call(), WORK).await;
    assert_eq!((worker.calls(), worker.deferred().len()), (3, 0));
    assert_eq!(worker.ends()[0].attempts, 3);
}

#[tokio::test]
async fn executions_that_call_one_another_by_way_of_queues_are_counted_and_a_loop_ends() {
    let worker = Worker::new("steps: [{ id: again, call: { integration: Main, wait: false } }]");
    let mut next = call();
    for depth in 1..=64 {
        worker.deliver(&next, WORK).await;
        let published = |event| match event {
            Event::Published(envelope, None) => Some(*envelope),
            _ => None,
        };
        next = worker.events().into_iter().filter_map(published).next_back().unwrap();
        assert_eq!(next.call_depth, depth);
    }
    worker.deliver(&next, WORK).await;
    let error = worker.ends().last().unwrap().error.clone().unwrap();
    assert!(error.message.contains("more than 64 executions called one another"), "{error}");
}
