//! Tries a definition on an example, with no service and nothing sent: mappings are run, and what would reach out is rendered.
//!
//! For the person who writes it. Each mapping is compiled when it is reached, so that a part that works can be seen while another
//! is still wrong; retries and `on_error` are left out, so that the first fault is the one that is shown.

mod fault;
mod request;
mod scope;

pub use fault::{Fault, FaultPlace};

use crate::STACK_BYTES;
use crate::context::Context;
use crate::mapping::{Encoding, Value};
use forebay_contract::definition::{Action, Definition, Respond, Status, Step};
use forebay_contract::envelope::Envelope;
use scope::{Scope, evaluate};
use serde_json::{Map, Value as Json, json};

/// Bytes of an example's body, and of what its mappings give together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Tried {
    /// `.input`.
    pub input: Json,
    /// Every step that was reached, in order; steps of loops once an item.
    pub steps: Vec<TriedStep>,
    /// `{ status, headers, body }`; absent when the trial ended at a step.
    pub answer: Option<Json>,
}

/// One step of a trial.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TriedStep {
    /// Its id.
    pub id: String,
    /// Such as `http`.
    pub kind: &'static str,
    /// What happened.
    pub outcome: StepOutcome,
    /// `.steps.<id>` for the steps after it.
    pub output: Json,
    /// What it would send.
    pub request: Option<Json>,
}

/// What happened to a step of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It ran.
    Ran,
    /// Its `when` said no.
    Skipped,
    /// Its output was given with the example.
    Given,
    /// It reaches out of the process and was not run; its output is null.
    NotRun,
}

/// Runs one mapping on what an envelope's mappings see.
///
/// # Errors
/// [`Fault`].
pub async fn try_mapping(source: &str, envelope: &Envelope) -> Result<Json, Fault> {
    let scope = scope_of(envelope).await?;
    on_a_stack(|| evaluate("", source, &scope.value()).map(|value| Json::from(&value)))
}

/// Runs a definition on an envelope, up to and including the step `until` where one is named. `given`: outputs of steps by id.
///
/// # Errors
/// The first [`Fault`].
pub async fn try_definition(
    definition: &Definition,
    envelope: &Envelope,
    given: &Map<String, Json>,
    until: Option<&str>,
) -> Result<Tried, Fault> {
    let scope = scope_of(envelope).await?;
    on_a_stack(|| Trial { given, until, tried: Tried::default(), early: None }.run(definition, scope))
}

async fn scope_of(envelope: &Envelope) -> Result<Scope, Fault> {
    let context = Context::of(envelope, 1, MOST_BYTES, MOST_BYTES).await.map_err(|error| Fault::new("body", error.message))?;
    let entries = context.value().entries().into_iter().flatten();
    let mut fixed: Vec<(String, Value)> = entries.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let body = fixed.iter().find(|(name, _)| name == "body").map_or(Value::NULL, |(_, body)| body.clone());
    fixed.retain(|(name, _)| name != "input" && name != "steps");
    Ok(Scope { fixed, input: body, steps: Vec::new() })
}

/// Mappings may use more stack than the caller's thread has.
fn on_a_stack<T: Send>(work: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, work);
        let joined = thread.map_err(|error| Fault::new("", format!("no thread can be started: {error}")))?.join();
        joined.unwrap_or_else(|_| Err(Fault::new("", "a defect in Forebay stopped the trial; please report it")))
    })
}

/// How a list of steps ended.
enum End {
    /// With the output of the last step that ran.
    AllRun(Option<Value>),
    /// A `stop`, or the step at which the trial was to end.
    Stopped { is_whole: bool },
}

struct Trial<'a> {
    given: &'a Map<String, Json>,
    until: Option<&'a str>,
    tried: Tried,
    /// The answer of a `respond` step.
    early: Option<Json>,
}

