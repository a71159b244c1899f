//! Sessions of people who are signed in. Only the SHA-256 digest of a session's cookie is stored.

use crate::access::users::{USER_COLUMNS, UserRow, user_row};
use crate::database::audit_event::{AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::error::StoreError;
use std::time::Duration;
use uuid::Uuid;

/// The interval between two writes of the last use, so that most pages cost no write.
const LAST_USE_INTERVAL: &str = "1 minute";

/// The use of a session by a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionUse {
    /// The user acts: the request extends the session.
    Active,
    /// An open page reads it: the request does not extend the session.
    Passive,
}

impl Store {
    /// Opens a session of a person who has just signed in. Expired sessions are deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_session(
        &self,
        user: Uuid,
        digest: &[u8; 32],
        lifetime: Duration,
        idle: Duration,
        principal: &Principal,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let operation = "open a session";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let sql = "delete from sessions where expires_at < now() or last_seen_at < now() - $1 * interval '1 second'";
        transaction.execute(sql, &[&idle.as_secs_f64()]).await.map_err(failed)?;
        let sql = "insert into sessions (digest, user_id, expires_at) values ($1, $2, now() + $3 * interval '1 second')";
        transaction.execute(sql, &[&digest.as_slice(), &user, &lifetime.as_secs_f64()]).await.map_err(failed)?;
        transaction.execute("update users set last_sign_in_at = now() where id = $1", &[&user]).await.map_err(failed)?;
        transaction.commit(principal, std::slice::from_ref(event)).await
    }

    /// Returns the person of a session that has neither ended nor been idle for longer than `idle`; `None`: sign in again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn session_user(&self, digest: &[u8; 32], idle: Duration, session_use: SessionUse) -> Result<Option<UserRow>, StoreError> {
        let operation = "read a session";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = format!(
            "select {USER_COLUMNS}, s.last_seen_at < now() - interval '{LAST_USE_INTERVAL}' as is_due
             from sessions s join users u on u.id = s.user_id
             where s.digest = $1 and s.expires_at > now() and s.last_seen_at > now() - $2 * interval '1 second' and u.enabled"
        );
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let Some(row) = client.query_opt(&statement, &[&digest.as_slice(), &idle.as_secs_f64()]).await.map_err(failed)? else {
            return Ok(None);
        };
        if session_use == SessionUse::Active && row.get("is_due") {
            client.execute("update sessions set last_seen_at = now() where digest = $1", &[&digest.as_slice()]).await.map_err(failed)?;
        }
        Ok(Some(user_row(&row)?))
    }

    /// Ends a session. One that is not there is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close_session(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        let operation = "close a session";
        let client = self.client(operation).await?;
        client.execute("delete from sessions where digest = $1", &[&digest.as_slice()]).await.map_err(StoreError::during(operation))?;
        Ok(())
    }
}
