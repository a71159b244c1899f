//! The services of the worker for a running workflow: checkpoints, early replies, calls of other integrations, connections.

use super::checkpoints::Checkpoints;
use super::claims::Progress;
use super::delivered::{Delivered, Source};
use super::outcome::{Attempted, Outcome};
use super::ports::{CallReply, Target, Urgency};
use super::workflows::Workflows;
use crate::recording::EndRecord;
use forebay_contract::connection::Connection;
use forebay_contract::definition::DispatchPolicy;
use forebay_contract::envelope::{CALL_METHOD, Envelope, Request, TraceContext};
use forebay_contract::outcome::{Checkpoint, Ending, ErrorCode, ExecutionError, Response};
use forebay_contract::{ExecutionId, Name, UnixMillis};
use forebay_store::Integration;
use forebay_workflow::{CallEnd, Host, HostFuture, OutgoingCall, Program};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Maximum executions that run nested in one place: each takes a part of the thread's stack.
const MAX_NESTED_CALLS: u8 = 8;
/// Maximum depth of calls, nested or through queues: more is treated as an endless loop.
const MAX_CALL_DEPTH: u32 = 64;
/// Interval at which the end of a called execution is read from the store when its reply was lost.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(500);

/// The services of the worker for one execution.
pub(crate) struct ExecutionHost {
    workflows: Arc<Workflows>,
    checkpoints: Arc<Checkpoints>,
    id: ExecutionId,
    tenant: Name,
    reply_to: Option<String>,
    lost: CancellationToken,
    /// True if an earlier delivery may have run some steps.
    is_repeated: bool,
    may_be_deferred: bool,
    nested: u8,
    call_depth: u32,
}

/// The end of an integration that ran nested in the place of its caller.
enum Called {
    Ended(Ending),
    /// The called execution waits until this time, and its caller with it.
    WaitsUntil(UnixMillis),
}

impl ExecutionHost {
    pub(crate) fn new(workflows: Arc<Workflows>, delivered: &Delivered, checkpoints: Arc<Checkpoints>) -> Self {
        let envelope = &delivered.envelope;
        Self {
            workflows,
            checkpoints,
            id: envelope.execution_id,
            tenant: envelope.tenant.clone(),
            reply_to: envelope.reply_to.clone(),
            lost: delivered.lost.clone(),
            is_repeated: delivered.is_repeated(),
            may_be_deferred: delivered.source.may_be_deferred(),
            nested: delivered.nested,
            call_depth: envelope.call_depth,
        }
    }

    async fn call_now(&self, call: OutgoingCall) -> Result<CallEnd, ExecutionError> {
        let integration = self.callee(&call)?;
        let envelope = self.envelope(&integration, &call)?;
        let id = envelope.execution_id;
        let ending = match (call.wait, integration.definition.trigger.policy()) {
            (false, policy) => {
                let envelope = Envelope { claim_token: Some(Envelope::new_claim_token()), ..envelope };
                let published = self.workflows.broker.publish(&envelope, Target::Integration(policy)).await;
                published.map_err(|error| not_called(&call.integration, &error))?;
                return Ok(CallEnd::Accepted(id.to_string()));
            }
            (true, DispatchPolicy::Parallel) => match self.run_here(envelope).await? {
                Called::Ended(ending) => ending,
                Called::WaitsUntil(until) => return Ok(CallEnd::Waits(until)),
            },
            (true, policy) => self.ask(Envelope { claim_token: Some(Envelope::new_claim_token()), ..envelope }, policy).await?,
        };
        match ending {
            Ending::Succeeded(response) => Ok(CallEnd::Answered(id.to_string(), response)),
            Ending::Failed(error) => {
                let message = format!("the integration '{}' failed (execution {id}): {error}", call.integration);
                Err(ExecutionError { step: None, message, ..error })
            }
            Ending::Expired => {
                let message = format!("the integration '{}' was not started in time (execution {id})", call.integration);
                Err(ExecutionError::transient(ErrorCode::Timeout, message))
            }
        }
    }

