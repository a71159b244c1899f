//! What a running execution asks of its worker: keep outputs, answer early, call another integration, find a connection.

use crate::execute::{Claimed, Executor, until_answered};
use crate::redact::hide;
use forebay_broker::{Destination, encode_envelope, order_of};
use forebay_contract::connection::Connection;
use forebay_contract::definition::Delivery;
use forebay_contract::envelope::{CALL_METHOD, Envelope, Request, TraceContext};
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, KeptStep, Response};
use forebay_contract::{ExecutionId, Name};
use forebay_store::Integration;
use forebay_workflow::{CallEnd, Host, HostFuture, OutgoingCall};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest time that a step waits for the store to keep what came before. Then it goes on: what it does carries the same
/// `Idempotency-Key` should it be repeated.
const KEEP_PATIENCE: Duration = Duration::from_secs(2);
/// Integrations that call one another, one inside the other.
const DEEPEST_CALL: u8 = 8;

/// One execution's side of its worker.
pub(crate) struct ExecutionHost {
    executor: Arc<Executor>,
    id: ExecutionId,
    tenant: Name,
    reply_to: Option<String>,
    lost: CancellationToken,
    /// Whether an earlier delivery may have done a part.
    is_repeated: bool,
    may_be_put_off: bool,
    depth: u8,
    next_batch: AtomicU32,
    integration: Uuid,
    /// Whether what is kept is encrypted.
    seals: bool,
    kept: Mutex<Vec<KeptStep>>,
}

impl ExecutionHost {
    /// `kept` and `next_batch`: what the store has of it. `seals`: whether what it keeps is encrypted.
    pub(crate) fn new(executor: Arc<Executor>, claimed: &Claimed<'_>, kept: Vec<KeptStep>, next_batch: u32, seals: bool) -> Self {
        let envelope = claimed.envelope;
        Self {
            executor,
            id: envelope.execution_id,
            tenant: envelope.tenant.clone(),
            reply_to: envelope.reply_to.clone(),
            lost: claimed.lost.clone(),
            is_repeated: claimed.is_repeated(),
            may_be_put_off: claimed.lane.is_some(),
            depth: claimed.depth,
            next_batch: next_batch.into(),
            integration: envelope.integration_id,
            seals,
            kept: Mutex::new(kept),
        }
    }

    /// Everything that is durable of the execution.
    pub(crate) fn kept(&self) -> Vec<KeptStep> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of the next batch; 0: nothing was kept.
    pub(crate) fn batches(&self) -> u32 {
        self.next_batch.load(Ordering::Relaxed)
    }

    /// Whether fields of it are hidden.
    pub(crate) fn seals(&self) -> bool {
        self.seals
    }

    /// Keeps outputs, however long the store is away. `false`: the delivery was lost meanwhile.
    pub(crate) async fn keep_at_last(&self, steps: &[KeptStep]) -> bool {
        steps.is_empty() || until_answered(&self.lost, || async { self.keep(steps).await.then_some(()) }).await.is_some()
    }

    /// The integration that a call is for.
    fn callee(&self, name: &Name) -> Result<Arc<Integration>, ExecutionError> {
        let refused = |message: String| ExecutionError::permanent(ErrorCode::Definition, message);
        if self.depth >= DEEPEST_CALL {
            return Err(refused(format!("calls of integrations are more than {DEEPEST_CALL} levels deep; does one call itself?")));
        }
        let snapshot = self.executor.snapshot.current();
        match snapshot.integration(self.tenant.as_str(), name.as_str()) {
            None => Err(refused(format!("there is no integration '{name}' in the tenant '{}'", self.tenant))),
            Some(integration) if !integration.definition.enabled => Err(refused(format!("the integration '{name}' is disabled"))),
            Some(integration) => Ok(integration.clone()),
        }
    }

