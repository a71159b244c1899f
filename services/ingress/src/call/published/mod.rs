//! The fifth stage: the broker has the message, and the caller receives its response.

use super::received::{Call, ResponseTime};
use super::reserved::{Parts, Reserved};
use super::response::{accepted, ended, location_of};
use crate::dispatch::{Answer, Dispatch, Pending, Wait};
use crate::problem::Problem;
use crate::shares::Share;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use forebay_contract::ExecutionId;
use forebay_contract::definition::OnTimeout;
use forebay_contract::outcome::Ending;
use std::time::Duration;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A call whose message the broker has confirmed.
pub(super) struct Published<'r, 'd> {
    call: Call<'r>,
    id: ExecutionId,
    outcome: Outcome<'d>,
    _memory: Share,
}

/// The outcome that the caller waits for.
enum Outcome<'d> {
    Nothing { is_preferred: bool },
    Ending { pending: Pending<'d>, wait: Wait, preferred: Option<Duration> },
}

impl<'r, 'd> Published<'r, 'd> {
    /// Publishes a call. If it is not accepted, its idempotency key is released, unless the message may be delivered all the same.
    pub(super) async fn new(reserved: Reserved<'r>, dispatch: &'d impl Dispatch) -> Result<Self, Problem> {
        let Parts { call, envelope, mut reservation, memory } = reserved.into_parts();
        let (id, policy) = (envelope.execution_id, &call.endpoint.webhook.policy);
        if let Some(paused) = &call.paused {
            if let Some(reservation) = reservation {
                let _ = reservation.release().await;
            }
            return Err(Problem::trigger_paused(&call.endpoint.integration.definition.path().to_string(), paused));
        }
        // If the caller hangs up from here on, the message may be under way.
        if let Some(reservation) = &mut reservation {
            reservation.retain();
        }
        let published = match call.response_time {
            ResponseTime::Accepted { is_preferred } => {
                dispatch.publish(&envelope, policy).await.map(|()| Outcome::Nothing { is_preferred })
            }
            ResponseTime::Ended { wait, preferred } => {
                let pending = dispatch.publish_awaited(envelope, policy, wait).await;
                pending.map(|pending| Outcome::Ending { pending, wait, preferred })
            }
        };
        match published {
            Ok(outcome) => Ok(Self { call, id, outcome, _memory: memory }),
            Err(error) => {
                if let Some(reservation) = reservation.filter(|_| !error.may_be_delivered) {
                    // If this fails, the next call with the key is published under the same id.
                    let _ = reservation.release().await;
                }
                Err(Problem::not_accepted(&error))
            }
        }
    }

    /// Returns 202, or the response of the execution once it has ended.
    pub(super) async fn response(self) -> HttpResponse {
        let Self { call, id, outcome, _memory } = self;
        let location = location_of(call.endpoint.integration, id);
        let (mut response, applied) = match outcome {
            Outcome::Nothing { is_preferred } => (accepted(id, &location), is_preferred.then(|| HeaderValue::from_static("respond-async"))),
            Outcome::Ending { pending, wait, preferred } => {
                let applied = preferred.map(|preferred| format!("wait={}", preferred.as_secs()));
                let applied = applied.map(|text| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("wait")));
                (answered(pending.await, wait, id, &location), applied)
            }
        };
        if let Some(applied) = applied {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}

fn answered(answer: Answer, wait: Wait, id: ExecutionId, location: &str) -> HttpResponse {
    match answer {
        Answer::Ended(Ending::Expired) | Answer::TimedOut if wait.on_timeout == OnTimeout::Error => {
            Problem::execution_timeout(id, location, wait.max).into_response()
        }
        Answer::TimedOut => accepted(id, location),
        Answer::Ended(ending) => ended(id, ending, location),
    }
}

#[cfg(test)]
mod tests;
