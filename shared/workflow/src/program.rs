//! Compiles a definition: every mapping and template in it, with all problems at once.

use crate::context::Context;
use crate::engine::{EngineOptions, run_on};
use crate::evaluate::{Budget, Paced};
use crate::failure::{self, InStep};
use crate::header::{HeaderTemplate, refusal};
use crate::mapping::{CompileError, Encoding, Mapping, Template, to_json};
use crate::respond::{CompiledRespond, CompiledStatus};
use crate::step::http::HttpStep;
use crate::step::url::UrlTemplate;
use forebay_contract::definition::{Action, Definition, Delivery, HttpCall, HttpTarget, OnError, Problem, Respond, Status, Step};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest ordering key, in bytes of JSON: keys are held in memory for each waiting execution.
const LONGEST_KEY: usize = 1024;

/// One version of a definition, compiled. Compile it once and share it.
pub struct Program {
    definition: Arc<Definition>,
    ordering_key: Option<Paced<Mapping>>,
    pub(crate) input: Option<Paced<Mapping>>,
    pub(crate) steps: Vec<CompiledStep>,
    pub(crate) respond: Option<CompiledRespond>,
}

pub(crate) struct CompiledStep {
    pub id: String,
    pub when: Option<Paced<Mapping>>,
    pub timeout: Option<Duration>,
    pub action: CompiledAction,
}

pub(crate) enum CompiledAction {
    Set(Paced<Mapping>),
    Http(HttpStep),
}

impl CompiledAction {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Http(_) => "http",
        }
    }
}

impl Program {
    /// Compiles every mapping and template of the definition: once a version, on a thread that may block for milliseconds.
    ///
    /// # Errors
    /// Every problem, each with the path of its field, such as `steps[1].set: line 1, column 5: ...`.
    pub fn compile(definition: Arc<Definition>) -> Result<Self, Vec<Problem>> {
        let mut compiler = Compiler { problems: Vec::new() };
        compiler.refuse_what_is_not_built(&definition);
        let ordering_key = match definition.trigger.delivery() {
            Delivery::ByKey { by, .. } => compiler.mapping("trigger.webhook.ordered.by", by),
            _ => None,
        };
        let input = definition.input.as_ref().and_then(|source| compiler.mapping("input", source));
        let mut steps = Vec::with_capacity(definition.steps.len());
        for (index, step) in definition.steps.iter().enumerate() {
            steps.extend(compiler.step(&format!("steps[{index}]"), step));
        }
        let respond = definition.respond.as_ref().and_then(|respond| compiler.respond(respond));
        if !compiler.problems.is_empty() {
            return Err(compiler.problems);
        }
        Ok(Self { definition, ordering_key, input, steps, respond })
    }

    /// The definition as it was given.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The key by which the envelope is ordered, as compact JSON: equal keys run one after the other. `null` for a delivery that
    /// is not by key.
    ///
    /// # Errors
    /// An unreadable body, a mapping that fails, or a key of more than 1024 bytes. Transient only where slow threads are too busy.
    pub async fn ordering_key(&self, envelope: &Envelope) -> Result<String, ExecutionError> {
        let Some(mapping) = &self.ordering_key else { return Ok("null".to_owned()) };
        let options = EngineOptions::default();
        let budget = Budget {
            tenant: envelope.tenant.clone(),
            // Its own bound, so that a wait for a slow thread ends too.
            deadline: Instant::now() + options.mapping_time * 5,
            mapping_time: options.mapping_time,
            mapping_memory: options.mapping_memory,
        };
        let attempt = envelope.attempts.saturating_add(1);
        let context = Context::of(envelope, attempt, self.definition.trigger.max_bytes(), options.context_memory).await?;
        let key = mapping.evaluate("", &budget, run_on(context.value())).await.in_step("by")?;
        let key = to_json(&key);
        if key.len() > LONGEST_KEY {
            let message = format!("the key has {} bytes, more than {LONGEST_KEY}; use a part of it that is shorter", key.len());
            return Err(failure::permanent(ErrorCode::Limit, message).in_step("by"));
        }
        Ok(String::from_utf8_lossy(&key).into_owned())
    }
}

