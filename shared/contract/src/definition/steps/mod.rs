//! Steps of workflows.
//!
//! Each kind of step has a file in this folder, with its fields and their reader, a line of the registry below, and its nested steps in
//! [`Action::inner`]. A file of the same name in `shared/workflow/src/steps` runs the kind.

mod amqp;
mod assert;
mod call;
mod each;
mod email;
mod http;
mod identifier;
mod log;
mod parallel;
mod read;
mod respond;
mod set;
mod sftp;
mod sql;
mod step_fields;
mod step_kind;
mod stop;
mod switch;
mod wait;

pub use amqp::AmqpCall;
pub use assert::Assertion;
pub use call::IntegrationCall;
pub use each::Each;
pub use email::EmailCall;
pub use http::{HttpCall, HttpTarget, Redirects};
pub use log::{LogLevel, LogLine};
pub use parallel::{Branch, Parallel};
pub(super) use read::{MAX_STEPS, steps};
pub use set::Set;
pub use sftp::{SftpCall, SftpOperation};
pub use sql::{SqlCall, SqlStatement};
pub use stop::Stop;
pub use switch::{Case, Switch};
pub use wait::Wait;

use super::{Respond, RetryPolicy, Trigger};
use crate::fields::{Fields, Problems, Read};
use crate::name::Name;
use crate::published::KindSchema;
use std::time::Duration;
use step_fields::StepFields;
use step_kind::StepKind;

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Unique in the workflow, inner steps included; `.steps.<id>` is its output.
    pub id: String,
    /// The mapping that decides if the step runs; absent: it always runs.
    pub when: Option<String>,
    /// Maximum time of one attempt; absent: the default of its kind.
    pub timeout: Option<Duration>,
    /// The retry policy of the step; absent: it is not retried.
    pub retry: Option<RetryPolicy>,
    /// The consequence of its failure, after the last retry.
    pub on_error: OnError,
    /// Its action.
    pub action: Action,
}

/// The consequence of a step's failure.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    /// The execution fails.
    Fail,
    /// The next step runs; the output of this one is `{ error: { code, message } }`.
    Continue,
    /// These steps run, and then the next one; the output of this one is `{ error: { code, message } }`.
    Steps(Vec<Step>),
}

/// An entry of the registry.
#[derive(Clone, Copy)]
struct Kind {
    schema: fn() -> KindSchema,
    read: fn(&StepFields<'_>) -> Read<Action>,
    is_left_empty: fn(&Fields<'_>) -> bool,
}

/// Makes [`Action`] and the registry of kinds. A line gives the field that selects the kind, and its type.
macro_rules! step_kinds {
    ($($(#[$doc:meta])* $field:literal => $variant:ident($content:ty),)*) => {
        /// The action of a step.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Action {
            $($(#[$doc])* $variant($content),)*
        }

        const KINDS: &[(&str, Kind)] = &[$(
            ($field, Kind {
                schema: <$content as StepKind>::schema,
                read: |step| <$content as StepKind>::read(step).map(Action::$variant),
                is_left_empty: <$content as StepKind>::is_left_empty,
            }),
        )*];

        impl Action {
            /// Returns the field of a definition that selects this kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $field,)*
                }
            }

            /// Describes the step on one line, in the words of the definition.
            #[must_use]
            pub fn summary(&self) -> String {
                match self {
                    $(Self::$variant(content) => content.summary(),)*
                }
            }

            /// Returns the connection that the step itself uses; steps nested in it have their own.
            #[must_use]
            pub fn connection(&self) -> Option<&Name> {
                match self {
                    $(Self::$variant(content) => content.connection(),)*
                }
            }

            /// Reports fields that the trigger does not allow. `id` is that of the step.
            pub(super) fn check(&self, id: &str, trigger: &Trigger, problems: &Problems) {
                match self {
                    $(Self::$variant(content) => content.check(id, trigger, problems),)*
                }
            }
        }
    };
}

step_kinds! {
    /// Calls an HTTP service; output `{ status, headers, body }`.
    "http" => Http(HttpCall),
    /// Runs SQL; output `{ rows, affected }`, or a list of these for a transaction.
    "sql" => Sql(SqlCall),
    /// Sends an email; output `{ messageId, accepted }`.
    "email" => Email(EmailCall),
    /// Works on files of an SFTP server; output by its operation.
    "sftp" => Sftp(SftpCall),
    /// Publishes a message; output `{ messageId }`.
    "amqp" => Amqp(AmqpCall),
    /// Calls another integration of the tenant; output `{ executionId, status, headers, body }`, or `{ executionId }` without a wait.
    "call" => Call(IntegrationCall),
    /// Computes a value; output: the value.
    "set" => Set(Set),
    /// Runs the steps of the first case whose `when` is true; output: that of the last step.
    "switch" => Switch(Switch),
    /// Runs steps for each item of a list; output: the list of results, in the list's order.
    "each" => Each(Each),
    /// Runs branches in parallel and joins them; output: an object with the result of each branch.
    "parallel" => Parallel(Parallel),
    /// Fails, without retries, unless the mapping returns true; output `true`.
    "assert" => Assert(Assertion),
    /// Writes to the log; output: the message.
    "log" => Log(LogLine),
    /// Waits; output `{ until }`, RFC 3339.
    "wait" => Wait(Wait),
    /// Sends the response to the caller while the workflow continues; output `{ status }`.
    "respond" => Respond(Respond),
    /// Ends the workflow.
    "stop" => Stop(Stop),
}

/// A nested list of steps.
#[derive(Debug, Clone)]
pub struct InnerSteps<'a> {
    /// The path of the list within the step, such as `switch.cases[0].steps`.
    pub place: String,
    /// A label that distinguishes the list from the others of the step, such as a case's condition; absent: it is the only list.
    pub label: Option<String>,
    /// The list.
    pub steps: &'a [Step],
}

impl Action {
    /// Returns the nested lists of steps.
    #[must_use]
    pub fn inner(&self) -> Vec<InnerSteps<'_>> {
        let mut lists = match self {
            Self::Switch(switch) => switch.inner(),
            Self::Each(each) => each.inner(),
            Self::Parallel(parallel) => parallel.inner(),
            Self::Http(_)
            | Self::Sql(_)
            | Self::Email(_)
            | Self::Sftp(_)
            | Self::Amqp(_)
            | Self::Call(_)
            | Self::Set(_)
            | Self::Assert(_)
            | Self::Log(_)
            | Self::Wait(_)
            | Self::Respond(_)
            | Self::Stop(_) => Vec::new(),
        };
        for list in &mut lists {
            list.place = format!("{}.{}", self.kind(), list.place);
        }
        lists
    }
}

impl Step {
    /// Returns all steps of a list with their nested steps, in the order of the file.
    pub fn all(steps: &[Self]) -> Vec<&Self> {
        let mut all = Vec::with_capacity(steps.len());
        for step in steps {
            all.push(step);
            for inner in step.action.inner() {
                all.extend(Self::all(inner.steps));
            }
            if let OnError::Steps(inner) = &step.on_error {
                all.extend(Self::all(inner));
            }
        }
        all
    }
}

/// Returns the JSON Schema of each kind's field, by its name.
pub(crate) fn schemas() -> impl Iterator<Item = (&'static str, KindSchema)> {
    KINDS.iter().map(|(name, kind)| (*name, (kind.schema)()))
}
