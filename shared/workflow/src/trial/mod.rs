//! Tries a definition on an example, with no service and nothing sent: mappings are run, and what would reach out is rendered.
//!
//! For the person who writes it. Each mapping is compiled when it is reached, so that a part that works can be seen while another
//! is still wrong. Retries, `on_error` and timeouts are left out, so that the first fault is the one that is shown, and branches and
//! items run one after the other.

mod answer;
mod example;
mod fault;
mod request;
mod scope;

pub use example::{Example, ExampleError};
pub use fault::{Fault, FaultPlace};

use crate::compile::wants_raw;
use crate::context::{Asked, Context, names_raw};
use answer::answer;
use forebay_contract::Label;
use forebay_contract::body::Reading;
use forebay_contract::definition::{Action, Definition, DispatchPolicy, Each, Step, Switch};
use forebay_contract::envelope::Envelope;
use forebay_mapping::STACK_BYTES;
use forebay_mapping::{Encoding, Value};
use scope::{Scope, evaluate};
use serde_json::{Map, Value as Json, json};

/// Bytes of an example's body, and of what its mappings give together.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Tried {
    /// `.input`; absent when the trial ended before it.
    pub input: Option<Json>,
    /// What executions are found by; absent when the trial ended before it.
    pub labels: Option<Vec<Label>>,
    /// Every step that was reached and gave something, in order; steps of loops once an item.
    pub steps: Vec<TriedStep>,
    /// `{ status, headers, body }`; absent when the trial ended at a step.
    pub answer: Option<Json>,
    /// Why it ended early; absent when nothing went wrong.
    pub fault: Option<Fault>,
}

/// One step of a trial.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TriedStep {
    /// Its id; in a loop with the item before it: `lines[3]/price`.
    pub path: String,
    /// Such as `http`.
    pub kind: &'static str,
    /// What happened.
    pub outcome: StepOutcome,
    /// `.steps.<id>` for the steps after it.
    pub output: Json,
    /// What it would send; absent for a step that sends nothing.
    pub request: Option<Json>,
}

/// What happened to a step of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It ran.
    Ran,
    /// Its `when` said no.
    Skipped,
    /// It reaches out of the process; its output was given with the example.
    Given,
    /// It reaches out of the process and was not run; its output is null.
    NotRun,
}

impl StepOutcome {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Skipped => "skipped",
            Self::Given => "given",
            Self::NotRun => "not run",
        }
    }
}

/// Runs one mapping on what an envelope's mappings see; `.input` is the body.
///
/// # Errors
/// [`Fault`].
pub async fn try_mapping(source: &str, envelope: &Envelope) -> Result<Json, Fault> {
    let asked = Asked { reading: Reading::as_sent(MAX_BYTES), wants_raw: names_raw(source) };
    let scope = scope_of(envelope, asked).await?;
    on_a_stack(|| evaluate("", source, &scope.value()).map(|value| Json::from(&value))).and_then(|ended| ended)
}

/// Runs a definition on an envelope. `given`: outputs of steps by path (`lines[3]/price`) or by id.
pub async fn try_definition(definition: &Definition, envelope: &Envelope, given: &Map<String, Json>) -> Tried {
    let Reading { rule, .. } = definition.trigger.reading(&envelope.request);
    let asked = Asked { reading: Reading { rule, max_bytes: MAX_BYTES }, wants_raw: wants_raw(definition) };
    let scope = match scope_of(envelope, asked).await {
        Ok(scope) => scope,
        Err(fault) => return Tried { fault: Some(fault), ..Tried::default() },
    };
    let trial = Trial { given, tried: Tried::default(), early: None };
    on_a_stack(|| trial.run(definition, scope)).unwrap_or_else(|fault| Tried { fault: Some(fault), ..Tried::default() })
}

async fn scope_of(envelope: &Envelope, asked: Asked<'_>) -> Result<Scope, Fault> {
    let context = Context::of(envelope, 1, asked, MAX_BYTES).await.map_err(|error| Fault::new("body", error.message))?;
    let entries = context.value().entries().into_iter().flatten();
    let mut fixed: Vec<(String, Value)> = entries.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let body = fixed.iter().find(|(name, _)| name == "body").map_or(Value::NULL, |(_, body)| body.clone());
    fixed.retain(|(name, _)| name != "input" && name != "steps");
    Ok(Scope { fixed, input: body, steps: Vec::new(), last: None, prefix: String::new() })
}

/// Mappings may use more stack than the caller's thread has.
fn on_a_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Fault> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, work);
        let joined = thread.map_err(|error| Fault::new("", format!("no thread can be started: {error}")))?.join();
        joined.map_err(|_| Fault::new("", "a defect in Forebay stopped the trial; please report it"))
    })
}

/// How a list of steps, or one, came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    /// A `stop` ended the workflow well.
    Stop,
}

/// What a step gave.
enum Done {
    Output(Value),
    /// It was not run; this is what it would send.
    Request(Json),
    Stops,
}

