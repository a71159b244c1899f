//! Reading the columns of a row by their names.

use crate::database::timestamp::Timestamp;
use crate::database::word::{Word, read_word};
use crate::error::StoreError;
use forebay_contract::{Name, UnixMicros};
use tokio_postgres::Row;

/// Reads the types of columns that `tokio_postgres` does not know. As [`Row::get`], each panics where the statement has no such column.
pub(crate) trait ReadRow {
    fn time(&self, column: &str) -> UnixMicros;

    fn optional_time(&self, column: &str) -> Option<UnixMicros>;

    fn name(&self, column: &str) -> Result<Name, StoreError>;

    fn optional_name(&self, column: &str) -> Result<Option<Name>, StoreError>;

    /// Reads a `bigint` that is not negative.
    fn count(&self, column: &str) -> u64;

    fn word<W: Word>(&self, table: &str, column: &str) -> Result<W, StoreError>;

    fn optional_word<W: Word>(&self, table: &str, column: &str) -> Result<Option<W>, StoreError>;
}

impl ReadRow for Row {
    fn time(&self, column: &str) -> UnixMicros {
        self.get::<_, Timestamp>(column).0
    }

    fn optional_time(&self, column: &str) -> Option<UnixMicros> {
        self.get::<_, Option<Timestamp>>(column).map(|time| time.0)
    }

    fn name(&self, column: &str) -> Result<Name, StoreError> {
        read_name(self.get(column))
    }

    fn optional_name(&self, column: &str) -> Result<Option<Name>, StoreError> {
        self.get::<_, Option<&str>>(column).map(read_name).transpose()
    }

    fn count(&self, column: &str) -> u64 {
        u64::try_from(self.get::<_, i64>(column)).unwrap_or_default()
    }

    fn word<W: Word>(&self, table: &str, column: &str) -> Result<W, StoreError> {
        read_word(table, column, self.get(column))
    }

    fn optional_word<W: Word>(&self, table: &str, column: &str) -> Result<Option<W>, StoreError> {
        self.get::<_, Option<&str>>(column).map(|word| read_word(table, column, word)).transpose()
    }
}

/// Returns a stored name.
pub(crate) fn read_name(text: &str) -> Result<Name, StoreError> {
    text.parse().map_err(|_| StoreError::damaged("name"))
}
