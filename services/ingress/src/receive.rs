//! Receives a body within its limits: bytes of the body, memory of all bodies of the process and its shares, time and speed.

use crate::problem::Problem;
use crate::shares::{Bound, Holder, Refused, Share, Shares};
use actix_web::error::PayloadError;
use bytes::Bytes;
use forebay_contract::body::BodyError;
use forebay_store::Integration;
use futures_util::{Stream, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Minimum bytes per second of a body, after the first seconds.
pub(crate) const MIN_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Time before the minimum speed applies.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Maximum bytes of a piece of a body. A declared length is allocated up to this size; beyond it, memory follows the bytes that arrive.
const MAX_PIECE_BYTES: usize = 64 * 1024;
/// Minimum bytes of a piece after the first one.
const MIN_PIECE_BYTES: usize = 4 * 1024;
/// Memory of a connection besides a body that is larger than a piece: actix-http reads up to 128 KiB ahead, into a buffer that doubles.
const CONNECTION_BYTES: usize = 256 * 1024;

/// Memory of the bodies of the calls in flight. It bounds memory while the broker or callers are slow.
#[derive(Clone)]
pub(crate) struct BodyBudget(Shares);

impl BodyBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Shares::new(bytes))
    }

    /// Returns an empty share for a call of this integration.
    ///
    /// An integration holds at most as much as is free, a tenant twice that. Callers who are not authenticated yet hold a quarter of the
    /// budget in total, and an eighth for one integration, so that the callers of one signed endpoint leave memory to those of another.
    pub(crate) fn share(&self, integration: &Integration, is_authenticated: bool) -> Share {
        let bound = |holder, numerator, denominator| Some(Bound { holder, numerator, denominator });
        let unauthenticated = |holder, denominator| bound(holder, 1, denominator).filter(|_| !is_authenticated);
        self.0.share([
            bound(Holder::Integration(integration.id), 1, 1),
            bound(Holder::Tenant(integration.definition.tenant.clone()), 2, 1),
            unauthenticated(Holder::Unauthenticated, 4),
            unauthenticated(Holder::UnauthenticatedOf(integration.id), 8),
        ])
    }
}

/// The maximum size of a body, and its minimum speed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    /// Maximum time for the whole body.
    pub(crate) timeout: Duration,
}

impl BodyLimits {
    /// Returns the time after which this many bytes are too few.
    fn time_for(self, bytes: usize) -> Duration {
        let earned = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / MIN_BYTES_PER_SECOND);
        (GRACE + earned).min(self.timeout)
    }
}

/// Receives the whole body. `declared` is its Content-Length.
pub(crate) async fn receive(
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    declared: Option<u64>,
    limits: BodyLimits,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    let started = Instant::now();
    let too_large = || Problem::body(&BodyError::TooLarge(limits.max_bytes));
    let declared = declared.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if declared.is_some_and(|length| length > limits.max_bytes) {
        return Err(too_large());
    }
    let max_bytes = declared.unwrap_or(limits.max_bytes);
    let mut buffer = Buffer { full: Vec::new(), last: Vec::new(), bytes: 0, connection: 0, max_bytes, share };
    loop {
        let time = limits.time_for(buffer.bytes);
        let chunk = match timeout_at(started + time, payload.next()).await {
            Ok(Some(chunk)) => chunk.map_err(|error| Problem::body_interrupted(&error.to_string()))?,
            Ok(None) => return buffer.whole(),
            Err(_) => return Err(Problem::body_too_slow(buffer.bytes, time, limits.timeout)),
        };
        if buffer.bytes + chunk.len() > limits.max_bytes {
            return Err(too_large());
        }
        // Copied, since a chunk keeps the whole buffer of its connection allocated.
        buffer.append(&chunk, declared.unwrap_or(chunk.len()).min(MAX_PIECE_BYTES))?;
    }
}

/// A body in pieces, whose memory is counted before it is allocated.
///
/// Pieces have few sizes: a buffer that doubles would leave gaps in the heap that are as large as the body.
struct Buffer<'s> {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
    bytes: usize,
    /// Bytes that are counted for the connection.
    connection: usize,
    /// Maximum bytes that can still arrive.
    max_bytes: usize,
    share: &'s mut Share,
}

