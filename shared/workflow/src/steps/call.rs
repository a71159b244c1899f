//! The `call` step: calls another integration of the tenant.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, within};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::{Done, Flow};
use crate::host::{CallEnd, OutgoingCall};
use crate::trial::{self, Fault, Rendering, Trial};
use forebay_contract::Name;
use forebay_contract::definition::IntegrationCall;
use forebay_contract::json::object_of;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::{Mapping, Paced, Value, payload, to_json};
use std::time::Duration;

/// Maximum time of a call whose step sets no timeout.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

struct CompiledCall {
    integration: Name,
    wait: bool,
    body: Option<Paced<Mapping>>,
    query: Option<Paced<Mapping>>,
}

impl StepKind for IntegrationCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let body = compiler.optional_mapping(&format!("{path}.body"), self.body.as_ref());
        let query = compiler.optional_mapping(&format!("{path}.query"), self.query.as_ref());
        let (integration, wait) = (self.integration.clone(), self.wait);
        Some(Box::new(CompiledCall { integration, wait, body: body?, query: query? }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        Ok(trial::Done::Request(object_of([
            ("integration", self.integration.as_str().into()),
            ("wait", self.wait.into()),
            ("body", render.body_or_input(self.body.as_ref())?),
            ("query", render.optional("query", self.query.as_ref())?),
        ])))
    }
}

impl CompiledKind for CompiledCall {
    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        let timeout = step.timeout.or(Some(CALL_TIMEOUT));
        Box::pin(within(timeout, "call", ExecutionError::transient, self.call(step, scope)))
    }
}

impl CompiledCall {
    async fn call(&self, step: StepRun<'_>, scope: &Scope) -> Result<Done, ExecutionError> {
        let body = match &self.body {
            Some(mapping) => step.mapping("body", mapping, scope).await?,
            None => scope.context.input().clone(),
        };
        let query = match &self.query {
            Some(mapping) => serde_json::Value::from(&step.mapping("query", mapping, scope).await?),
            None => serde_json::Value::Null,
        };
        let (integration, path) = (self.integration.clone(), step.path.to_owned());
        let outgoing = OutgoingCall { integration, path, body: to_json(&body), query, wait: self.wait };
        match step.host().call(outgoing).await? {
            CallEnd::Accepted(id) => Ok(Done::Output(Value::object([("executionId", Value::string(id))]))),
            CallEnd::Waits(until) => Ok(Done::Ends(Flow::Wait(until))),
            CallEnd::Answered(id, response) => payload::answer_value(&id, response).await.map(Done::Output),
        }
    }
}