/// Collects problems; what could not be compiled is `None`.
struct Compiler {
    problems: Vec<Problem>,
}

impl Compiler {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    /// Ignoring these would promise what is not done.
    fn refuse_what_is_not_built(&mut self, definition: &Definition) {
        let later = "is not supported by this version of Forebay";
        if let Some(webhook) = definition.trigger.webhook() {
            if webhook.schema.is_some() {
                self.problem("trigger.webhook.body.schema", format!("a schema {later}"));
            }
            if webhook.idempotency.key.is_some() {
                self.problem("trigger.webhook.idempotency", format!("idempotency {later}"));
            }
        }
        for step in Step::all(&definition.steps) {
            if step.retry.is_some() || step.on_error != OnError::Fail {
                self.problem("steps", format!("retry and on_error of the step '{}': failure handling of a step {later}", step.id));
            }
        }
    }

    fn kept<T>(&mut self, path: &str, result: Result<T, CompileError>) -> Option<Paced<T>> {
        result.map(Paced::new).map_err(|error| self.problem(path, error.to_string())).ok()
    }

    fn mapping(&mut self, path: &str, source: &str) -> Option<Paced<Mapping>> {
        self.kept(path, Mapping::compile(source))
    }

    /// A mapping that may be absent: the outer `None` is a problem.
    fn optional_mapping(&mut self, path: &str, source: Option<&String>) -> Option<Option<Paced<Mapping>>> {
        match source {
            None => Some(None),
            Some(source) => self.mapping(path, source).map(Some),
        }
    }

    fn step(&mut self, path: &str, step: &Step) -> Option<CompiledStep> {
        let when = self.optional_mapping(&format!("{path}.when"), step.when.as_ref());
        let action = match &step.action {
            Action::Set(source) => self.mapping(&format!("{path}.set"), source).map(CompiledAction::Set),
            Action::Http(call) => self.http(&format!("{path}.http"), call).map(CompiledAction::Http),
            other => {
                self.problem(format!("{path}.{}", other.kind()), "this kind of step is not supported by this version of Forebay");
                None
            }
        };
        Some(CompiledStep { id: step.id.clone(), when: when?, timeout: step.timeout, action: action? })
    }

    fn http(&mut self, path: &str, call: &HttpCall) -> Option<HttpStep> {
        let HttpTarget::Url(url) = &call.target else {
            self.problem(format!("{path}.connection"), "connections are not supported by this version of Forebay");
            return None;
        };
        let url = UrlTemplate::compile(url).map(Paced::new);
        let url = url.map_err(|message| self.problem(format!("{path}.url"), message)).ok();
        let mut query = Vec::with_capacity(call.query.len());
        for (name, source) in &call.query {
            let template = self.kept(&format!("{path}.query.{name}"), Template::compile(source, Encoding::Scalar));
            query.extend(template.map(|template| (name.clone(), template)));
        }
        let headers = self.headers(path, &call.headers, true);
        let body = self.optional_mapping(&format!("{path}.body"), call.body.as_ref());
        Some(HttpStep { method: call.method.clone(), url: url?, query, headers, body: body? })
    }

    fn respond(&mut self, respond: &Respond) -> Option<CompiledRespond> {
        let status = match &respond.status {
            Status::Fixed(status) => Some(CompiledStatus::Fixed(*status)),
            Status::Mapping(source) => self.mapping("respond.status", source).map(CompiledStatus::Mapping),
        };
        let headers = self.headers("respond", &respond.headers, false);
        let body = self.optional_mapping("respond.body", respond.body.as_ref());
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
            let template = self.kept(&path, Template::compile(source, Encoding::HeaderValue));
            compiled.extend(template.map(|value| HeaderTemplate { written: written.clone(), name, value }));
        }
        compiled
    }
}
