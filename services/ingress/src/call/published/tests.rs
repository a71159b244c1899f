//! Tests of the response to a call, by the result of its dispatch and the end of its execution.

use super::super::received::Endpoint;
use super::*;
use crate::dispatch::NotAccepted;
use actix_web::body::to_bytes;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::test::TestRequest;
use forebay_contract::IdIssuer;
use forebay_contract::definition::{Definition, DispatchPolicy, documents};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::{ErrorCode, ExecutionError, Response};
use forebay_store::Integration;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;
use uuid::Uuid;

/// The result of the dispatch for its one call.
enum Script {
    Refuses(NotAccepted),
    Confirms,
    Answers(Ending),
    NeverAnswers,
}

/// A dispatch in memory.
struct Memory {
    script: RefCell<Option<Script>>,
    is_awaited: RefCell<Option<bool>>,
}

impl Memory {
    fn take(&self, is_awaited: bool) -> Script {
        assert_eq!(self.is_awaited.replace(Some(is_awaited)), None, "a call is published once");
        self.script.take().unwrap()
    }
}

impl Dispatch for Memory {
    async fn publish(&self, _envelope: &Envelope, _policy: &DispatchPolicy) -> Result<(), NotAccepted> {
        match self.take(false) {
            Script::Refuses(error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn publish_awaited(&self, _envelope: Envelope, _policy: &DispatchPolicy, _wait: Wait) -> Result<Pending<'_>, NotAccepted> {
        let answer = match self.take(true) {
            Script::Refuses(error) => return Err(error),
            Script::Answers(ending) => Answer::Ended(ending),
            Script::Confirms | Script::NeverAnswers => Answer::TimedOut,
        };
        Ok(Box::pin(async move { answer }))
    }
}

struct Given {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
    is_awaited: bool,
}

impl Given {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name.as_str()).map(|(_, value)| value.as_str())
    }
}

/// Publishes one call and returns its response.
async fn given(script: Script, response_time: ResponseTime) -> Given {
    let yaml = "tenant: t\nname: Order\ntrigger: { webhook: {} }\n";
    let definition = Arc::new(Definition::from_value(&documents(yaml).unwrap()[0]).unwrap());
    let integration = Arc::new(Integration { id: Uuid::nil(), version: 1, definition: definition.clone() });
    let endpoint = Endpoint { integration: &integration, webhook: definition.trigger.webhook().unwrap() };
    let request = TestRequest::post().to_http_request();
    let head = Request {
        method: "POST".to_owned(),
        path: "/t/Order".to_owned(),
        query_string: String::new(),
        query: serde_json::Map::new(),
        headers: Vec::new(),
    };
    let id = IdIssuer::new(b"key").issue(Uuid::nil()).unwrap();
    let envelope = Envelope::new(id, "t/Order".parse().unwrap(), Uuid::nil(), 1, head, "{}".into());
    let reserved = Reserved::of_test(Call::of_test(&request, endpoint, response_time), envelope);
    let dispatch = Memory { script: RefCell::new(Some(script)), is_awaited: RefCell::default() };
    let response = match Published::new(reserved, &dispatch).await {
        Ok(published) => published.response().await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.unwrap_or_else(|_| panic!("a body"));
    Given { status, headers, body: serde_json::from_slice(&body).unwrap_or_default(), is_awaited: dispatch.is_awaited.take().unwrap() }
}

fn at_once(is_preferred: bool) -> ResponseTime {
    ResponseTime::Accepted { is_preferred }
}

fn waiting(on_timeout: OnTimeout, preferred: Option<Duration>) -> ResponseTime {
    ResponseTime::Ended { wait: Wait { max: Duration::from_secs(30), on_timeout }, preferred }
}

#[tokio::test]
async fn a_confirmed_call_is_accepted_with_its_id_and_where_its_outcome_is() {
    let given_at_once = given(Script::Confirms, at_once(false)).await;
    assert_eq!((given_at_once.status, given_at_once.is_awaited), (202, false));
    let id = given_at_once.body["executionId"].as_str().unwrap();
    assert_eq!(given_at_once.header(LOCATION), Some(format!("/t/Order/executions/{id}").as_str()));
    assert_eq!(given_at_once.header(PREFERENCE_APPLIED), None);
    assert_eq!(given(Script::Confirms, at_once(true)).await.header(PREFERENCE_APPLIED), Some("respond-async"));
}

#[tokio::test]
async fn a_call_that_the_broker_does_not_take_is_refused_with_what_may_become_of_it() {
    let refused = |may_be_delivered, max_bytes| NotAccepted {
        reason: "the queue is full".to_owned(),
        may_be_delivered,
        max_bytes,
        retry_after: Duration::from_secs(7),
    };
    let cases = [
        (refused(false, None), 503, Some("7"), "call again", json!(false)),
        (refused(true, None), 503, Some("7"), "may still be delivered", json!(true)),
        (refused(false, Some(10)), 413, None, "smaller body", json!(false)),
    ];
    for (error, status, retry_after, text, may_be_delivered) in cases {
        for response_time in [at_once(false), waiting(OnTimeout::Error, None)] {
            let error = NotAccepted { reason: error.reason.clone(), ..error };
            let given = given(Script::Refuses(error), response_time).await;
            assert_eq!((given.status, given.header(RETRY_AFTER)), (status, retry_after));
            assert!(given.body["detail"].as_str().unwrap().contains(text), "{}", given.body);
            assert_eq!(given.body["mayBeDelivered"], may_be_delivered);
        }
    }
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_response_of_the_workflow() {
    let response = Response { status: 201, headers: vec![("x-site".to_owned(), "a".to_owned())], body: r#"{"id":1}"#.into() };
    let preferred = Some(Duration::from_secs(5));
    let given = given(Script::Answers(Ending::Succeeded(response)), waiting(OnTimeout::Error, preferred)).await;
    assert_eq!((given.status, given.is_awaited, &given.body), (201, true, &json!({ "id": 1 })));
    assert_eq!(given.header(HeaderName::from_static("x-site")), Some("a"));
    assert_eq!(given.header(PREFERENCE_APPLIED), Some("wait=5"));
}

#[tokio::test]
async fn a_failure_names_its_step_and_code_and_not_its_message() {
    let error = ExecutionError { step: Some("price".to_owned()), ..ExecutionError::permanent(ErrorCode::Remote, "internal detail") };
    let given = given(Script::Answers(Ending::Failed(error)), waiting(OnTimeout::Error, None)).await;
    assert_eq!((given.status, &given.body["step"]), (500, &json!("price")));
    assert!(!given.body.to_string().contains("internal detail"));
}

#[tokio::test]
async fn what_does_not_end_in_time_is_a_timeout_or_accepted_as_the_definition_says() {
    let cases = [
        (Script::NeverAnswers, OnTimeout::Error, 504),
        (Script::NeverAnswers, OnTimeout::Accepted, 202),
        (Script::Answers(Ending::Expired), OnTimeout::Error, 504),
    ];
    for (script, on_timeout, status) in cases {
        let given = given(script, waiting(on_timeout, None)).await;
        assert_eq!(given.status, status);
        assert!(given.body["executionId"].is_string() && given.header(LOCATION).is_some_and(|at| at.starts_with("/t/Order/executions/")));
    }
}