struct Trial<'a> {
    given: &'a Map<String, Json>,
    tried: Tried,
    /// The answer of a `respond` step.
    early: Option<Json>,
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
        self.tried.answer = Some(match self.early.take() {
            Some(answer) => answer,
            None => answer("respond", definition.respond.as_ref(), &scope)?,
        });
        // An execution does not fail by it, so it is told last.
        labelled
    }

    fn steps(&mut self, path: &str, steps: &[Step], scope: &mut Scope) -> Result<Flow, Fault> {
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
        match self.act(&format!("{path}.{}", step.action.kind()), &step.action, scope, &step.id)? {
            Done::Output(output) => {
                // A step that holds steps stands before them.
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

    fn act(&mut self, part: &str, action: &Action, scope: &mut Scope, id: &str) -> Result<Done, Fault> {
        Ok(Done::Output(match action {
            Action::Set(source) => scope.mapping(part, source)?,
            Action::Assert(assertion) => {
                let output = scope.mapping(&format!("{part}.that"), &assertion.that)?;
                if output.as_bool() != Some(true) {
                    let message = match &assertion.message {
                        Some(source) => scope.template(&format!("{part}.message"), source, Encoding::None)?,
                        None => format!("the mapping must give true, and gave {output}"),
                    };
                    return Err(Fault::gave(&format!("{part}.that"), &assertion.that, &output, message));
                }
                output
            }
            Action::Log(line) => Value::string(scope.template(&format!("{part}.message"), &line.message, Encoding::None)?),
            Action::Respond(respond) => {
                let answer = answer(part, Some(respond), scope)?;
                let output = Value::from(&json!({ "status": answer["status"] }));
                self.early = Some(answer);
                output
            }
            Action::Stop(stop) => match &stop.error {
                Some(error) => {
                    let part = format!("{part}.error");
                    return Err(Fault::at(&part, error, None, scope.template(&part, error, Encoding::None)?));
                }
                None => return Ok(Done::Stops),
            },
            Action::Switch(switch) => return self.switch(part, switch, scope),
            Action::Each(each) => return self.each(part, each, scope, id),
            Action::Parallel(branches) => {
                let (mut outputs, mut ends, mut inner) = (Vec::with_capacity(branches.len()), Flow::Next, Vec::new());
                for branch in branches {
                    let mut scope = Scope { last: None, ..scope.clone() };
                    if self.steps(&format!("{part}.{}", branch.name), &branch.steps, &mut scope)? == Flow::Stop {
                        ends = Flow::Stop;
                    }
                    outputs.push((branch.name.clone(), scope.last.unwrap_or(Value::NULL)));
                    inner.extend(scope.steps);
                }
                inner.into_iter().for_each(|(id, output)| scope.add_step(&id, output));
                return Ok(done(ends, Value::object(outputs)));
            }
            action => return request::request(part, action, scope).map(Done::Request),
        }))
    }

    fn switch(&mut self, part: &str, switch: &Switch, scope: &mut Scope) -> Result<Done, Fault> {
        let (mut path, mut chosen) = (format!("{part}.default"), &switch.default);
        for (index, case) in switch.cases.iter().enumerate() {
            if scope.mapping(&format!("{part}.cases[{index}].when"), &case.when)?.is_truthy() {
                (path, chosen) = (format!("{part}.cases[{index}].steps"), &case.steps);
                break;
            }
        }
        let before = scope.last.take();
        let flow = self.steps(&path, chosen, scope)?;
        let output = std::mem::replace(&mut scope.last, before);
        Ok(done(flow, output.unwrap_or(Value::NULL)))
    }

    fn each(&mut self, part: &str, each: &Each, scope: &Scope, id: &str) -> Result<Done, Fault> {
        let items = scope.mapping(&format!("{part}.in"), &each.items)?;
        let Some(items) = items.as_array() else {
            let message = format!("the mapping must give a list, and gave {}; `// []` makes an empty one of null", items.kind());
            return Err(Fault::gave(&format!("{part}.in"), &each.items, &items, message));
        };
        let (mut outputs, mut ends) = (Vec::with_capacity(items.len()), Flow::Next);
        for (index, item) in items.iter().enumerate() {
            let mut inner = scope.of_item(id, index, item.clone());
            if self.steps(&format!("{part}.steps"), &each.steps, &mut inner)? == Flow::Stop {
                ends = Flow::Stop;
                continue;
            }
            outputs.push(match &each.output {
                Some(source) => inner.mapping(&format!("{part}.output"), source)?,
                None => inner.last.unwrap_or(Value::NULL),
            });
        }
        Ok(done(ends, Value::array(outputs)))
    }
}

/// The mappings that run before the workflow; they see no `.input`.
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

fn done(flow: Flow, output: Value) -> Done {
    if flow == Flow::Stop { Done::Stops } else { Done::Output(output) }
}

#[cfg(test)]
mod tests;