    /// Returns the called integration. A call that waits for the outcome fails while the integration is paused; another one is queued.
    fn callee(&self, call: &OutgoingCall) -> Result<Arc<Integration>, ExecutionError> {
        let name = &call.integration;
        let refused = |message: String| ExecutionError::permanent(ErrorCode::Definition, message);
        if self.nested >= MAX_NESTED_CALLS {
            return Err(refused(format!("calls of integrations are more than {MAX_NESTED_CALLS} levels deep; does one call itself?")));
        }
        if self.call_depth >= MAX_CALL_DEPTH {
            let message = format!(
                "more than {MAX_CALL_DEPTH} executions called one another; does one call itself without end? A schedule, or `each`, repeats a step"
            );
            return Err(refused(message));
        }
        let snapshot = self.workflows.snapshot.current();
        match snapshot.integration(self.tenant.as_str(), name.as_str()) {
            None => Err(refused(format!("there is no integration '{name}' in the tenant '{}'", self.tenant))),
            Some(integration) if !integration.definition.enabled => Err(refused(format!("the integration '{name}' is disabled"))),
            Some(integration) => match snapshot.paused(integration.id).filter(|_| call.wait) {
                Some(paused) => Err(ExecutionError::transient(ErrorCode::Unreachable, format!("'{name}' was not called: {paused}"))),
                None => Ok(integration.clone()),
            },
        }
    }

