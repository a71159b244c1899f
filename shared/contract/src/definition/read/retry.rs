//! Reads `retry`.

use crate::definition::{MAX_ATTEMPTS, MAX_BACKOFF, RetryPolicy};
use crate::fields::{Fields, Read};
use std::time::Duration;

pub(in crate::definition) fn optional_retry(fields: &Fields<'_>) -> Read<Option<RetryPolicy>> {
    fields.object("retry")?.map(retry).transpose()
}

fn retry(fields: Fields<'_>) -> Read<RetryPolicy> {
    let default = RetryPolicy::default();
    let attempts = fields.whole("attempts", 1, u64::from(MAX_ATTEMPTS));
    let backoff = fields.object("backoff").and_then(|backoff| backoff.map(|backoff| self::backoff(backoff, default)).transpose());
    let on_any = fields.word("on", &[("transient", false), ("any", true)]);
    fields.finish();
    Ok(RetryPolicy {
        attempts: attempts?.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(default.attempts),
        on_any: on_any?.unwrap_or(default.on_any),
        ..backoff?.unwrap_or(default)
    })
}

fn backoff(fields: Fields<'_>, default: RetryPolicy) -> Read<RetryPolicy> {
    let first = fields.duration("first", Duration::ZERO, MAX_BACKOFF);
    let max = fields.duration("max", Duration::ZERO, MAX_BACKOFF);
    let factor = fields.number("factor", |factor| (1.0..=10.0).contains(&factor), "a number from 1 to 10");
    fields.finish();
    Ok(RetryPolicy {
        first: first?.unwrap_or(default.first),
        max: max?.unwrap_or(default.max),
        factor: factor?.unwrap_or(default.factor),
        ..default
    })
}
