//! Compiles a definition: every mapping and template in it, with all problems at once.

use crate::context::names_raw;
use crate::program::{
    CompiledAction, CompiledBranch, CompiledCall, CompiledCase, CompiledEach, CompiledOnError, CompiledStep, CompiledSwitch, CompiledWait,
};
use crate::respond::{CompiledRespond, CompiledStatus};
use crate::step::http::{HttpStep, Target};
use crate::step::sql::{SqlStep, SqlText};
use crate::step::url::{PathTemplate, UrlTemplate};
use forebay_connectors::StatementText;
use forebay_contract::Name;
use forebay_contract::definition::{
    Action, Definition, DispatchPolicy, HttpCall, HttpTarget, OnError, Problem, Respond, Status, Step, Wait,
};
use forebay_mapping::Paced;
use forebay_mapping::header::{HeaderTemplate, refusal};
use forebay_mapping::{Encoding, Mapping, Template};
use std::collections::BTreeSet;

/// Everything of a program that is compiled.
pub(crate) struct Parts {
    pub ordering_key: Option<Paced<Mapping>>,
    pub input: Option<Paced<Mapping>>,
    pub label: Option<Paced<Mapping>>,
    pub steps: Vec<CompiledStep>,
    pub respond: Option<CompiledRespond>,
    /// Whether a step waits.
    pub waits: bool,
    /// Whether a later attempt may find outputs that an earlier one kept. The output of the only step ends the execution.
    pub keeps_steps: bool,
    /// Whether mappings see `.request.raw`: see [`names_raw`].
    pub wants_raw: bool,
    /// The connections by which steps work.
    pub connections: BTreeSet<Name>,
}

