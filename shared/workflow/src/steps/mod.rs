//! The kinds of steps: each compiles and runs itself, also in a trial. A kind has a file or a folder, and a line of [`kind_of`].
//!
//! The fields of a kind and their reader are in the file of the same name in `shared/contract/src/definition/steps`.

mod amqp;
mod assert;
mod call;
mod compiled_kind;
mod each;
mod email;
mod http;
mod log;
mod parallel;
mod respond;
mod set;
mod sftp;
mod shortened;
mod sql;
mod step_kind;
mod step_run;
mod stop;
mod switch;
mod wait;

pub(crate) use compiled_kind::{CompiledKind, Effect, StepFuture};
pub(crate) use step_kind::{StepKind, TrialStep};
pub(crate) use step_run::StepRun;

use forebay_contract::definition::Action;
use shortened::shortened;
use step_run::{within, wrong_kind};

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
