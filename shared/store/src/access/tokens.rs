//! API tokens: a person's rights, or fewer, for a program, until they expire. Only the SHA-256 digest of a token is stored.

use crate::access::digests::key_digest;
use crate::access::keys::{generate, valid_label};
use crate::access::roles::{Role, Scope};
use crate::access::users::{USER_COLUMNS, UserRow, user_row};
use crate::database::audit_event::{AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use forebay_contract::UnixMicros;
use serde_json::json;
use std::fmt;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// Tokens begin with it, so that people and secret scanners know what they see.
const PREFIX: &str = "fbt_";
/// The last use is written at most as often.
const SEEN_INTERVAL: &str = "1 minute";

/// A token to create.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its owner.
    pub user: Uuid,
    /// Its label, for people.
    pub label: String,
    /// The strongest role that it has.
    pub role: Role,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// Its lifetime.
    pub lasts: Duration,
}

/// A token that was created: the only time that its text is seen.
#[derive(Clone)]
pub struct CreatedToken {
    /// Its id, to delete it.
    pub id: Uuid,
    /// The token that programs send.
    pub token: String,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One token in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub id: Uuid,
    /// Its owner.
    pub user: Uuid,
    /// The owner's name.
    pub user_name: String,
    /// Its label.
    pub label: String,
    /// Its last four characters.
    pub hint: String,
    /// The strongest role that it has.
    pub role: Role,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// Microseconds of Unix time.
    pub created_at: UnixMicros,
    /// The time at which it ends or has ended.
    pub expires_at: UnixMicros,
    /// The time at which it was used last, to the minute.
    pub last_used_at: Option<UnixMicros>,
}

const COLUMNS: &str = "t.id, t.user_id, owner.name, t.label, t.hint, t.role, t.tenants, t.created_at, t.expires_at, t.last_used_at";

impl Store {
    /// Creates a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for its owner, [`StoreError::Invalid`], and those of the database.
    pub async fn create_token(&self, new: NewToken, by: &Principal) -> Result<CreatedToken, StoreError> {
        let operation = "create a token";
        let failed = StoreError::during(operation);
        let label = valid_label(&new.label)?;
        let (token, hint) = generate(PREFIX)?;
        let scopes: Vec<String> = new.scopes.iter().map(Scope::to_string).collect();
        let id = Uuid::new_v4();
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let owner = transaction.query_opt("select name from users where id = $1", &[&new.user]).await.map_err(failed)?;
        let owner: String = owner.ok_or_else(|| StoreError::NotFound { what: format!("the user {}", new.user) })?.get(0);
        let sql = "insert into api_tokens (id, user_id, label, digest, hint, role, tenants, expires_at)
                   values ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 second')";
        let digest = key_digest(&token);
        let lasts = new.lasts.as_secs_f64();
        transaction
            .execute(sql, &[&id, &new.user, &label, &digest.as_slice(), &hint, &new.role.as_str(), &scopes, &lasts])
            .await
            .map_err(failed)?;
        let after = json!({ "id": id, "owner": owner, "label": label, "role": new.role.as_str(), "tenants": scopes, "seconds": lasts });
        let event =
            AuditEvent { tenant: None, action: "token.create", target: format!("{owner}/{label}"), before: None, after: Some(after) };
        transaction.commit(by, &[event]).await?;
        Ok(CreatedToken { id, token })
    }

    /// All tokens, or those of a person, by owner, label and age.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_tokens(&self, user: Option<Uuid>) -> Result<Vec<TokenRow>, StoreError> {
        let operation = "list tokens";
        let client = self.client(operation).await?;
        let sql = format!(
            "select {COLUMNS} from api_tokens t join users owner on owner.id = t.user_id
             where $1::uuid is null or t.user_id = $1 order by owner.name, t.label, t.created_at, t.id"
        );
        client.query(&sql, &[&user]).await.map_err(StoreError::during(operation))?.iter().map(|row| token_row(row, 0)).collect()
    }

    /// Deletes a token; it opens nothing any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and those of the database.
    pub async fn delete_token(&self, id: Uuid, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete a token";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let sql = "delete from api_tokens t using users u where t.id = $1 and u.id = t.user_id returning u.name, t.label";
        let Some(row) = transaction.query_opt(sql, &[&id]).await.map_err(failed)? else {
            return Err(StoreError::NotFound { what: format!("the token {id}") });
        };
        let (owner, label): (String, String) = (row.get(0), row.get(1));
        let before = json!({ "id": id, "owner": owner, "label": label });
        let event =
            AuditEvent { tenant: None, action: "token.delete", target: format!("{owner}/{label}"), before: Some(before), after: None };
        transaction.commit(by, &[event]).await
    }

    /// The token with this [`digest`](key_digest) and its owner, as long as it works; its use is noted, to the minute.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token(&self, digest: &[u8; 32]) -> Result<Option<(TokenRow, UserRow)>, StoreError> {
        let operation = "read a token";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = format!(
            "select {USER_COLUMNS}, {COLUMNS}, t.last_used_at is null or t.last_used_at < now() - interval '{SEEN_INTERVAL}'
             from api_tokens t join users u on u.id = t.user_id join users owner on owner.id = t.user_id
             where t.digest = $1 and t.expires_at > now() and u.enabled"
        );
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let Some(row) = client.query_opt(&statement, &[&digest.as_slice()]).await.map_err(failed)? else { return Ok(None) };
        let token = token_row(&row, 11)?;
        if row.get(21) {
            client.execute("update api_tokens set last_used_at = now() where id = $1", &[&token.id]).await.map_err(failed)?;
        }
        Ok(Some((token, user_row(&row)?)))
    }
}

/// Reads [`COLUMNS`] from the column `first` on.
fn token_row(row: &Row, first: usize) -> Result<TokenRow, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "token" };
    let scopes: Vec<&str> = row.get(first + 6);
    Ok(TokenRow {
        id: row.get(first),
        user: row.get(first + 1),
        user_name: row.get(first + 2),
        label: row.get(first + 3),
        hint: row.get(first + 4),
        role: row.get::<_, &str>(first + 5).parse().map_err(damaged)?,
        scopes: scopes.into_iter().map(|scope| scope.parse().map_err(damaged)).collect::<Result<_, _>>()?,
        created_at: row.get::<_, Timestamp>(first + 7).0,
        expires_at: row.get::<_, Timestamp>(first + 8).0,
        last_used_at: row.get::<_, Option<Timestamp>>(first + 9).map(|time| time.0),
    })
}
