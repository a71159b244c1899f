//! What a step does, one kind after the other; loops and branches are in `branches`.

use crate::flow::{Done, Execution, Flow, Scope};
use crate::host::{CallEnd, OutgoingCall};
use crate::program::{CompiledAction, CompiledCall, CompiledStep, CompiledWait};
use crate::respond::{self, Answer};
use crate::step::Caller;
use forebay_connectors::Earlier;
use forebay_connectors::concealment::Concealment;
use forebay_contract::definition::LogLevel;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{format_duration, unix_micros};
use forebay_mapping::Paced;
use forebay_mapping::failure;
use forebay_mapping::payload;
use forebay_mapping::{Mapping, Template, Value, to_json};
use std::time::Duration;

/// Longest line that a `log` step writes, in characters.
const MAX_LINE_LENGTH: usize = 2000;
/// Maximum time of a call of another integration whose step sets no timeout.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

impl Execution<'_> {
    /// One attempt. What a remote system repeats of the connection's secrets is in no error.
    pub(crate) async fn act(&self, step: &CompiledStep, scope: &mut Scope, path: &str) -> Result<Done, ExecutionError> {
        let error = match self.attempt(step, scope, path).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match step.action.connection().map(|name| self.execution.host.connection(name)) {
            Some(Ok(connection)) => Err(Concealment::of(&connection).conceal_in(error)),
            Some(Err(_)) | None => Err(error),
        }
    }

    async fn attempt(&self, step: &CompiledStep, scope: &mut Scope, path: &str) -> Result<Done, ExecutionError> {
        if step.action.has_effect() {
            self.keep_before_effect().await;
        }
        let timeout = step.timeout;
        let caller = Caller { engine: self.engine, host: &*self.execution.host, envelope: self.envelope, path };
        match &step.action {
            CompiledAction::Http(call) => call.run(caller, timeout, &scope.context, &self.budget).await.map(Done::Output),
            CompiledAction::Sftp(call) => {
                let may_have_done_it = self.execution.is_redelivered || self.state().journal.is_in_doubt(path);
                let earlier = Earlier { may_have_done_it, in_doubt: &|is_in_doubt| self.state().journal.doubt(path, is_in_doubt) };
                call.run(caller, earlier, timeout, scope.context.value(), &self.budget).await.map(Done::Output)
            }
            CompiledAction::Amqp(call) => {
                let (context, input) = (scope.context.value(), scope.context.input());
                call.run(caller, timeout, context, input, &self.budget).await.map(Done::Output)
            }
            CompiledAction::Email(call) => call.run(caller, timeout, scope.context.value(), &self.budget).await.map(Done::Output),
            CompiledAction::Sql(call) => call.run(caller, timeout, scope.context.value(), &self.budget).await.map(Done::Output),
            CompiledAction::Call(call) => within(timeout.or(Some(CALL_TIMEOUT)), "call", self.call(call, scope, path)).await,
            CompiledAction::Set(mapping) => within(timeout, "set", self.mapping("set", mapping, scope)).await.map(Done::Output),
            CompiledAction::Assert { that, message } => within(timeout, "assert", self.assert(that, message.as_ref(), scope)).await,
            CompiledAction::Log { message, level } => self.log(message, *level, scope, path).await,
            CompiledAction::Wait(wait) => self.wait(wait, scope, path).await,
            CompiledAction::Respond(response) => {
                let answer =
                    Answer { context: &scope.context, last_output: scope.last.as_ref(), most_bytes: self.engine.options().answer_bytes };
                let response = respond::answer(Some(response), answer, &self.budget).await?;
                let output = Value::object([("status", Value::from(i64::from(response.status)))]);
                self.execution.host.answer(&response);
                self.state().answered = Some(response);
                Ok(Done::Output(output))
            }
            CompiledAction::Stop { error: None } => Ok(Done::Ends(Flow::Stop)),
            CompiledAction::Stop { error: Some(message) } => {
                Err(ExecutionError::permanent(ErrorCode::Refused, self.template("error", message, scope).await?))
            }
            CompiledAction::Switch(switch) => within(timeout, "switch", self.switch(switch, scope)).await,
            CompiledAction::Each(each) => within(timeout, "each", self.each(each, scope, path)).await,
            CompiledAction::Parallel(branches) => within(timeout, "parallel", self.parallel(branches, scope)).await,
        }
    }

    pub(crate) async fn mapping(&self, part: &str, mapping: &Paced<Mapping>, scope: &Scope) -> Result<Value, ExecutionError> {
        mapping.output(part, scope.context.value(), &self.budget).await
    }

    async fn template(&self, part: &str, template: &Paced<Template>, scope: &Scope) -> Result<String, ExecutionError> {
        template.text(part, scope.context.value(), &self.budget).await
    }

    async fn assert(&self, that: &Paced<Mapping>, message: Option<&Paced<Template>>, scope: &Scope) -> Result<Done, ExecutionError> {
        let output = self.mapping("assert", that, scope).await?;
        if output.as_bool() == Some(true) {
            return Ok(Done::Output(output));
        }
        let message = match message {
            Some(message) => self.template("message", message, scope).await?,
            None => format!("assert: the mapping must give true, and gave {}", shortened(&output.to_string(), 200)),
        };
        Err(ExecutionError::permanent(ErrorCode::Refused, message))
    }

    async fn log(&self, message: &Paced<Template>, level: LogLevel, scope: &Scope, path: &str) -> Result<Done, ExecutionError> {
        let message = shortened(&self.template("message", message, scope).await?, MAX_LINE_LENGTH);
        let (tenant, integration, id) = (&self.envelope.tenant, &self.envelope.integration, &self.envelope.execution_id);
        match level {
            LogLevel::Info => {
                tracing::info!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
            }
            LogLevel::Warn => {
                tracing::warn!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
            }
            LogLevel::Error => {
                tracing::error!(forebay.tenant = %tenant, forebay.integration = %integration, forebay.execution.id = %id, forebay.step.id = path, "{message}");
            }
        }
        Ok(Done::Output(Value::string(message)))
    }

    /// Until when is written down when the step is first reached; it ends in place where that is soon, else the execution is put off.
    async fn wait(&self, wait: &CompiledWait, scope: &Scope, path: &str) -> Result<Done, ExecutionError> {
        let begun = self.state().journal.output(path).and_then(|output| output.get("until").and_then(millis_of));
        let now = unix_micros() / 1000;
        let until = match (begun, wait) {
            (Some(until), _) => until,
            (None, CompiledWait::For(pause)) => now.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
            (None, CompiledWait::Until(mapping)) => {
                let output = self.mapping("until", mapping, scope).await?;
                millis_of(&output).ok_or_else(|| {
                    let message = format!(
                        "until: the mapping must give a time (RFC 3339, or seconds of Unix time), and gave {}",
                        shortened(&output.to_string(), 200)
                    );
                    ExecutionError::permanent(ErrorCode::Mapping, message)
                })?
            }
        };
        let output = Value::object([("until", time_of(until))]);
        let left = Duration::from_millis(u64::try_from(until - now).unwrap_or_default());
        if left <= self.execution.longest_wait_in_place {
            tokio::time::sleep(left).await;
            return Ok(Done::Output(output));
        }
        if !self.execution.may_be_put_off {
            let most = format_duration(self.execution.longest_wait_in_place);
            let message =
                format!("wait: this execution keeps others waiting and may wait {most} at most; `call` an integration that waits");
            return Err(ExecutionError::permanent(ErrorCode::Limit, message));
        }
        if begun.is_none() {
            self.state().journal.add(path, &output, true);
        }
        Ok(Done::Ends(Flow::Wait(until)))
    }

    async fn call(&self, call: &CompiledCall, scope: &Scope, path: &str) -> Result<Done, ExecutionError> {
        let body = match &call.body {
            Some(mapping) => self.mapping("body", mapping, scope).await?,
            None => scope.context.input().clone(),
        };
        let query = match &call.query {
            Some(mapping) => serde_json::Value::from(&self.mapping("query", mapping, scope).await?),
            None => serde_json::Value::Null,
        };
        let outgoing =
            OutgoingCall { integration: call.integration.clone(), path: path.to_owned(), body: to_json(&body), query, wait: call.wait };
        match self.execution.host.call(outgoing).await? {
            CallEnd::Accepted(id) => Ok(Done::Output(Value::object([("executionId", Value::string(id))]))),
            CallEnd::Waits(until) => Ok(Done::Ends(Flow::Wait(until))),
            CallEnd::Answered(id, response) => payload::answer_value(&id, response).await.map(Done::Output),
        }
    }
}

/// Bounds what has no timeout of its own.
async fn within<T>(
    timeout: Option<Duration>,
    kind: &str,
    work: impl Future<Output = Result<T, ExecutionError>>,
) -> Result<T, ExecutionError> {
    let Some(timeout) = timeout else { return work.await };
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("{kind}: it did not end within the step's timeout of {}", format_duration(timeout));
            let error = if kind == "set" || kind == "assert" { failure::permanent } else { failure::transient };
            Err(error(ErrorCode::Timeout, message))
        }
    }
}

/// Milliseconds of Unix time, of RFC 3339 or of seconds.
pub(crate) fn millis_of(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
    }
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && seconds.abs() < 1e11)?;
    Some((seconds * 1000.0) as i64)
}

fn time_of(millis: i64) -> Value {
    jiff::Timestamp::from_millisecond(millis).map_or(Value::NULL, |time| Value::string(time.to_string()))
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text.to_owned(),
    }
}
