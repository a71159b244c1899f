//! Compiles a definition: all of its mappings and templates, with all problems.

use crate::compiled::{CompiledOnError, CompiledStep, Parts};
use crate::compiler::Compiler;
use crate::steps::kind_of;
use forebay_contract::definition::{Definition, DispatchPolicy, OnError, Problem, Step};

/// Compiles a definition. Rules that stored definitions of older versions may violate are checked only for a new one.
pub(crate) fn compile(definition: &Definition, is_new: bool) -> Result<Parts, Vec<Problem>> {
    let mut compiler = Compiler::default();
    let parts = compiler.parts(definition);
    let Compiler { mut problems, new_problems, .. } = compiler;
    if is_new {
        problems.extend(new_problems);
    }
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

/// Returns [`Parts::uses_raw`] of a definition that may have problems.
pub(crate) fn uses_raw(definition: &Definition) -> bool {
    Compiler::default().parts(definition).uses_raw
}

impl Compiler {
    fn parts(&mut self, definition: &Definition) -> Parts {
        if let Some(key) = definition.trigger.webhook().and_then(|webhook| webhook.idempotency.key.as_ref()) {
            self.mapping("trigger.webhook.idempotency.key", key);
        }
        let ordering_key = match definition.trigger.policy() {
            DispatchPolicy::OrderedByKey { by, .. } => self.mapping("trigger.webhook.ordered.by", by),
            _ => None,
        };
        let input = definition.input.as_ref().and_then(|source| self.mapping("input", source));
        let label = definition.label.as_ref().and_then(|source| self.mapping("label", source));
        let steps = self.steps("steps", &definition.steps);
        let respond = definition.respond.as_ref().and_then(|respond| self.respond("respond", respond));
        let uses_checkpoints = self.waits || self.needs_earlier_attempts || self.reaches_out && self.step_count > 1;
        let connections = std::mem::take(&mut self.connections);
        Parts { ordering_key, input, label, steps, respond, waits: self.waits, uses_checkpoints, uses_raw: self.uses_raw, connections }
    }

    /// Compiles a list of steps.
    pub(crate) fn steps(&mut self, path: &str, steps: &[Step]) -> Vec<CompiledStep> {
        steps.iter().enumerate().filter_map(|(index, step)| self.step(&format!("{path}[{index}]"), step)).collect()
    }

    fn step(&mut self, path: &str, step: &Step) -> Option<CompiledStep> {
        let when = self.optional_mapping(&format!("{path}.when"), step.when.as_ref());
        let on_error = match &step.on_error {
            OnError::Fail => CompiledOnError::Fail,
            OnError::Continue => CompiledOnError::Continue,
            OnError::Steps(steps) => CompiledOnError::Steps(self.steps(&format!("{path}.on_error"), steps)),
        };
        let action = kind_of(&step.action).compile(&format!("{path}.{}", step.action.kind()), self)?;
        self.step_count += 1;
        self.reaches_out |= action.effect().reaches_out();
        self.connections.extend(action.connection().cloned());
        let (id, kind) = (step.id.clone(), step.action.kind());
        Some(CompiledStep { id, kind, when: when?, timeout: step.timeout, retry: step.retry, on_error, action })
    }
}