impl Trial<'_> {
    fn run(mut self, definition: &Definition, mut scope: Scope) -> Result<Tried, Fault> {
        if let Some(source) = &definition.input {
            scope.input = scope.mapping("input", source)?;
        }
        self.tried.input = Json::from(&scope.input);
        let last = match self.steps("steps", &definition.steps, &mut scope)? {
            End::AllRun(last) => last,
            End::Stopped { is_whole: true } => None,
            End::Stopped { is_whole: false } => return Ok(self.tried),
        };
        if let Some(until) = self.until {
            return Err(Fault::new("steps", format!("the step '{until}' was not reached")));
        }
        let last = last.unwrap_or_else(|| scope.input.clone());
        let answer = match self.early.take() {
            Some(answer) => answer,
            None => answer("respond", definition.respond.as_ref(), &scope, &last)?,
        };
        self.tried.answer = Some(answer);
        Ok(self.tried)
    }

    fn steps(&mut self, path: &str, steps: &[Step], scope: &mut Scope) -> Result<End, Fault> {
        let mut last = None;
        for (index, step) in steps.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let runs = match &step.when {
                Some(when) => scope.mapping(&format!("{path}.when"), when)?.is_truthy(),
                None => true,
            };
            if !runs {
                self.show(step, StepOutcome::Skipped, &Value::NULL, None, scope);
            } else if let Some(given) = self.given.get(&step.id) {
                let output = Value::from(given);
                self.show(step, StepOutcome::Given, &output, None, scope);
                last = Some(output);
            } else {
                match self.step(&format!("{path}.{}", step.action.kind()), step, scope)? {
                    End::AllRun(output) => last = output,
                    stopped => return Ok(stopped),
                }
            }
            if self.until == Some(step.id.as_str()) {
                return Ok(End::Stopped { is_whole: false });
            }
        }
        Ok(End::AllRun(last))
    }

    fn show(&mut self, step: &Step, outcome: StepOutcome, output: &Value, request: Option<Json>, scope: &mut Scope) {
        scope.steps.retain(|(id, _)| *id != step.id);
        scope.steps.push((step.id.clone(), output.clone()));
        let (id, kind) = (step.id.clone(), step.action.kind());
        self.tried.steps.push(TriedStep { id, kind, outcome, output: Json::from(output), request });
    }

    fn step(&mut self, part: &str, step: &Step, scope: &mut Scope) -> Result<End, Fault> {
        let output = match &step.action {
            Action::Set(source) => scope.mapping(part, source)?,
            Action::Assert(assertion) => {
                if !scope.mapping(part, &assertion.that)?.is_truthy() {
                    let default = format!("`{}` is not true", assertion.that);
                    let message = assertion.message.as_ref().map(|source| scope.template(part, source, Encoding::None)).transpose()?;
                    return Err(Fault::new(part, message.unwrap_or(default)));
                }
                Value::from(true)
            }
            Action::Log(line) => Value::string(scope.template(part, &line.message, Encoding::None)?),
            Action::Respond(respond) => {
                let last = scope.input.clone();
                let answer = answer(part, Some(respond), scope, &last)?;
                let output = Value::from(&json!({ "status": answer["status"] }));
                self.early = Some(answer);
                output
            }
            Action::Stop(stop) => {
                if let Some(error) = &stop.error {
                    return Err(Fault::new(part, scope.template(part, error, Encoding::None)?));
                }
                self.show(step, StepOutcome::Ran, &Value::NULL, None, scope);
                return Ok(End::Stopped { is_whole: true });
            }
            Action::Switch(_) | Action::Each(_) | Action::Parallel(_) => match self.flow(part, &step.action, scope)? {
                End::AllRun(output) => output.unwrap_or(Value::NULL),
                stopped => return Ok(stopped),
            },
            action => {
                let request = request::request(part, action, scope)?;
                self.show(step, StepOutcome::NotRun, &Value::NULL, Some(request), scope);
                return Ok(End::AllRun(Some(Value::NULL)));
            }
        };
        self.show(step, StepOutcome::Ran, &output, None, scope);
        Ok(End::AllRun(Some(output)))
    }

    fn flow(&mut self, part: &str, action: &Action, scope: &mut Scope) -> Result<End, Fault> {
        match action {
            Action::Switch(switch) => {
                for (index, case) in switch.cases.iter().enumerate() {
                    let path = format!("{part}.cases[{index}]");
                    if scope.mapping(&format!("{path}.when"), &case.when)?.is_truthy() {
                        return self.steps(&format!("{path}.steps"), &case.steps, scope);
                    }
                }
                self.steps(&format!("{part}.default"), &switch.default, scope)
            }
            Action::Each(each) => {
                let items = scope.mapping(&format!("{part}.in"), &each.items)?;
                let Some(items) = items.as_array() else {
                    return Err(Fault::new(&format!("{part}.in"), format!("must give a list, not {}", items.kind())));
                };
                let mut outputs = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let mut inner = scope.of_item(index, item.clone());
                    let last = match self.steps(&format!("{part}.steps"), &each.steps, &mut inner)? {
                        End::AllRun(last) => last.unwrap_or(Value::NULL),
                        stopped => return Ok(stopped),
                    };
                    outputs.push(match &each.output {
                        Some(source) => inner.mapping(&format!("{part}.output"), source)?,
                        None => last,
                    });
                }
                Ok(End::AllRun(Some(Value::array(outputs))))
            }
            Action::Parallel(branches) => {
                let mut outputs = Vec::with_capacity(branches.len());
                for branch in branches {
                    match self.steps(&format!("{part}.{}", branch.name), &branch.steps, scope)? {
                        End::AllRun(last) => outputs.push((branch.name.clone(), last.unwrap_or(Value::NULL))),
                        stopped => return Ok(stopped),
                    }
                }
                Ok(End::AllRun(Some(Value::object(outputs))))
            }
            _ => Ok(End::AllRun(None)),
        }
    }
}

/// `{ status, headers, body }`.
fn answer(part: &str, respond: Option<&Respond>, scope: &Scope, last: &Value) -> Result<Json, Fault> {
    let Some(respond) = respond else { return Ok(json!({ "status": 200, "headers": {}, "body": Json::from(last) })) };
    let status = match &respond.status {
        Status::Fixed(status) => json!(status),
        Status::Mapping(source) => {
            let part = format!("{part}.status");
            let status = scope.json(&part, source)?;
            if !status.as_u64().is_some_and(|status| (200..=599).contains(&status)) {
                return Err(Fault::new(&part, format!("must give a whole number from 200 to 599, and gave {status}")));
            }
            status
        }
    };
    let mut headers = Map::new();
    for (name, source) in &respond.headers {
        let value = scope.template(&format!("{part}.headers.{name}"), source, Encoding::HeaderValue)?;
        headers.insert(name.clone(), value.into());
    }
    let body = match &respond.body {
        Some(source) => scope.json(&format!("{part}.body"), source)?,
        None => Json::from(last),
    };
    Ok(json!({ "status": status, "headers": headers, "body": body }))
}