/// Compiles a definition; a new one is held also to what stored ones, of older versions, may break where it is never reached.
pub(crate) fn compile(definition: &Definition, is_new: bool) -> Result<Parts, Vec<Problem>> {
    let mut compiler = Compiler::default();
    let parts = compiler.parts(definition);
    let Compiler { mut problems, new_problems, .. } = compiler;
    if is_new {
        problems.extend(new_problems);
    }
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

/// [`Parts::wants_raw`] of a definition that may have problems.
pub(crate) fn wants_raw(definition: &Definition) -> bool {
    Compiler::default().parts(definition).wants_raw
}

/// Collects problems; what could not be compiled is `None`.
#[derive(Default)]
pub(crate) struct Compiler {
    problems: Vec<Problem>,
    /// Problems of a new definition only.
    new_problems: Vec<Problem>,
    /// Of all steps so far, those inside of others included.
    step_count: usize,
    reaches_out: bool,
    waits: bool,
    /// Whether a step asks whether an earlier attempt may have done it.
    pub(crate) asks_for_earlier: bool,
    /// Whether a text so far names `raw`.
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
        let keeps_steps = self.waits || self.asks_for_earlier || self.reaches_out && self.step_count > 1;
        let connections = std::mem::take(&mut self.connections);
        Parts { ordering_key, input, label, steps, respond, waits: self.waits, keeps_steps, wants_raw: self.wants_raw, connections }
    }

    pub(crate) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    pub(crate) fn new_problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.new_problems.push(Problem { path: path.into(), message: message.into() });
    }

    /// Compiles one text: every mapping and template of a definition goes through here.
    fn text<T, E: ToString>(&mut self, path: &str, source: &str, compile: impl FnOnce(&str) -> Result<T, E>) -> Option<Paced<T>> {
        self.wants_raw |= names_raw(source);
        compile(source).map(Paced::new).map_err(|error| self.problem(path, error.to_string())).ok()
    }

    pub(crate) fn mapping(&mut self, path: &str, source: &str) -> Option<Paced<Mapping>> {
        self.text(path, source, Mapping::compile)
    }

    /// A mapping that may be absent: the outer `None` is a problem.
    pub(crate) fn optional_mapping(&mut self, path: &str, source: Option<&String>) -> Option<Option<Paced<Mapping>>> {
        match source {
            None => Some(None),
            Some(source) => self.mapping(path, source).map(Some),
        }
    }

    pub(crate) fn template(&mut self, path: &str, source: &str, encoding: Encoding) -> Option<Paced<Template>> {
        self.text(path, source, |source| Template::compile(source, encoding))
    }

    /// As [`Compiler::optional_mapping`].
    pub(crate) fn optional_template(&mut self, path: &str, source: Option<&String>, encoding: Encoding) -> Option<Option<Paced<Template>>> {
        match source {
            None => Some(None),
            Some(source) => self.template(path, source, encoding).map(Some),
        }
    }

    fn steps(&mut self, path: &str, steps: &[Step]) -> Vec<CompiledStep> {
        steps.iter().enumerate().filter_map(|(index, step)| self.step(&format!("{path}[{index}]"), step)).collect()
    }

    fn step(&mut self, path: &str, step: &Step) -> Option<CompiledStep> {
        let when = self.optional_mapping(&format!("{path}.when"), step.when.as_ref());
        let on_error = match &step.on_error {
            OnError::Fail => CompiledOnError::Fail,
            OnError::Continue => CompiledOnError::Continue,
            OnError::Steps(steps) => CompiledOnError::Steps(self.steps(&format!("{path}.on_error"), steps)),
        };
        let action = self.action(&format!("{path}.{}", step.action.kind()), &step.action);
        let action = action?;
        self.step_count += 1;
        self.reaches_out |= action.reaches_out();
        self.connections.extend(action.connection().cloned());
        self.waits |= matches!(action, CompiledAction::Wait(_));
        let (id, kind) = (step.id.clone(), step.action.kind());
        Some(CompiledStep { id, kind, when: when?, timeout: step.timeout, retry: step.retry, on_error, action })
    }

    fn action(&mut self, path: &str, action: &Action) -> Option<CompiledAction> {
        match action {
            Action::Http(call) => self.http(path, call).map(CompiledAction::Http),
            Action::Call(call) => {
                let body = self.optional_mapping(&format!("{path}.body"), call.body.as_ref());
                let query = self.optional_mapping(&format!("{path}.query"), call.query.as_ref());
                let (integration, wait) = (call.integration.clone(), call.wait);
                Some(CompiledAction::Call(CompiledCall { integration, wait, body: body?, query: query? }))
            }
            Action::Set(source) => self.mapping(path, source).map(CompiledAction::Set),
            Action::Switch(switch) => {
                let mut cases = Vec::with_capacity(switch.cases.len());
                for (index, case) in switch.cases.iter().enumerate() {
                    let when = self.mapping(&format!("{path}.cases[{index}].when"), &case.when);
                    let steps = self.steps(&format!("{path}.cases[{index}].steps"), &case.steps);
                    cases.extend(when.map(|when| CompiledCase { when, steps }));
                }
                let default = self.steps(&format!("{path}.default"), &switch.default);
                Some(CompiledAction::Switch(CompiledSwitch { cases, default }))
            }
            Action::Each(each) => {
                let items = self.mapping(&format!("{path}.in"), &each.items);
                let steps = self.steps(&format!("{path}.steps"), &each.steps);
                let output = self.optional_mapping(&format!("{path}.output"), each.output.as_ref());
                Some(CompiledAction::Each(CompiledEach { items: items?, parallel: each.parallel, steps, output: output? }))
            }
            Action::Parallel(branches) => {
                let compiled = branches.iter().map(|branch| {
                    let steps = self.steps(&format!("{path}.{}", branch.name), &branch.steps);
                    CompiledBranch { name: branch.name.clone(), steps }
                });
                Some(CompiledAction::Parallel(compiled.collect()))
            }
            Action::Assert(assertion) => {
                let that = self.mapping(path, &assertion.that);
                let message = self.optional_template(&format!("{path}.message"), assertion.message.as_ref(), Encoding::None);
                Some(CompiledAction::Assert { that: that?, message: message? })
            }
            Action::Log(line) => {
                Some(CompiledAction::Log { message: self.template(path, &line.message, Encoding::None)?, level: line.level })
            }
            Action::Wait(Wait::For(pause)) => Some(CompiledAction::Wait(CompiledWait::For(*pause))),
            Action::Wait(Wait::Until(source)) => {
                self.mapping(&format!("{path}.until"), source).map(|mapping| CompiledAction::Wait(CompiledWait::Until(mapping)))
            }
            Action::Respond(respond) => self.respond(path, respond).map(CompiledAction::Respond),
            Action::Stop(stop) => {
                let error = self.optional_template(&format!("{path}.error"), stop.error.as_ref(), Encoding::None)?;
                Some(CompiledAction::Stop { error })
            }
            Action::Sql(call) => {
                let mut statements = Vec::with_capacity(call.statements.len());
                for (index, statement) in call.statements.iter().enumerate() {
                    let place = if call.is_transaction { format!("{path}.transaction[{index}].params") } else { format!("{path}.params") };
                    let params = self.optional_mapping(&place, statement.params.as_ref());
                    let (text, reads_only) = (StatementText::new(&statement.text), statement.reads_only);
                    statements.extend(params.map(|params| SqlText { text, params, reads_only }));
                }
                Some(CompiledAction::Sql(SqlStep { connection: call.connection.clone(), statements, is_transaction: call.is_transaction }))
            }
            Action::Email(call) => self.email(path, call).map(CompiledAction::Email),
            Action::Sftp(call) => self.sftp(path, call).map(CompiledAction::Sftp),
            Action::Amqp(call) => self.amqp(path, call).map(CompiledAction::Amqp),
        }
    }

    fn http(&mut self, path: &str, call: &HttpCall) -> Option<HttpStep> {
        let target = match &call.target {
            HttpTarget::Url(url) => self.text(&format!("{path}.url"), url, UrlTemplate::compile).map(Target::Url),
            HttpTarget::Connection { connection, path: source } => {
                let under = self.text(&format!("{path}.path"), source, PathTemplate::compile);
                under.map(|path| Target::Connection { connection: connection.clone(), path })
            }
        };
        let mut query = Vec::with_capacity(call.query.len());
        for (name, source) in &call.query {
            let template = self.template(&format!("{path}.query.{name}"), source, Encoding::Scalar);
            query.extend(template.map(|template| (name.clone(), template)));
        }
        let headers = self.headers(path, &call.headers, true);
        let body = self.optional_mapping(&format!("{path}.body"), call.body.as_ref());
        let (method, accept, has_effect) = (call.method.clone(), call.accept.clone(), !call.is_safe());
        let (redirects, response) = (call.redirects, call.response.clone());
        Some(HttpStep { method, target: target?, query, headers, body: body?, accept, redirects, response, has_effect })
    }

    fn respond(&mut self, path: &str, respond: &Respond) -> Option<CompiledRespond> {
        let status = match &respond.status {
            Status::Fixed(status) => Some(CompiledStatus::Fixed(*status)),
            Status::Mapping(source) => self.mapping(&format!("{path}.status"), source).map(CompiledStatus::Mapping),
        };
        let headers = self.headers(path, &respond.headers, false);
        let body = self.optional_mapping(&format!("{path}.body"), respond.body.as_ref());
        Some(CompiledRespond { status: status?, headers, body: body? })
    }

    fn headers(&mut self, path: &str, headers: &[(String, String)], in_request: bool) -> Vec<HeaderTemplate> {
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
