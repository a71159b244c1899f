//! A definition, compiled: what runs and what the engine asks of it.

use crate::compile::{Parts, compile};
use crate::key::key;
use crate::respond::CompiledRespond;
use crate::step::amqp::AmqpStep;
use crate::step::email::EmailStep;
use crate::step::http::{HttpStep, Target};
use crate::step::sftp::SftpStep;
use crate::step::sql::SqlStep;
use forebay_contract::Name;
use forebay_contract::definition::{Definition, LogLevel, Problem, RetryPolicy};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::Paced;
use forebay_mapping::{Mapping, Template};
use std::sync::Arc;
use std::time::Duration;

/// One version of a definition, compiled. Compile it once and share it.
pub struct Program {
    definition: Arc<Definition>,
    ordering_key: Option<Paced<Mapping>>,
    pub(crate) input: Option<Paced<Mapping>>,
    pub(crate) label: Option<Paced<Mapping>>,
    pub(crate) steps: Vec<CompiledStep>,
    pub(crate) respond: Option<CompiledRespond>,
    waits: bool,
    keeps_steps: bool,
    /// Whether mappings see `.request.raw`.
    pub(crate) wants_raw: bool,
    connections: Arc<[Name]>,
}

pub(crate) struct CompiledStep {
    pub id: String,
    /// As [`Action::kind`](forebay_contract::definition::Action::kind).
    pub kind: &'static str,
    pub when: Option<Paced<Mapping>>,
    pub timeout: Option<Duration>,
    pub retry: Option<RetryPolicy>,
    pub on_error: CompiledOnError,
    pub action: CompiledAction,
}

pub(crate) enum CompiledOnError {
    Fail,
    Continue,
    Steps(Vec<CompiledStep>),
}

pub(crate) enum CompiledAction {
    Http(HttpStep),
    Sql(SqlStep),
    Email(EmailStep),
    Sftp(SftpStep),
    Amqp(AmqpStep),
    Call(CompiledCall),
    Set(Paced<Mapping>),
    Switch(CompiledSwitch),
    Each(CompiledEach),
    Parallel(Vec<CompiledBranch>),
    Assert { that: Paced<Mapping>, message: Option<Paced<Template>> },
    Log { message: Paced<Template>, level: LogLevel },
    Wait(CompiledWait),
    Respond(CompiledRespond),
    Stop { error: Option<Paced<Template>> },
}

impl CompiledAction {
    /// The connection that it works by.
    pub(crate) fn connection(&self) -> Option<&Name> {
        match self {
            Self::Http(call) => match &call.target {
                Target::Connection { connection, .. } => Some(connection),
                Target::Url(_) => None,
            },
            Self::Sql(call) => Some(&call.connection),
            Self::Email(call) => Some(&call.connection),
            Self::Sftp(call) => Some(&call.connection),
            Self::Amqp(call) => Some(&call.connection),
            Self::Call(_)
            | Self::Set(_)
            | Self::Switch(_)
            | Self::Each(_)
            | Self::Parallel(_)
            | Self::Assert { .. }
            | Self::Log { .. }
            | Self::Wait(_)
            | Self::Respond(_)
            | Self::Stop { .. } => None,
        }
    }
}

pub(crate) struct CompiledCall {
    pub integration: Name,
    pub wait: bool,
    pub body: Option<Paced<Mapping>>,
    pub query: Option<Paced<Mapping>>,
}

pub(crate) struct CompiledSwitch {
    pub cases: Vec<CompiledCase>,
    pub default: Vec<CompiledStep>,
}

pub(crate) struct CompiledCase {
    pub when: Paced<Mapping>,
    pub steps: Vec<CompiledStep>,
}

pub(crate) struct CompiledEach {
    pub items: Paced<Mapping>,
    pub parallel: usize,
    pub steps: Vec<CompiledStep>,
    pub output: Option<Paced<Mapping>>,
}

pub(crate) struct CompiledBranch {
    pub name: String,
    pub steps: Vec<CompiledStep>,
}

pub(crate) enum CompiledWait {
    For(Duration),
    Until(Paced<Mapping>),
}

impl CompiledAction {
    /// Whether the output comes from outside, so that doing it again may give another one. It is kept, once it is there.
    pub(crate) fn reaches_out(&self) -> bool {
        match self {
            Self::Http(_) | Self::Sql(_) | Self::Email(_) | Self::Sftp(_) | Self::Amqp(_) | Self::Call(_) => true,
            // The time and random numbers come from outside too.
            Self::Set(mapping) => !mapping.program().is_deterministic(),
            _ => false,
        }
    }

    /// Whether doing it again would do something again: what was kept is made durable before it begins.
    pub(crate) fn has_effect(&self) -> bool {
        match self {
            Self::Http(call) => call.has_effect,
            Self::Sql(call) => call.has_effect(),
            Self::Sftp(call) => call.has_effect(),
            Self::Email(_) | Self::Amqp(_) | Self::Call(_) => true,
            _ => false,
        }
    }
}

impl Program {
    /// Compiles every mapping and template of the definition: once a version, on a thread that may block for milliseconds.
    ///
    /// # Errors
    /// Every problem, each with the path of its field, such as `steps[1].set: line 1, column 5: ...`.
    pub fn compile(definition: Arc<Definition>) -> Result<Self, Vec<Problem>> {
        let Parts { ordering_key, input, label, steps, respond, waits, keeps_steps, wants_raw, connections } = compile(&definition, false)?;
        let connections = connections.into_iter().collect();
        Ok(Self { definition, ordering_key, input, label, steps, respond, waits, keeps_steps, wants_raw, connections })
    }

    /// Checks a definition that is to be stored: that it compiles, and that what is written in it can do what it is for.
    ///
    /// # Errors
    /// Every problem, as for [`Program::compile`], and literal addresses that no mail server takes.
    pub fn check(definition: &Definition) -> Result<(), Vec<Problem>> {
        compile(definition, true).map(drop)
    }

    /// Whether a step waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Whether a later attempt may find outputs of steps that earlier ones kept.
    #[must_use]
    pub fn keeps_steps(&self) -> bool {
        self.keeps_steps
    }

    /// The connections by which its steps work, by name, each once.
    #[must_use]
    pub fn connections(&self) -> &Arc<[Name]> {
        &self.connections
    }

    /// The definition as it was given.
    #[must_use]
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The key by which the envelope is ordered, as compact JSON: equal keys run one after the other. `null` for a delivery that
    /// is not by key.
    ///
    /// # Errors
    /// An unreadable body, a mapping that fails, or a key of more than 1024 bytes. Transient only where slow threads are too busy.
    pub async fn ordering_key(&self, envelope: &Envelope) -> Result<String, ExecutionError> {
        match &self.ordering_key {
            Some(mapping) => key(mapping, "by", envelope, self.definition.trigger.reading(&envelope.request)).await,
            None => Ok("null".to_owned()),
        }
    }
}
