//! Microseconds of Unix time as a `timestamptz`.

use bytes::{BufMut, BytesMut};
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// Postgres counts from 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The largest value that still is a time for Postgres (the year 294276).
const LARGEST: i64 = 9_223_371_331_199_999_999;

/// Microseconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    /// The microseconds that a duration has, at most what fits.
    pub(crate) fn micros(duration: Duration) -> i64 {
        i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
    }

    /// This machine's clock.
    pub(crate) fn now() -> Self {
        Self(Self::micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// For people who read stored JSON; empty for a time that no calendar has.
    pub(crate) fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0).map(|time| time.to_string()).unwrap_or_default()
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0.clamp(0, LARGEST) - POSTGRES_EPOCH);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(since_2000.saturating_add(POSTGRES_EPOCH)))
    }

    accepts!(TIMESTAMPTZ);
}
