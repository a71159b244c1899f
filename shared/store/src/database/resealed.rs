//! Content of rows that is re-encrypted.

use crate::error::StoreError;
use crate::seal::Sealed;
use deadpool_postgres::Transaction;
use uuid::Uuid;

/// Content that is re-encrypted, by the id of its row.
#[derive(Default)]
pub(crate) struct Resealed {
    ids: Vec<Uuid>,
    contents: Vec<Vec<u8>>,
    bys: Vec<Vec<u8>>,
}

impl Resealed {
    pub(crate) fn push(&mut self, id: Uuid, Sealed { content, by }: Sealed) {
        self.ids.push(id);
        self.contents.push(content);
        self.bys.push(by);
    }

    /// Writes it to the columns `sealed` and `sealed_by` of the table, and returns the number of rows.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn write(self, transaction: &Transaction<'_>, table: &'static str) -> Result<usize, StoreError> {
        let sql = format!(
            "update {table} t set sealed = new.sealed, sealed_by = new.sealed_by
             from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as new (id, sealed, sealed_by) where t.id = new.id"
        );
        let failed = StoreError::during("write content that is re-encrypted");
        transaction.execute(&sql, &[&self.ids, &self.contents, &self.bys]).await.map_err(failed)?;
        Ok(self.ids.len())
    }
}
