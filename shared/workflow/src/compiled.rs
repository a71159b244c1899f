//! The compiled parts of a definition.

use crate::respond::CompiledRespond;
use crate::steps::CompiledKind;
use forebay_contract::Name;
use forebay_contract::definition::RetryPolicy;
use forebay_mapping::{Mapping, Paced};
use std::collections::BTreeSet;
use std::time::Duration;

/// The compiled parts of a program.
pub(crate) struct Parts {
    pub ordering_key: Option<Paced<Mapping>>,
    pub input: Option<Paced<Mapping>>,
    pub label: Option<Paced<Mapping>>,
    pub steps: Vec<CompiledStep>,
    pub respond: Option<CompiledRespond>,
    /// True if a step waits.
    pub waits: bool,
    /// True if a later attempt may find checkpoints of an earlier one. The output of the only step ends the execution.
    pub uses_checkpoints: bool,
    /// True if mappings see `.request.raw`: see [`names_raw`](crate::context::names_raw).
    pub uses_raw: bool,
    /// The connections that steps use.
    pub connections: BTreeSet<Name>,
}

pub(crate) struct CompiledStep {
    pub id: String,
    /// The kind, see [`Action::kind`](forebay_contract::definition::Action::kind).
    pub kind: &'static str,
    pub when: Option<Paced<Mapping>>,
    pub timeout: Option<Duration>,
    pub retry: Option<RetryPolicy>,
    pub on_error: CompiledOnError,
    pub action: Box<dyn CompiledKind>,
}

pub(crate) enum CompiledOnError {
    Fail,
    Continue,
    Steps(Vec<CompiledStep>),
}
