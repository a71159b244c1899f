//! The first stage: a call whose head its endpoint accepts.

use crate::authentication::{Caller, Head};
use crate::dependencies::Dependencies;
use crate::dispatch::Wait;
use crate::limit::InFlightCall;
use crate::prefer::Preferences;
use crate::problem::Problem;
use crate::trace::Trace;
use actix_web::HttpRequest;
use forebay_contract::definition::{OnTimeout, Webhook};
use forebay_contract::envelope::TraceContext;
use forebay_store::{Integration, Paused, Snapshot};
use std::sync::Arc;
use std::time::Duration;

/// An integration with an enabled webhook.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'r> {
    pub(crate) integration: &'r Arc<Integration>,
    pub(crate) webhook: &'r Webhook,
}

impl Endpoint<'_> {
    /// Returns the methods that may be used here, with commas between them.
    pub(crate) fn allowed_methods(self) -> String {
        let methods: Vec<&str> = self.webhook.methods.iter().map(|method| method.as_str()).chain(["OPTIONS"]).collect();
        methods.join(", ")
    }
}

/// The parts of a call that every stage uses.
pub(super) struct Call<'r> {
    pub(super) request: &'r HttpRequest,
    pub(super) endpoint: Endpoint<'r>,
    pub(super) trace: Option<TraceContext>,
    pub(super) response_time: ResponseTime,
    /// The pause of the trigger, for a caller who would wait in vain.
    pub(super) paused: Option<Paused>,
    _in_flight: InFlightCall,
}

/// The time at which the caller receives its response.
#[derive(Debug, Clone, Copy)]
pub(super) enum ResponseTime {
    /// As soon as the call is accepted. `is_preferred`: true if the caller requested it.
    Accepted { is_preferred: bool },
    /// After the execution has ended, or after a timeout. `preferred`: the timeout that the caller requested.
    Ended { wait: Wait, preferred: Option<Duration> },
}

impl ResponseTime {
    fn of(webhook: &Webhook, preferences: &Preferences) -> Self {
        match webhook.response {
            Some(response) if !preferences.respond_async => {
                let max = preferences.wait.map_or(response.wait, |preferred| preferred.min(response.wait));
                Self::Ended { wait: Wait { max, on_timeout: response.on_timeout }, preferred: preferences.wait }
            }
            Some(_) | None => Self::Accepted { is_preferred: preferences.respond_async },
        }
    }

    /// Returns the time of the response while the trigger may be paused: nobody waits for an execution that does not start. The pause is
    /// returned for a caller who is to be refused.
    fn while_paused(self, pause: impl FnOnce() -> Option<Paused>) -> (Self, Option<Paused>) {
        let Self::Ended { wait, .. } = self else { return (self, None) };
        match (pause(), wait.on_timeout) {
            (Some(_), OnTimeout::Accepted) => (Self::Accepted { is_preferred: false }, None),
            (paused, _) => (self, paused),
        }
    }
}

/// A call whose endpoint is enabled and accepts its method.
pub(super) struct Received<'r> {
    call: Call<'r>,
    caller: Caller,
}

impl<'r> Received<'r> {
    pub(super) fn new(
        request: &'r HttpRequest,
        endpoint: Endpoint<'r>,
        trace: &Trace,
        snapshot: &Snapshot,
        dependencies: &Dependencies,
    ) -> Result<Self, Problem> {
        let Endpoint { integration, webhook } = endpoint;
        if !webhook.methods.iter().any(|method| method.as_str() == request.method().as_str()) {
            return Err(Problem::method_not_allowed(request.method().as_str(), &endpoint.allowed_methods()));
        }
        let caller = Caller::of(webhook, Head { integration, headers: request.headers(), snapshot })?;
        let in_flight = dependencies.in_flight.enter(&integration.definition.tenant)?;
        let response_time = ResponseTime::of(webhook, &Preferences::of(request.headers()));
        let (response_time, paused) = response_time.while_paused(|| snapshot.pause_of(integration));
        let call = Call { request, endpoint, trace: trace.context(), response_time, paused, _in_flight: in_flight };
        Ok(Self { call, caller })
    }

    pub(super) fn into_parts(self) -> (Call<'r>, Caller) {
        (self.call, self.caller)
    }
}

#[cfg(test)]
impl<'r> Call<'r> {
    /// Makes a call for a unit test.
    pub(super) fn of_test(request: &'r HttpRequest, endpoint: Endpoint<'r>, response_time: ResponseTime) -> Self {
        let in_flight = crate::limit::InFlight::new(1).enter(&endpoint.integration.definition.tenant);
        let in_flight = in_flight.unwrap_or_else(|_| unreachable!("nothing else is under way"));
        Self { request, endpoint, trace: None, response_time, paused: None, _in_flight: in_flight }
    }
}
