//! The input of the mappings of one execution: the object that jq programs call `.`.

use crate::variables::Numbers;
use forebay_contract::UnixMicros;
use forebay_contract::body::Reading;
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use forebay_mapping::body::{ReadBody, read_body_and_raw};
use forebay_mapping::header::header_values;
use forebay_mapping::weight;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The context of one execution: created once, extended as steps end. Values are shared, so a copy has new names only.
pub(crate) struct Context {
    /// `request` to `integration`, which are the same for all mappings.
    fixed: Vec<(&'static str, Value)>,
    body: Value,
    /// `.input`, once it is known.
    input: Value,
    /// Outputs by step id, in the order in which the steps ran.
    steps: Vec<(String, Value)>,
    value: Value,
    memory: Arc<Memory>,
    /// The numbers under which diagnostics recorded the values.
    pub(crate) numbers: Numbers,
}

/// The memory that outputs may still take, in bytes; shared by the branches of an execution.
struct Memory {
    remaining: AtomicUsize,
    limit: usize,
}

impl Context {
    /// Creates the context before the `input` mapping: `.input` is null and `.steps` is empty.
    ///
    /// # Errors
    /// The body cannot be read.
    pub(crate) async fn of(
        envelope: &Envelope,
        attempt: u32,
        body_options: BodyOptions<'_>,
        memory_limit: usize,
    ) -> Result<Self, ExecutionError> {
        let ReadBody { value: body, raw } = body_of(envelope, body_options).await?;
        let execution = [
            ("id", Value::string(envelope.execution_id.to_string())),
            ("attempt", Value::from(i64::from(attempt))),
            ("receivedAt", time_value(envelope.received_at)),
            ("dueAt", envelope.due_at.map_or(Value::NULL, |due| time_value(due.to_micros()))),
        ];
        let fixed = vec![
            ("request", request(&envelope.request, envelope.content_type.as_deref(), raw)),
            ("query", Value::object(envelope.request.query.iter().map(|(name, value)| (name.as_str(), Value::from(value))))),
            ("body", body.clone()),
            ("execution", Value::object(execution)),
            ("tenant", Value::string(envelope.tenant.as_str())),
            ("integration", Value::string(envelope.integration.as_str())),
        ];
        let memory = Arc::new(Memory { remaining: memory_limit.into(), limit: memory_limit });
        let mut context =
            Self { fixed, body, input: Value::NULL, steps: Vec::new(), value: Value::NULL, memory, numbers: Numbers::default() };
        context.rebuild()?;
        Ok(context)
    }

    /// Returns the object that mappings see.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn input(&self) -> &Value {
        &self.input
    }

    /// Sets `.input`; `None`: it is the body, which is already in the context.
    ///
    /// # Errors
    /// The value and the outputs exceed the memory limit of an execution.
    pub(crate) fn set_input(&mut self, input: Option<Value>) -> Result<(), ExecutionError> {
        if let Some(input) = &input {
            self.take_memory(input)?;
        }
        self.input = input.unwrap_or_else(|| self.body.clone());
        self.rebuild()
    }

    /// Sets `.steps.<id>`.
    ///
    /// # Errors
    /// Those of [`Context::set_input`].
    pub(crate) fn add_step(&mut self, id: &str, output: Value) -> Result<(), ExecutionError> {
        self.take_memory(&output)?;
        self.set_step(id, output);
        self.rebuild()
    }

    fn set_step(&mut self, id: &str, output: Value) {
        match self.steps.iter_mut().find(|(existing, _)| existing == id) {
            Some((_, existing)) => *existing = output,
            None => self.steps.push((id.to_owned(), output)),
        }
    }

    /// Returns the context of a branch that runs in parallel with others.
    pub(crate) fn branch(&self) -> Self {
        Self {
            fixed: self.fixed.clone(),
            body: self.body.clone(),
            input: self.input.clone(),
            steps: self.steps.clone(),
            value: self.value.clone(),
            memory: self.memory.clone(),
            numbers: self.numbers.clone(),
        }
    }

    /// Returns the context of one item of a loop: a branch with `.item` and `.index`.
    ///
    /// # Errors
    /// The item is nested too deeply.
    pub(crate) fn of_item(&self, index: usize, item: Value) -> Result<Self, ExecutionError> {
        let mut context = self.branch();
        context.fixed.retain(|(name, _)| *name != "item" && *name != "index");
        context.fixed.push(("item", item));
        context.fixed.push(("index", Value::from(index)));
        context.rebuild()?;
        Ok(context)
    }

