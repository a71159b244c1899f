//! Compiles a definition: all of its mappings and templates, with all problems.

use crate::context::names_raw;
use crate::program::{CompiledOnError, CompiledStep};
use crate::respond::{CompiledRespond, CompiledStatus};
use crate::steps::kind_of;
use forebay_contract::Name;
use forebay_contract::definition::{Definition, DispatchPolicy, OnError, Problem, Respond, Status, Step};
use forebay_mapping::Paced;
use forebay_mapping::header::{HeaderTemplate, refusal};
use forebay_mapping::{Encoding, Mapping, Template};
use std::collections::BTreeSet;

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
    /// True if mappings see `.request.raw`: see [`names_raw`].
    pub wants_raw: bool,
    /// The connections that steps use.
    pub connections: BTreeSet<Name>,
}

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

/// Returns [`Parts::wants_raw`] of a definition that may have problems.
pub(crate) fn wants_raw(definition: &Definition) -> bool {
    Compiler::default().parts(definition).wants_raw
}

/// Collects problems. The result of a text that does not compile is `None`.
#[derive(Default)]
pub(crate) struct Compiler {
    problems: Vec<Problem>,
    /// Problems that count for a new definition only.
    new_problems: Vec<Problem>,
    /// Number of steps so far, including nested ones.
    step_count: usize,
    reaches_out: bool,
    /// True if a step waits.
    pub(crate) waits: bool,
    /// True if a step needs to know if an earlier attempt may have done it.
    pub(crate) asks_for_earlier: bool,
    /// True if a text so far contains `raw`.
    wants_raw: bool,
    connections: BTreeSet<Name>,
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
        let uses_checkpoints = self.waits || self.asks_for_earlier || self.reaches_out && self.step_count > 1;
        let connections = std::mem::take(&mut self.connections);
        Parts { ordering_key, input, label, steps, respond, waits: self.waits, uses_checkpoints, wants_raw: self.wants_raw, connections }
    }

    pub(crate) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    pub(crate) fn new_problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.new_problems.push(Problem { path: path.into(), message: message.into() });
    }

    /// Compiles one text. All mappings and templates of a definition are compiled here.
    pub(crate) fn text<T, E: ToString>(
        &mut self,
        path: &str,
        source: &str,
        compile: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Paced<T>> {
        self.wants_raw |= names_raw(source);
        compile(source).map(Paced::new).map_err(|error| self.problem(path, error.to_string())).ok()
    }

    pub(crate) fn mapping(&mut self, path: &str, source: &str) -> Option<Paced<Mapping>> {
        self.text(path, source, Mapping::compile)
    }

    /// Compiles a mapping that may be absent; the outer `None` is a problem.
    pub(crate) fn optional_mapping(&mut self, path: &str, source: Option<&String>) -> Option<Option<Paced<Mapping>>> {
        match source {
            None => Some(None),
            Some(source) => self.mapping(path, source).map(Some),
        }
    }

    pub(crate) fn template(&mut self, path: &str, source: &str, encoding: Encoding) -> Option<Paced<Template>> {
        self.text(path, source, |source| Template::compile(source, encoding))
    }

    /// Compiles templates by name.
    pub(crate) fn templates(&mut self, path: &str, sources: &[(String, String)], encoding: Encoding) -> Vec<(String, Paced<Template>)> {
        let compiled = sources.iter().filter_map(|(name, source)| {
            let template = self.template(&format!("{path}.{name}"), source, encoding)?;
            Some((name.clone(), template))
        });
        compiled.collect()
    }

    /// Compiles a template that may be absent; the outer `None` is a problem.
    pub(crate) fn optional_template(&mut self, path: &str, source: Option<&String>, encoding: Encoding) -> Option<Option<Paced<Template>>> {
        match source {
            None => Some(None),
            Some(source) => self.template(path, source, encoding).map(Some),
        }
    }

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

    pub(crate) fn respond(&mut self, path: &str, respond: &Respond) -> Option<CompiledRespond> {
        let status = match &respond.status {
            Status::Fixed(status) => Some(CompiledStatus::Fixed(*status)),
            Status::Mapping(source) => self.mapping(&format!("{path}.status"), source).map(CompiledStatus::Mapping),
        };
        let headers = self.headers(path, &respond.headers, false);
        let body = self.optional_mapping(&format!("{path}.body"), respond.body.as_ref());
        Some(CompiledRespond { status: status?, headers, body: body? })
    }

    pub(crate) fn headers(&mut self, path: &str, headers: &[(String, String)], in_request: bool) -> Vec<HeaderTemplate> {
        let mut compiled: Vec<HeaderTemplate> = Vec::with_capacity(headers.len());
        for (written, source) in headers {
            let name = written.to_ascii_lowercase();
            let path = format!("{path}.headers.{written}");
            if let Some(refusal) = refusal(&name, in_request) {
                self.problem(&path, refusal);
            }
            if compiled.iter().any(|header| header.name == name) {
                self.problem(&path, "is given twice; header names are equal in capital and small letters");
            }
            let template = self.template(&path, source, Encoding::HeaderValue);
            compiled.extend(template.map(|value| HeaderTemplate { written: written.clone(), name, value }));
        }
        compiled
    }
}
