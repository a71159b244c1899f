//! Keys that mappings make of a call: the one that orders it, and the one by which a repeated call is known.

use crate::context::{Asked, Context, names_raw};
use crate::engine::EngineOptions;
use crate::evaluate::{Budget, Paced};
use crate::failure::{self, InStep};
use crate::mapping::{CompileError, Mapping, to_json};
use forebay_contract::body::Reading;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::time::Instant;

/// Longest key, in bytes of JSON: ordering keys are held in memory for each waiting execution.
const LONGEST_KEY: usize = 1024;

/// The mapping of an idempotency key, compiled.
pub struct KeyMapping(Paced<Mapping>);

impl KeyMapping {
    /// Compiles the mapping.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Mapping::compile(source).map(Paced::new).map(Self)
    }

    /// The key as compact JSON; `None` where the mapping gives null: the call has none.
    ///
    /// # Errors
    /// An unreadable body, a mapping that fails, or a key of more than 1024 bytes.
    pub async fn key(&self, envelope: &Envelope, reading: Reading<'_>) -> Result<Option<String>, ExecutionError> {
        let key = key(&self.0, "key", envelope, reading).await?;
        Ok(Some(key).filter(|key| key != "null"))
    }
}

pub(crate) async fn key(mapping: &Paced<Mapping>, part: &str, envelope: &Envelope, reading: Reading<'_>) -> Result<String, ExecutionError> {
    let options = EngineOptions::default();
    let budget = Budget {
        tenant: envelope.tenant.clone(),
        // Its own bound, so that a wait for a slow thread ends too.
        deadline: Instant::now() + options.mapping_time * 5,
        mapping_time: options.mapping_time,
        mapping_memory: options.mapping_memory,
    };
    let attempt = envelope.attempts.saturating_add(1);
    let asked = Asked { reading, wants_raw: names_raw(mapping.program().source()) };
    let context = Context::of(envelope, attempt, asked, options.context_memory).await?;
    let key = mapping.output("", context.value(), &budget).await.in_step(part)?;
    let key = to_json(&key);
    if key.len() > LONGEST_KEY {
        let message = format!("the key has {} bytes, more than {LONGEST_KEY}; use a part of it that is shorter", key.len());
        return Err(failure::permanent(ErrorCode::Limit, message).in_step(part));
    }
    Ok(String::from_utf8_lossy(&key).into_owned())
}
