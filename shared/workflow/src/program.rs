//! Compiled definitions: the steps that run, and their properties.

use crate::compile::compile;
use crate::compiled::{CompiledStep, Parts};
use crate::key::key;
use crate::respond::CompiledRespond;
use forebay_contract::Name;
use forebay_contract::definition::{Definition, Problem};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::Mapping;
use forebay_mapping::Paced;
use std::sync::Arc;

/// A compiled version of a definition, to be compiled once and shared.
pub struct Program {
    definition: Arc<Definition>,
    ordering_key: Option<Paced<Mapping>>,
    pub(crate) input: Option<Paced<Mapping>>,
    pub(crate) label: Option<Paced<Mapping>>,
    pub(crate) steps: Vec<CompiledStep>,
    pub(crate) respond: Option<CompiledRespond>,
    waits: bool,
    uses_checkpoints: bool,
    /// True if mappings see `.request.raw`.
    pub(crate) uses_raw: bool,
    connections: Arc<[Name]>,
}

impl Program {
    /// Compiles all mappings and templates of the definition: once for each version, on a thread that may block for milliseconds.
    ///
    /// # Errors
    /// All problems, each with the path of its field, such as `steps[1].set: line 1, column 5: ...`.
    pub fn compile(definition: Arc<Definition>) -> Result<Self, Vec<Problem>> {
        let Parts { ordering_key, input, label, steps, respond, waits, uses_checkpoints, uses_raw, connections } =
            compile(&definition, false)?;
        let connections = connections.into_iter().collect();
        Ok(Self { definition, ordering_key, input, label, steps, respond, waits, uses_checkpoints, uses_raw, connections })
    }

    /// Checks a definition before it is stored: it must compile, and its literals must be valid for their purpose.
    ///
    /// # Errors
    /// Those of [`Program::compile`], and literal addresses that no mail server accepts.
    pub fn check(definition: &Definition) -> Result<(), Vec<Problem>> {
        compile(definition, true).map(drop)
    }

    /// Returns true if a step waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Returns true if a later attempt may find checkpoints of an earlier one.
    #[must_use]
    pub fn uses_checkpoints(&self) -> bool {
        self.uses_checkpoints
    }

    /// Returns the names of the connections that its steps use, each once.
    #[must_use]
    pub fn connections(&self) -> &Arc<[Name]> {
        &self.connections
    }

    /// Returns the definition.
    #[must_use]
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Returns the key by which the envelope is ordered, as compact JSON: executions with equal keys run one after another. `null` for a
    /// policy that is not by key.
    ///
    /// # Errors
    /// An unreadable body, a mapping that fails, or a key of more than 1024 bytes. It is transient only if the threads for slow mappings
    /// are overloaded.
    pub async fn ordering_key(&self, envelope: &Envelope) -> Result<String, ExecutionError> {
        match &self.ordering_key {
            Some(mapping) => key(mapping, "by", envelope, self.definition.trigger.reading(&envelope.request)).await,
            None => Ok("null".to_owned()),
        }
    }
}