    /// Adds the outputs of a branch.
    ///
    /// # Errors
    /// Those of [`Context::set_input`].
    pub(crate) fn join(&mut self, branch: Self) -> Result<(), ExecutionError> {
        self.numbers.join(&branch.numbers);
        for (id, output) in branch.steps {
            self.set_step(&id, output);
        }
        self.rebuild()
    }

    /// Drops a loop's item: its outputs no longer take memory.
    pub(crate) fn release(self, outer: &Self) {
        for (id, output) in &self.steps {
            if !outer.steps.iter().any(|(existing, _)| existing == id) {
                let weight = usize::MAX - weight::spend(output, usize::MAX).unwrap_or(usize::MAX);
                self.memory.remaining.fetch_add(weight, Ordering::Relaxed);
            }
        }
    }

    fn rebuild(&mut self) -> Result<(), ExecutionError> {
        // A value of maximum depth does not fit into an object; `Value` reports that by a panic.
        let (fixed, input, steps) = (self.fixed.clone(), self.input.clone(), self.steps.clone());
        let build = std::panic::AssertUnwindSafe(|| {
            let steps = Value::object(steps);
            Value::object(fixed.into_iter().chain([("input", input), ("steps", steps)]))
        });
        let too_deep = |_| ExecutionError::permanent(ErrorCode::Limit, "the output nests too deeply to be kept; build a flatter value");
        self.value = catch_unwind(build).map_err(too_deep)?;
        Ok(())
    }

    fn take_memory(&self, value: &Value) -> Result<(), ExecutionError> {
        let take = |remaining| weight::spend(value, remaining);
        if self.memory.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Ok(());
        }
        let limit = self.memory.limit / (1024 * 1024);
        let message =
            format!("the input and the outputs of the steps take more than {limit} MiB together; keep only what later steps need");
        Err(ExecutionError::permanent(ErrorCode::Limit, message))
    }
}

async fn body_of(envelope: &Envelope, body_options: BodyOptions<'_>) -> Result<ReadBody, ExecutionError> {
    let on_another_thread = weight::are_many(envelope.body.len()) || envelope.content_encoding.is_some();
    let (content_type, encoding, bytes) = (envelope.content_type.clone(), envelope.content_encoding.clone(), envelope.body.clone());
    let BodyOptions { reading: Reading { rule, max_bytes }, uses_raw } = body_options;
    let rule = rule.clone();
    let read = move || {
        let reading = Reading { rule: &rule, max_bytes };
        read_body_and_raw(reading, content_type.as_deref(), encoding.as_deref(), &bytes, uses_raw)
    };
    weight::run(on_another_thread, read).await?.map_err(|error| ExecutionError::permanent(ErrorCode::Body, error.to_string()))
}

/// Returns `.request`: the call without its declared query parameters.
fn request(request: &Request, content_type: Option<&str>, raw: Option<Value>) -> Value {
    let members = [
        ("method", Value::string(request.method.as_str())),
        ("path", Value::string(request.path.as_str())),
        ("queryString", Value::string(request.query_string.as_str())),
        ("headers", header_values(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))),
        ("contentType", Value::from(content_type)),
    ];
    Value::object(members.into_iter().chain(raw.map(|raw| ("raw", raw))))
}

/// The options of reading an envelope's body, and the forms in which mappings see it.
#[derive(Clone, Copy)]
pub(crate) struct BodyOptions<'r> {
    pub reading: Reading<'r>,
    /// True if mappings see `.request.raw`: see [`names_raw`].
    pub uses_raw: bool,
}

/// Returns true if a mapping or template can read `.request.raw`: it contains the word `raw`, in any notation of jq (`.raw`, `["raw"]`,
/// `{raw}`).
/// Without the word, `.request` has no such member, however its members are accessed (`keys`, `..`, `.[$name]`).
pub(crate) fn names_raw(source: &str) -> bool {
    source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "raw")
}

/// Returns a time as mappings see it: RFC 3339, or null for a time after the year 9999.
pub(crate) fn time_value(time: UnixMicros) -> Value {
    let text = time.rfc3339();
    if text.is_empty() { Value::NULL } else { Value::string(text) }
}
