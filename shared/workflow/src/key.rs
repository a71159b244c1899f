//! Keys that mappings compute from a call: ordering keys and idempotency keys.

use crate::context::{BodyOptions, Context, names_raw};
use crate::engine_options::EngineOptions;
use crate::in_step::InStep;
use forebay_contract::body::Reading;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{CompileError, Mapping, Value, to_json};
use std::time::Instant;

/// Maximum bytes of a key as JSON: ordering keys of waiting executions are held in memory.
const MAX_KEY_BYTES: usize = 1024;

/// The reason for which a call has no idempotency key although it has a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// The mapping returned a boolean, such as the result of a comparison: every call would repeat the first one.
    Boolean,
    /// The mapping failed, or its key is too long.
    Failed(ExecutionError),
}

/// The compiled mapping of an idempotency key.
pub struct KeyMapping(Paced<Mapping>);

impl KeyMapping {
    /// Compiles the mapping.
    ///
    /// # Errors
    /// The problem of the mapping, and its place.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Mapping::compile(source).map(Paced::new).map(Self)
    }

    /// Returns the key as compact JSON; `None` if the mapping returns null, an empty text, or a list or an object of only these: the call
    /// has no key.
    ///
    /// # Errors
    /// An unreadable body, a mapping that fails or returns true or false, or a key of more than 1024 bytes.
    pub async fn key(&self, envelope: &Envelope, reading: Reading<'_>) -> Result<Option<String>, KeyError> {
        let part = "key";
        let value = output(&self.0, part, envelope, reading).await.map_err(KeyError::Failed)?;
        if value.as_bool().is_some() {
            return Err(KeyError::Boolean);
        }
        if is_nothing(&value) { Ok(None) } else { text(&value, part).map(Some).map_err(KeyError::Failed) }
    }
}

/// Returns true if the key would be the same for every call that lacks its values.
fn is_nothing(value: &Value) -> bool {
    let is_empty_text = value.as_str().is_some_and(str::is_empty);
    let holds_nothing = value.as_array().is_some_and(|items| items.iter().all(is_nothing));
    value.is_null()
        || is_empty_text
        || holds_nothing
        || value.entries().is_some_and(|mut members| members.all(|(_, value)| is_nothing(value)))
}

/// Returns the ordering key of a call, as compact JSON.
pub(crate) async fn key(mapping: &Paced<Mapping>, part: &str, envelope: &Envelope, reading: Reading<'_>) -> Result<String, ExecutionError> {
    text(&output(mapping, part, envelope, reading).await?, part)
}

async fn output(mapping: &Paced<Mapping>, part: &str, envelope: &Envelope, reading: Reading<'_>) -> Result<Value, ExecutionError> {
    let options = EngineOptions::default();
    let budget = Budget {
        tenant: envelope.tenant.clone(),
        // Its own deadline, so that a wait for a slow thread ends too.
        deadline: Instant::now() + options.mapping_time * 5,
        mapping_time: options.mapping_time,
        mapping_memory: options.mapping_memory,
    };
    let attempt = envelope.attempts.saturating_add(1);
    let body_options = BodyOptions { reading, uses_raw: names_raw(mapping.program().source()) };
    let context = Context::of(envelope, attempt, body_options, options.context_memory).await?;
    mapping.output("", context.value(), &budget).await.in_step(part)
}

fn text(key: &Value, part: &str) -> Result<String, ExecutionError> {
    let key = to_json(key);
    if key.len() > MAX_KEY_BYTES {
        let message = format!("the key has {} bytes, more than {MAX_KEY_BYTES}; use a part of it that is shorter", key.len());
        return Err(ExecutionError::permanent(ErrorCode::Limit, message).in_step(part));
    }
    Ok(String::from_utf8_lossy(&key).into_owned())
}