    /// Makes the envelope of a call. The same step makes the same envelope, except for the claim token and its time.
    fn envelope(&self, integration: &Integration, call: &OutgoingCall) -> Result<Envelope, ExecutionError> {
        let definition = &integration.definition;
        let request = Request {
            method: CALL_METHOD.into(),
            path: format!("/{}", definition.path()),
            query_string: String::new(),
            query: query_of(integration, call)?,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        let id = self.workflows.ids.derive(integration.id, self.id.issued_at(), &format!("{}/{}", self.id, call.path));
        let envelope = Envelope::new(id, definition.path(), integration.id, integration.version, request, call.body.clone().into());
        let trace = forebay_runtime::telemetry::current_traceparent();
        let trace = trace.map(|(traceparent, tracestate)| TraceContext { traceparent, tracestate });
        Ok(Envelope { trace, call_depth: self.call_depth + 1, ..envelope })
    }

    /// Sends the call through the integration's own queue, which keeps its order, and waits for the reply.
    async fn ask(&self, envelope: Envelope, policy: &DispatchPolicy) -> Result<Ending, ExecutionError> {
        if let Some(response) = self.response_before(&envelope).await {
            return Ok(Ending::Succeeded(response));
        }
        let (id, integration, name) = (envelope.execution_id, envelope.integration_id, envelope.integration.clone());
        match self.workflows.broker.call(envelope, policy).await.map_err(|error| not_called(&name, &error))? {
            CallReply::Ended(ending) => Ok(ending),
            CallReply::Lost => loop {
                if let Ok(Some(ending)) = self.workflows.store.ending(integration, &id).await {
                    return Ok(ending);
                }
                tokio::time::sleep(LOOK_UP_INTERVAL).await;
            },
        }
    }

    /// Runs the called workflow in the place of this execution. It does not request a place on a shared queue: a caller that holds a place
    /// and waits for another could wait for itself.
    async fn run_here(&self, envelope: Envelope) -> Result<Called, ExecutionError> {
        if let Some(response) = self.response_before(&envelope).await {
            return Ok(Called::Ended(Ending::Succeeded(response)));
        }
        let delivered = Delivered {
            envelope,
            redelivered: self.is_repeated,
            redeliveries: 0,
            // The calling execution is deferred instead.
            source: Source::Call { may_be_deferred: self.may_be_deferred },
            lost: self.lost.clone(),
            nested: self.nested + 1,
        };
        let program = self.workflows.programs.of(&delivered).await.ok_or_else(caller_lost)?;
        let program = program.as_deref();
        let attempted = match self.workflows.prepare(program, &delivered, Progress::NONE).await {
            Ok(prepared) => Box::pin(self.workflows.run(prepared)).await,
            Err(not_run) => not_run,
        };
        match attempted {
            Attempted::Lost => Err(caller_lost()),
            Attempted::WaitsUntil { until, ran, .. } => {
                let is_stored = ran.checkpoints.add_durably(&ran.unstored, &self.lost).await;
                if is_stored { Ok(Called::WaitsUntil(until)) } else { Err(caller_lost()) }
            }
            // A called integration has no queue to return to: it is retried within its caller's place, and then fails.
            Attempted::RetryLater { error, attempts, ran, .. } => {
                let is_diagnosed = self.workflows.attempts.is_diagnosed(&delivered);
                let outcome = Outcome { ending: Ending::Failed(error), attempts, is_diagnosed, ran: Some(ran) };
                self.recorded(&delivered, outcome, program.ok()).await
            }
            Attempted::Ended(outcome) => self.recorded(&delivered, outcome, program.ok()).await,
        }
    }

    async fn recorded(&self, delivered: &Delivered, outcome: Outcome, program: Option<&Program>) -> Result<Called, ExecutionError> {
        let ending = outcome.ending.clone();
        let end = EndRecord {
            definition: program.map(|program| &**program.definition()),
            redeliveries: 0,
            halts: false,
            is_called_by_step: true,
            urgency: Urgency::Now,
        };
        let recorded = self.workflows.recording.end(&delivered.envelope, outcome, end).await;
        recorded.map_err(|error| ExecutionError::transient(ErrorCode::Unreachable, error.to_string()))?;
        Ok(Called::Ended(ending))
    }

    /// Returns the response of a called execution that an earlier delivery of its caller started.
    async fn response_before(&self, envelope: &Envelope) -> Option<Response> {
        if !self.is_repeated {
            return None;
        }
        match self.workflows.store.ending(envelope.integration_id, &envelope.execution_id).await.ok()?? {
            Ending::Succeeded(response) => Some(response),
            Ending::Failed(_) | Ending::Expired => None,
        }
    }
}

/// Returns the declared query parameters of a call in their types.
fn query_of(integration: &Integration, call: &OutgoingCall) -> Result<Map<String, Value>, ExecutionError> {
    let unfit = |message: String| ExecutionError::permanent(ErrorCode::Mapping, message);
    let mut query = match &call.query {
        Value::Null => Map::new(),
        Value::Object(members) => members.clone(),
        other => return Err(unfit(format!("query: the mapping must give an object, and gave {other}"))),
    };
    let webhook = integration.definition.trigger.webhook();
    for parameter in webhook.map(|webhook| webhook.query.as_slice()).unwrap_or_default() {
        let is_given = query.get(&parameter.name).is_some_and(|value| !value.is_null());
        match (&parameter.default, is_given) {
            (Some(default), false) => _ = query.insert(parameter.name.clone(), default.clone()),
            (None, false) if parameter.required => {
                return Err(unfit(format!("query: '{}' needs the parameter '{}'", call.integration, parameter.name)));
            }
            _ => {}
        }
    }
    Ok(query)
}

fn not_called(integration: &Name, error: &forebay_broker::PublishError) -> ExecutionError {
    ExecutionError::transient(ErrorCode::Unreachable, format!("'{integration}' could not be called: {error}"))
}

fn caller_lost() -> ExecutionError {
    ExecutionError::transient(ErrorCode::Crashed, "the worker lost the execution that called")
}

impl Host for ExecutionHost {
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool> {
        Box::pin(self.checkpoints.add(steps))
    }

    fn answer(&self, response: &Response) {
        if let Some(reply_to) = &self.reply_to {
            self.workflows.broker.reply(reply_to, self.id, &Ending::Succeeded(response.clone()));
        }
    }

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        Box::pin(self.call_now(call))
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        self.workflows.connections.get(&self.tenant, name)
    }
}
