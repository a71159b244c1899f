//! Reads a body within its bounds: bytes of this body, bytes of all bodies of the process, and time.

use crate::problem::Problem;
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use forebay_contract::body::BodyError;
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of bodies held at once by the calls under way: what keeps memory flat when the broker is slow.
#[derive(Clone)]
pub(crate) struct BodyBudget {
    left: Arc<AtomicUsize>,
}

/// A call's share of the budget, given back when the call is answered.
pub(crate) struct BodyShare {
    left: Arc<AtomicUsize>,
    taken: usize,
}

impl BodyBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    pub(crate) fn share(&self) -> BodyShare {
        BodyShare { left: self.left.clone(), taken: 0 }
    }
}

impl BodyShare {
    fn take(&mut self, bytes: usize) -> bool {
        let taken = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes)).is_ok();
        if taken {
            self.taken += bytes;
        }
        taken
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.left.fetch_add(self.taken, Ordering::AcqRel);
    }
}

/// Reads the whole body.
pub(crate) async fn receive(
    payload: Payload,
    declared: Option<u64>,
    max_bytes: usize,
    time: Duration,
    share: &mut BodyShare,
) -> Result<Bytes, Problem> {
    if declared.is_some_and(|length| length > max_bytes as u64) {
        return Err(Problem::body(&BodyError::TooLarge(max_bytes)));
    }
    match tokio::time::timeout(time, read(payload, max_bytes, share)).await {
        Ok(result) => result,
        Err(_) => Err(Problem::body_too_slow(time)),
    }
}

async fn read(mut payload: Payload, max_bytes: usize, share: &mut BodyShare) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::body_interrupted(&error.to_string()))?;
        let so_far = whole.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far + chunk.len() > max_bytes {
            return Err(Problem::body(&BodyError::TooLarge(max_bytes)));
        }
        if !share.take(chunk.len()) {
            return Err(Problem::no_memory());
        }
        // Most bodies are one chunk, which is handed on without a copy.
        match first.take() {
            None if whole.is_empty() => first = Some(chunk),
            held => {
                whole.extend_from_slice(&held.unwrap_or_default());
                whole.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}
