//! API tokens, with which a program has a person's rights, or fewer, until they expire. Only the SHA-256 digest of a token is stored.

use crate::access::digests::key_digest;
use crate::access::keys::{generate, valid_label};
use crate::access::roles::{Role, Scope};
use crate::access::users::{USER_COLUMNS, UserRow, user_row};
use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::word::{Stored, read_word};
use crate::error::StoreError;
use forebay_contract::{Secret, UnixMicros};
use serde_json::json;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// The prefix of tokens, by which people and secret scanners recognize them.
const PREFIX: &str = "fbt_";
/// The interval between two writes of the last use.
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
    pub lifetime: Duration,
}

/// A token that was created: the only time that its text is seen.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// Its id, to delete it.
    pub id: Uuid,
    /// The token that programs send.
    pub token: Secret,
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

/// The columns that [`token_row`] reads, of `api_tokens t` and `users owner`. Their names differ from those of [`USER_COLUMNS`].
const COLUMNS: &str = "t.id as token_id, t.user_id as token_user, owner.name as token_user_name, t.label as token_label,
    t.hint as token_hint, t.role as token_role, t.tenants as token_tenants, t.created_at as token_created_at,
    t.expires_at as token_expires_at, t.last_used_at as token_last_used_at";

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
        let lifetime = new.lifetime.as_secs_f64();
        transaction
            .execute(sql, &[&id, &new.user, &label, &digest.as_slice(), &hint, &Stored(new.role), &scopes, &lifetime])
            .await
            .map_err(failed)?;
        let after = json!({ "id": id, "owner": owner, "label": label, "role": new.role.as_str(), "tenants": scopes, "seconds": lifetime });
        let event = AuditEvent {
            tenant: None,
            action: AuditAction::TokenCreate,
            target: format!("{owner}/{label}"),
            before: None,
            after: Some(after),
        };
        transaction.commit(by, &[event]).await?;
        Ok(CreatedToken { id, token: token.into() })
    }

    /// Returns all tokens, or those of a person, by owner, label and age.
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
        client.query(&sql, &[&user]).await.map_err(StoreError::during(operation))?.iter().map(token_row).collect()
    }

    /// Deletes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and those of the database.
    pub async fn delete_token(&self, id: Uuid, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete a token";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let sql = "delete from api_tokens t using users u where t.id = $1 and u.id = t.user_id returning u.name as owner, t.label";
        let Some(row) = transaction.query_opt(sql, &[&id]).await.map_err(failed)? else {
            return Err(StoreError::NotFound { what: format!("the token {id}") });
        };
        let (owner, label): (String, String) = (row.get("owner"), row.get("label"));
        let before = json!({ "id": id, "owner": owner, "label": label });
        let event = AuditEvent {
            tenant: None,
            action: AuditAction::TokenDelete,
            target: format!("{owner}/{label}"),
            before: Some(before),
            after: None,
        };
        transaction.commit(by, &[event]).await
    }

    /// Returns the token with this [`digest`](key_digest) and its owner, as long as it works; its use is noted, to the minute.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token(&self, digest: &[u8; 32]) -> Result<Option<(TokenRow, UserRow)>, StoreError> {
        let operation = "read a token";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = format!(
            "select {USER_COLUMNS}, {COLUMNS}, t.last_used_at is null or t.last_used_at < now() - interval '{SEEN_INTERVAL}' as is_use_due
             from api_tokens t join users u on u.id = t.user_id join users owner on owner.id = t.user_id
             where t.digest = $1 and t.expires_at > now() and u.enabled"
        );
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let Some(row) = client.query_opt(&statement, &[&digest.as_slice()]).await.map_err(failed)? else { return Ok(None) };
        let token = token_row(&row)?;
        if row.get("is_use_due") {
            client.execute("update api_tokens set last_used_at = now() where id = $1", &[&token.id]).await.map_err(failed)?;
        }
        Ok(Some((token, user_row(&row)?)))
    }
}

/// Reads [`COLUMNS`].
fn token_row(row: &Row) -> Result<TokenRow, StoreError> {
    let scopes: Vec<&str> = row.get("token_tenants");
    let read_scope = |scope: &str| scope.parse().map_err(|_| StoreError::damaged("scope of a token"));
    Ok(TokenRow {
        id: row.get("token_id"),
        user: row.get("token_user"),
        user_name: row.get("token_user_name"),
        label: row.get("token_label"),
        hint: row.get("token_hint"),
        role: read_word("api_tokens", "role", row.get("token_role"))?,
        scopes: scopes.into_iter().map(read_scope).collect::<Result<_, _>>()?,
        created_at: row.time("token_created_at"),
        expires_at: row.time("token_expires_at"),
        last_used_at: row.optional_time("token_last_used_at"),
    })
}
