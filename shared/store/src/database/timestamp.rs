//! A time as a `timestamptz`.

use bytes::{BufMut, BytesMut};
use forebay_contract::UnixMicros;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// Postgres counts from 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The largest value that still is a time for Postgres (the year 294276).
const MAX_MICROS: i64 = 9_223_371_331_199_999_999;

/// A time that the database driver reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) UnixMicros);

impl Timestamp {
    /// Returns the time of this machine's clock.
    pub(crate) fn now() -> Self {
        Self(UnixMicros::now())
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0.get().clamp(0, MAX_MICROS) - POSTGRES_EPOCH);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(UnixMicros::new(since_2000.saturating_add(POSTGRES_EPOCH))))
    }

    accepts!(TIMESTAMPTZ);
}
