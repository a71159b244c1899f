//! One run, from the view of its steps.

use crate::context::Context;
use crate::engine::Engine;
use crate::execution_context::ExecutionContext;
use crate::journal::Journal;
use crate::step_log::StepLog;
use forebay_contract::Label;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Response;
use forebay_mapping::{Budget, Value};
use parking_lot::{Mutex, MutexGuard};

/// One run, from the view of its steps.
pub(crate) struct Execution<'a> {
    pub engine: &'a Engine,
    pub envelope: &'a Envelope,
    pub execution: &'a ExecutionContext,
    pub budget: Budget,
    pub state: &'a Mutex<State>,
}

/// The state of a run that outlives its future, so that an interrupted run is recorded too. Never locked across an await.
pub(crate) struct State {
    pub log: StepLog,
    pub journal: Journal,
    /// The response of a `respond` step.
    pub early_response: Option<Response>,
    pub labels: Vec<Label>,
}

pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock()
}

/// The scope of a list of steps.
pub(crate) struct Scope {
    pub context: Context,
    /// The output of the last step that ran.
    pub last: Option<Value>,
    /// The prefix of step ids in paths: empty, or such as `lines[3]/`.
    pub prefix: String,
}

impl Execution<'_> {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(self.state)
    }

    /// Records a variable's value, if diagnostics record variables.
    pub(crate) fn note(&self, context: &mut Context, name: impl FnOnce() -> String, value: &Value) {
        if let Some(number) = self.state().log.number(value) {
            context.numbers.set(&name(), number);
        }
    }
}
