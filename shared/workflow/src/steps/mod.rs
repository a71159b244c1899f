//! The kinds of steps: each compiles and runs itself, also in a trial. A kind has a file or a folder, and a line of [`kind_of`].
//!
//! The fields of a kind and their reader are in the file of the same name in `shared/contract/src/definition/steps`.

mod amqp;
mod assert;
mod call;
mod each;
mod email;
mod http;
mod log;
mod parallel;
mod respond;
mod set;
mod sftp;
mod sql;
mod stop;
mod switch;
mod wait;

use crate::compile::Compiler;
use crate::engine::Engine;
use crate::flow::{Done, Execution, Scope};
use crate::host::Host;
use crate::trial::{self, Fault, Trial};
use forebay_connectors::Bounds;
use forebay_contract::connection::Connection;
use forebay_contract::definition::Action;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{Name, format_duration};
use forebay_mapping::{Budget, Mapping, Paced, Template, Value};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A kind of step in definitions.
pub(crate) trait StepKind {
    /// Compiles the mappings and templates. `path` is that of the kind's field, such as `steps[1].http`. `None`: problems were added.
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>>;

    /// Runs the step in a trial. A step that uses a remote system is not run: its request is rendered.
    ///
    /// # Errors
    /// The mapping or template that failed.
    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault>;
}

/// Returns the kind of a step: the registry.
pub(crate) fn kind_of(action: &Action) -> &dyn StepKind {
    match action {
        Action::Http(call) => call,
        Action::Sql(call) => call,
        Action::Email(call) => call,
        Action::Sftp(call) => call,
        Action::Amqp(call) => call,
        Action::Call(call) => call,
        Action::Set(set) => set,
        Action::Switch(switch) => switch,
        Action::Each(each) => each,
        Action::Parallel(parallel) => parallel,
        Action::Assert(assertion) => assertion,
        Action::Log(line) => line,
        Action::Wait(wait) => wait,
        Action::Respond(respond) => respond,
        Action::Stop(stop) => stop,
    }
}

/// A compiled step. No method has a default: a kind does not compile until it has an effect.
pub(crate) trait CompiledKind: Send + Sync {
    /// Returns the effect of a repetition.
    fn effect(&self) -> Effect;

    /// Returns the connection that it uses. The step's errors do not contain its secrets.
    fn connection(&self) -> Option<&Name>;

    /// Makes one attempt.
    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r>;
}

/// One attempt of a step.
pub(crate) type StepFuture<'r> = Pin<Box<dyn Future<Output = Result<Done, ExecutionError>> + Send + 'r>>;

/// The effect of a repetition of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It returns the same output again, or it only has nested steps.
    None,
    /// It may return another output: the output comes from outside, so it is stored.
    Reads,
    /// It repeats an effect: stored outputs are made durable before it begins, and its own output is stored.
    Writes,
}

impl Effect {
    /// Returns true if the output comes from outside, so that it is stored.
    pub(crate) fn reaches_out(self) -> bool {
        self != Self::None
    }
}

/// One attempt of a step, with the parts of the execution that it uses.
#[derive(Clone, Copy)]
pub(crate) struct StepRun<'a> {
    pub execution: &'a Execution<'a>,
    /// The step's id; in a loop the item is before it: `lines[3]/price`.
    pub path: &'a str,
    /// The timeout of the step; absent: that of its kind.
    pub timeout: Option<Duration>,
}

impl<'a> StepRun<'a> {
    fn engine(self) -> &'a Engine {
        self.execution.engine
    }

    fn host(self) -> &'a dyn Host {
        &*self.execution.execution.host
    }

    fn envelope(self) -> &'a Envelope {
        self.execution.envelope
    }

    fn budget(self) -> &'a Budget {
        &self.execution.budget
    }

    /// Returns a connection of the tenant.
    fn connection(self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        self.host().connection(name)
    }

    /// Returns a key that is the same for each repetition of this step, and differs from other steps.
    fn idempotency_key(self) -> String {
        format!("{}/{}", self.envelope().execution_id, self.path)
    }

    /// Returns the limits of a call of a remote system.
    fn bounds(self) -> Bounds {
        let options = self.engine().options();
        Bounds { timeout: self.timeout.unwrap_or(options.step_timeout), max_bytes: options.remote_bytes }
    }

    /// Returns the output of a mapping.
    async fn mapping(self, part: &str, mapping: &Paced<Mapping>, scope: &Scope) -> Result<Value, ExecutionError> {
        mapping.output(part, scope.context.value(), self.budget()).await
    }

    /// Returns the text of a template.
    async fn template(self, part: &str, template: &Paced<Template>, scope: &Scope) -> Result<String, ExecutionError> {
        template.text(part, scope.context.value(), self.budget()).await
    }
}

/// Bounds a future without its own timeout. `fails` makes the failure of the kind.
async fn within<T>(
    timeout: Option<Duration>,
    kind: &str,
    fails: fn(ErrorCode, String) -> ExecutionError,
    work: impl Future<Output = Result<T, ExecutionError>>,
) -> Result<T, ExecutionError> {
    let Some(timeout) = timeout else { return work.await };
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("{kind}: it did not end within the step's timeout of {}", format_duration(timeout));
            Err(fails(ErrorCode::Timeout, message))
        }
    }
}

/// A step of a trial.
#[derive(Clone, Copy)]
pub(crate) struct TrialStep<'a> {
    /// The path of the kind's field, such as `steps[1].http`.
    pub part: &'a str,
    pub id: &'a str,
}

/// Returns the failure of a step whose connection is of another kind.
fn wrong_kind(connection: &Connection, wanted: &str) -> ExecutionError {
    let message = format!(
        "the connection '{}' is of the kind {}; this step needs one of the kind {wanted}",
        connection.name,
        connection.kind.as_str()
    );
    ExecutionError::permanent(ErrorCode::Connection, message)
}

fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text.to_owned(),
    }
}