    /// The same step makes the same envelope, but for the message's number and its time.
    fn envelope(&self, integration: &Integration, call: &OutgoingCall) -> Result<Envelope, ExecutionError> {
        let unfit = |message: String| ExecutionError::permanent(ErrorCode::Mapping, message);
        let definition = &integration.definition;
        let mut query = match &call.query {
            serde_json::Value::Null => serde_json::Map::new(),
            serde_json::Value::Object(members) => members.clone(),
            other => return Err(unfit(format!("query: the mapping must give an object, and gave {other}"))),
        };
        for parameter in definition.trigger.webhook().map(|webhook| webhook.query.as_slice()).unwrap_or_default() {
            let given = query.get(&parameter.name).is_some_and(|value| !value.is_null());
            match (&parameter.default, given) {
                (Some(default), false) => _ = query.insert(parameter.name.clone(), default.clone()),
                (None, false) if parameter.required => {
                    return Err(unfit(format!("query: '{}' needs the parameter '{}'", call.integration, parameter.name)));
                }
                _ => {}
            }
        }
        let request = Request {
            method: CALL_METHOD.into(),
            path: format!("/{}", definition.path()),
            query_string: String::new(),
            query,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        let id = self.executor.ids.derive(integration.id, self.id.issued_at_millis(), &format!("{}/{}", self.id, call.path));
        let envelope = Envelope::new(id, definition.path(), integration.id, integration.version, request, call.body.clone().into());
        let trace = forebay_runtime::telemetry::current_traceparent();
        Ok(Envelope { trace: trace.map(|(traceparent, tracestate)| TraceContext { traceparent, tracestate }), ..envelope })
    }

    async fn call_now(&self, call: OutgoingCall) -> Result<CallEnd, ExecutionError> {
        let integration = self.callee(&call.integration)?;
        let envelope = self.envelope(&integration, &call)?;
        let id = envelope.execution_id;
        let ending = match (call.wait, &integration.definition.trigger.delivery()) {
            (false, delivery) => {
                self.publish(Envelope { once: Envelope::new_message(), ..envelope }, delivery, false).await?;
                return Ok(CallEnd::Accepted(id.to_string()));
            }
            (true, Delivery::Lane) => match self.run_here(envelope).await? {
                Ok(ending) => ending,
                Err(until) => return Ok(CallEnd::Waits(until)),
            },
            (true, delivery) => self.ask(Envelope { once: Envelope::new_message(), ..envelope }, delivery).await?,
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

    async fn publish(&self, envelope: Envelope, delivery: &Delivery, is_awaited: bool) -> Result<(), ExecutionError> {
        let queue = self.executor.topology.queue_of(&envelope, delivery, is_awaited);
        let (order, message) = (order_of(&envelope, delivery), encode_envelope(&envelope, None));
        let published = self.executor.publisher.publish(order, Destination::Queue(queue), message).await;
        published.map_err(|error| {
            ExecutionError::transient(ErrorCode::Unreachable, format!("'{}' could not be called: {error}", envelope.integration))
        })
    }

    /// Calls over the integration's own queue, which keeps its order, and waits for the reply.
    async fn ask(&self, mut envelope: Envelope, delivery: &Delivery) -> Result<Ending, ExecutionError> {
        if self.is_repeated
            && let Some(ending) = self.ended_before(&envelope).await
        {
            return Ok(ending);
        }
        // The step's timeout bounds the wait for the connection on which replies come.
        let mut waiting = loop {
            match self.executor.replies.expect(envelope.execution_id) {
                Ok(waiting) => break waiting,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        envelope.reply_to = Some(waiting.reply_to().to_owned());
        let (id, integration) = (envelope.execution_id, envelope.integration_id);
        self.publish(envelope, delivery, true).await?;
        let lost = waiting.lost();
        let recorded = async {
            lost.await;
            self.executor.store.ending(integration, &id).await
        };
        tokio::select! {
            reply = waiting.reply() => Ok(reply.ending),
            ending = recorded => Ok(ending),
        }
    }

    /// Runs the called workflow in this execution's place: a caller that waits on a lane for a place in a lane could wait for itself.
    async fn run_here(&self, envelope: Envelope) -> Result<Result<Ending, i64>, ExecutionError> {
        if self.is_repeated
            && let Some(ending) = self.ended_before(&envelope).await
        {
            return Ok(Ok(ending));
        }
        let claimed = Claimed {
            envelope: &envelope,
            redelivered: self.is_repeated,
            redeliveries: 0,
            lost: &self.lost,
            // What is put off is the calling execution.
            lane: self.may_be_put_off.then_some(crate::dispatch::Lane { number: 0, is_awaited: true }),
            ordered: false,
            depth: self.depth + 1,
        };
        let lost = || ExecutionError::transient(ErrorCode::Crashed, "the worker lost the execution that called");
        let executor = &self.executor;
        let program = executor.program(&envelope, &self.lost).await.ok_or_else(lost)?;
        let compiled = program.as_ref().ok().cloned();
        let mut attempted = Box::pin(executor.attempt(program, &claimed, 0, 0)).await.ok_or_else(lost)?;
        if let Some(until) = attempted.waits_until {
            if !attempted.host.keep_at_last(&attempted.unkept).await {
                return Err(lost());
            }
            return Ok(Err(until));
        }
        let ending = attempted.ending.clone();
        executor.traffic.count(envelope.integration_id, ending.status(), attempted.started_at, attempted.ended_at);
        let mut record = executor.record_of(&envelope, &mut attempted, compiled.as_deref().map(|program| program.definition()), 0, false);
        if let Ending::Succeeded(response) = &ending {
            // The caller's own repetition asks for it.
            record.output = Some(response.into());
            record.is_served = true;
        }
        hide(&mut record, compiled.as_deref().map(|program| program.definition()), &envelope).await;
        executor
            .recorder
            .record(record, true)
            .await
            .map_err(|error| ExecutionError::transient(ErrorCode::Unreachable, error.to_string()))?;
        Ok(Ok(ending))
    }

    async fn ended_before(&self, envelope: &Envelope) -> Option<Ending> {
        let outcome = self.executor.store.execution(envelope.integration_id, &envelope.execution_id).await.ok()??;
        outcome.ending().filter(|_| outcome.row.status == ExecutionStatus::Succeeded)
    }
}

impl Host for ExecutionHost {
    fn keep<'a>(&'a self, steps: &'a [KeptStep]) -> HostFuture<'a, bool> {
        Box::pin(async move {
            // Taken before the write: branches keep at the same time. The number of a write that fails stays unused.
            let batch = self.next_batch.fetch_add(1, Ordering::Relaxed);
            let keeping = self.executor.store.keep_steps(&self.id, self.integration, batch, steps, self.seals);
            let kept = tokio::time::timeout(KEEP_PATIENCE, keeping).await;
            match kept {
                Ok(Ok(())) => {
                    self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(steps);
                    true
                }
                Ok(Err(error)) => {
                    tracing::warn!(forebay.execution.id = %self.id, %error, "outputs of steps could not be kept; a repetition would do them again");
                    false
                }
                Err(_) => {
                    tracing::warn!(forebay.execution.id = %self.id, "outputs of steps could not be kept in time; a repetition would do them again");
                    false
                }
            }
        })
    }

    fn answer(&self, response: &Response) {
        self.executor.reply_with(self.id, self.reply_to.as_deref(), &Ending::Succeeded(response.clone()));
    }

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        Box::pin(self.call_now(call))
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        self.executor.connections.get(&self.tenant, name)
    }
}
