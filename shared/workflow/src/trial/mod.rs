//! Tries a definition with an example, without services: mappings are run, and requests to remote systems are only rendered.
//!
//! It helps the author of a definition. Each mapping is compiled when it is reached, so that the result of valid parts is visible while
//! another part is still wrong. Retries, `on_error` and timeouts are not applied, so that the first fault is shown, and branches and items
//! run one after another.

mod example;
mod fault;
mod request;
mod response;
mod scope;
mod state;
mod tried;

pub use example::{Example, ExampleError};
pub use fault::{Fault, FaultPlace};
pub use tried::{StepOutcome, Tried, TriedStep};

pub(crate) use request::Rendering;
pub(crate) use response::response;
pub(crate) use scope::Scope;
pub(crate) use state::{Done, Flow, Trial};

use crate::compile::uses_raw;
use crate::context::{BodyOptions, Context, names_raw};
use crate::steps::{TrialStep, kind_of};
use forebay_contract::Label;
use forebay_contract::body::Reading;
use forebay_contract::definition::{Definition, DispatchPolicy, Step};
use forebay_contract::envelope::Envelope;
use forebay_mapping::STACK_BYTES;
use forebay_mapping::Value;
use scope::evaluate;
use serde_json::{Map, Value as Json};

/// Maximum bytes of an example's body, and of the outputs of its mappings together.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Runs one mapping on the context of an envelope; `.input` is the body.
///
/// # Errors
/// [`Fault`].
pub async fn try_mapping(source: &str, envelope: &Envelope) -> Result<Json, Fault> {
    let body_options = BodyOptions { reading: Reading::as_sent(MAX_BYTES), uses_raw: names_raw(source) };
    let scope = scope_of(envelope, body_options).await?;
    on_a_stack(|| evaluate("", source, &scope.value()).map(|value| Json::from(&value))).and_then(|ended| ended)
}

/// Runs a definition on an envelope. `given` has outputs of steps by path (`lines[3]/price`) or by id.
pub async fn try_definition(definition: &Definition, envelope: &Envelope, given: &Map<String, Json>) -> Tried {
    let Reading { rule, .. } = definition.trigger.reading(&envelope.request);
    let body_options = BodyOptions { reading: Reading { rule, max_bytes: MAX_BYTES }, uses_raw: uses_raw(definition) };
    let scope = match scope_of(envelope, body_options).await {
        Ok(scope) => scope,
        Err(fault) => return Tried { fault: Some(fault), ..Tried::default() },
    };
    let trial = Trial { given, tried: Tried::default(), early_response: None };
    on_a_stack(|| trial.run(definition, scope)).unwrap_or_else(|fault| Tried { fault: Some(fault), ..Tried::default() })
}

async fn scope_of(envelope: &Envelope, body_options: BodyOptions<'_>) -> Result<Scope, Fault> {
    let context = Context::of(envelope, 1, body_options, MAX_BYTES).await.map_err(|error| Fault::new("body", error.message))?;
    let entries = context.value().entries().into_iter().flatten();
    let mut fixed: Vec<(String, Value)> = entries.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let body = fixed.iter().find(|(name, _)| name == "body").map_or(Value::NULL, |(_, body)| body.clone());
    fixed.retain(|(name, _)| name != "input" && name != "steps");
    Ok(Scope { fixed, input: body, steps: Vec::new(), last: None, prefix: String::new() })
}

/// Runs work on a thread with a larger stack, which mappings may need.
fn on_a_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Fault> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, work);
        let joined = thread.map_err(|error| Fault::new("", format!("no thread can be started: {error}")))?.join();
        joined.map_err(|_| Fault::new("", "a defect in Forebay stopped the trial; please report it"))
    })
}

impl Trial<'_> {
    fn run(mut self, definition: &Definition, scope: Scope) -> Tried {
        self.tried.fault = self.all(definition, scope).err();
        self.tried
    }

    fn all(&mut self, definition: &Definition, mut scope: Scope) -> Result<(), Fault> {
        keys(definition, &scope)?;
        if let Some(source) = &definition.input {
            scope.input = scope.mapping("input", source)?;
        }
        self.tried.input = Some(Json::from(&scope.input));
        let labelled = labels(definition, &scope).map(|labels| self.tried.labels = Some(labels));
        self.steps("steps", &definition.steps, &mut scope)?;
        self.tried.answer = Some(match self.early_response.take() {
            Some(response) => response,
            None => response("respond", definition.respond.as_ref(), &scope)?,
        });
        // An execution does not fail because of its labels, so their fault is reported last.
        labelled
    }

    /// Runs a list of steps. `path` is that of the list, such as `steps[2].each.steps`.
    pub(crate) fn steps(&mut self, path: &str, steps: &[Step], scope: &mut Scope) -> Result<Flow, Fault> {
        for (index, step) in steps.iter().enumerate() {
            if self.step(&format!("{path}[{index}]"), step, scope)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Next)
    }

    fn step(&mut self, path: &str, step: &Step, scope: &mut Scope) -> Result<Flow, Fault> {
        if let Some(when) = &step.when
            && !scope.mapping(&format!("{path}.when"), when)?.is_truthy()
        {
            self.ended(step, scope, StepOutcome::Skipped, Value::NULL, None);
            return Ok(Flow::Next);
        }
        let place = self.tried.steps.len();
        let part = format!("{path}.{}", step.action.kind());
        match kind_of(&step.action).run_trial(TrialStep { part: &part, id: &step.id }, scope, self)? {
            Done::Output(output) => {
                // A step with nested steps is listed before them.
                self.ended(step, scope, StepOutcome::Ran, output.clone(), None);
                self.tried.steps[place..].rotate_right(1);
                scope.last = Some(output);
            }
            Done::Request(request) => {
                let given = self.given.get(&format!("{}{}", scope.prefix, step.id)).or_else(|| self.given.get(&step.id));
                let outcome = if given.is_some() { StepOutcome::Given } else { StepOutcome::NotRun };
                let output = given.map_or(Value::NULL, Value::from);
                self.ended(step, scope, outcome, output.clone(), Some(request));
                scope.last = Some(output);
            }
            Done::Stops => {
                self.ended(step, scope, StepOutcome::Ran, Value::NULL, None);
                self.tried.steps[place..].rotate_right(1);
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Next)
    }

    fn ended(&mut self, step: &Step, scope: &mut Scope, outcome: StepOutcome, output: Value, request: Option<Json>) {
        let (path, kind) = (format!("{}{}", scope.prefix, step.id), step.action.kind());
        self.tried.steps.push(TriedStep { path, kind, outcome, output: Json::from(&output), request });
        scope.add_step(&step.id, output);
    }
}

/// Evaluates the mappings that run before the workflow; they see no `.input`.
fn keys(definition: &Definition, scope: &Scope) -> Result<(), Fault> {
    let scope = Scope { input: Value::NULL, ..scope.clone() };
    if let Some(key) = definition.trigger.webhook().and_then(|webhook| webhook.idempotency.key.as_ref()) {
        scope.mapping("trigger.webhook.idempotency.key", key)?;
    }
    if let DispatchPolicy::OrderedByKey { by, .. } = definition.trigger.policy() {
        scope.mapping("trigger.webhook.ordered.by", by)?;
    }
    Ok(())
}

fn labels(definition: &Definition, scope: &Scope) -> Result<Vec<Label>, Fault> {
    let Some(source) = &definition.label else { return Ok(Vec::new()) };
    let output = scope.json("label", source)?;
    Label::all_of(&output).map_err(|error| Fault::new("label", error.to_string()))
}

#[cfg(test)]
mod tests;