impl Buffer<'_> {
    /// Appends a chunk; `first` is the size of the first piece.
    fn append(&mut self, mut chunk: &[u8], first: usize) -> Result<(), Problem> {
        while !chunk.is_empty() {
            let room = self.last.capacity() - self.last.len();
            if room == 0 {
                let next = if self.bytes == 0 { first } else { self.bytes.clamp(MIN_PIECE_BYTES, MAX_PIECE_BYTES) };
                self.begin_piece(next.min(self.max_bytes.saturating_sub(self.bytes)).max(1))?;
                continue;
            }
            let (now, later) = chunk.split_at(room.min(chunk.len()));
            self.last.extend_from_slice(now);
            self.bytes += now.len();
            chunk = later;
        }
        Ok(())
    }

    fn begin_piece(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.bytes >= MAX_PIECE_BYTES && self.connection == 0 {
            self.take(CONNECTION_BYTES)?;
            self.connection = CONNECTION_BYTES;
        }
        self.take(bytes)?;
        let piece = std::mem::replace(&mut self.last, Vec::with_capacity(bytes));
        if !piece.is_empty() {
            self.full.push(piece);
        }
        Ok(())
    }

    /// Returns the body. Most bodies are one piece, which is returned without a copy.
    fn whole(mut self) -> Result<Bytes, Problem> {
        if self.full.is_empty() {
            return Ok(self.last.into());
        }
        // The pieces and the whole are allocated at the same time.
        self.take(self.bytes)?;
        let mut whole = Vec::with_capacity(self.bytes);
        let mut pieces = 0;
        for piece in self.full.drain(..).chain([self.last]) {
            whole.extend_from_slice(&piece);
            pieces += piece.capacity();
        }
        self.share.shrink(pieces + self.connection);
        Ok(whole.into())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        self.share.grow(bytes).map_err(|refused| match refused {
            Refused::UsedUp => Problem::no_memory(),
            Refused::Bound(holder) => Problem::no_memory_for(&holder),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};

    const MIB: usize = 1024 * 1024;
    const LIMITS: BodyLimits = BodyLimits { max_bytes: 8 * MIB, timeout: Duration::from_secs(30) };

    fn share_of(budget: &BodyBudget) -> Share {
        budget.0.share([Some(Bound { holder: Holder::Integration(uuid::Uuid::nil()), numerator: 1, denominator: 1 }), None, None, None])
    }

    fn chunks(count: usize, bytes: usize) -> Vec<Result<Bytes, PayloadError>> {
        (0..count).map(|at| Ok(Bytes::from(vec![at as u8; bytes]))).collect()
    }

    #[tokio::test]
    async fn a_body_is_read_as_it_was_sent_and_its_memory_is_counted() {
        // Columns: chunks, bytes of each, declared length, bytes of memory that are held at the end.
        let cases = [
            (0, 0, Some(0), 0),
            (1, 1000, Some(1000), 1000),
            (1, 1000, None, 1000),
            (2, 500, Some(1000), 1000),
            (3, 1000, None, 3000),
            (64, 4096, Some(256 * 1024), 256 * 1024),
            (2000, 4096, None, 2000 * 4096),
        ];
        for (count, bytes, declared, held) in cases {
            let budget = BodyBudget::new(64 * MIB);
            let mut share = share_of(&budget);
            let read = receive(stream::iter(chunks(count, bytes)), declared, LIMITS, &mut share).now_or_never().unwrap().unwrap();
            let sent: Vec<u8> = chunks(count, bytes).into_iter().flat_map(Result::unwrap).collect();
            assert!(read == sent, "{count} x {bytes}");
            assert_eq!(budget.0.held(), held, "{count} x {bytes}");
            drop(share);
            assert_eq!(budget.0.held(), 0);
        }
    }

    #[tokio::test]
    async fn a_declared_length_alone_takes_no_memory_and_memory_follows_what_comes() {
        let budget = BodyBudget::new(64 * MIB);
        let mut share = share_of(&budget);
        let declared = Some(8 * MIB as u64);
        assert!(receive(stream::pending(), declared, LIMITS, &mut share).now_or_never().is_none());
        assert_eq!(budget.0.held(), 0);
        let stalled = stream::iter(chunks(1, 10)).chain(stream::pending());
        assert!(receive(stalled, declared, LIMITS, &mut share).now_or_never().is_none());
        assert_eq!(budget.0.held(), MAX_PIECE_BYTES);
    }

    #[tokio::test]
    async fn a_body_over_its_share_or_its_size_is_refused() {
        let refused = |budget: usize, count| {
            let budget = BodyBudget::new(budget);
            let result = receive(stream::iter(chunks(count, 64 * 1024)), None, LIMITS, &mut share_of(&budget)).now_or_never().unwrap();
            result.err().map(|problem| problem.into_response().status().as_u16())
        };
        assert_eq!(refused(4 * MIB, 10), None);
        assert_eq!(refused(MIB, 10), Some(503));
        assert_eq!(refused(64 * MIB, 129), Some(413));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_below_the_rate_is_given_up_and_one_at_the_rate_is_not() {
        let slowly = |bytes: usize| {
            let chunks = stream::iter(chunks(20, bytes)).then(|chunk| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                chunk
            });
            Box::pin(chunks)
        };
        let budget = BodyBudget::new(64 * MIB);
        let begun = Instant::now();
        assert!(receive(slowly(16 * 1024), None, LIMITS, &mut share_of(&budget)).await.is_ok());
        assert_eq!(begun.elapsed(), Duration::from_secs(20));

        let begun = Instant::now();
        let problem = receive(slowly(1), None, LIMITS, &mut share_of(&budget)).await.unwrap_err();
        assert!((5000..5100).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        let response = problem.into_response();
        assert_eq!(response.status(), 408);

        let short = BodyLimits { timeout: Duration::from_secs(2), ..LIMITS };
        let begun = Instant::now();
        assert!(receive(slowly(MIB), None, short, &mut share_of(&budget)).await.is_err());
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }
}
