//! API keys. Only a digest of a key is stored (see `digests`). The text of a signing key is stored too, encrypted.

use crate::access::digests::{self, PastedDigests, key_digest};
use crate::access::grants;
use crate::access::signing;
use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::caps::Counted;
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::row::read_name;
use crate::database::timestamp::Timestamp;
use crate::error::{StoreError, is_unique_violation};
use deadpool_postgres::GenericClient;
use forebay_contract::{Name, Secret, UnixMicros};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The prefix of generated keys, by which people and secret scanners recognize them.
const PREFIX: &str = "fbk_";
/// The prefix of generated signing keys.
const SIGNING_PREFIX: &str = "fbs_";
const RANDOM_BYTES: usize = 32;
const HINT_LENGTH: usize = 4;
/// Bytes of a pasted key.
const PASTED: std::ops::RangeInclusive<usize> = 16..=512;
const MAX_LABEL_LENGTH: usize = 200;

/// A key to create.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The tenant that it belongs to.
    pub tenant: Name,
    /// Its label, for people.
    pub label: String,
    /// The integrations that it opens, by name.
    pub integrations: Vec<Name>,
    /// A key that exists elsewhere already; `None`: one is generated.
    pub value: Option<Secret>,
    /// The time at which it ends; `None`: when it is deleted.
    pub expires_at: Option<UnixMicros>,
    /// True if it is a signing key: callers do not send it, they sign their calls with it.
    pub signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own; a signing key reads none.
    pub reads_all_outcomes: bool,
}

/// A key that was created: the only time that its text is seen.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// Its id, to change or delete it.
    pub id: Uuid,
    /// The key that callers send, or sign with.
    pub key: Secret,
}

/// One key in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Name,
    /// Its label.
    pub label: String,
    /// The names of the integrations that it opens, sorted.
    pub integrations: Vec<String>,
    /// Microseconds of Unix time.
    pub created_at: UnixMicros,
    /// The last four characters of a generated key; `None` for a pasted one.
    pub hint: Option<String>,
    /// The time at which it ends or has ended; `None`: when it is deleted.
    pub expires_at: Option<UnixMicros>,
    /// The time at which a call used it last, to the minute; `None`: no call has.
    pub last_used_at: Option<UnixMicros>,
    /// Counts changes.
    pub revision: i32,
    /// True if it is a signing key.
    pub signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own; a signing key reads none.
    pub reads_all_outcomes: bool,
}

/// The changes of a key; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// Its label.
    pub label: Option<String>,
    /// All integrations that it opens from now on, by name; `grant` and `revoke` change these.
    pub integrations: Option<Vec<Name>>,
    /// Integrations that it opens as well, by name. One that it opens already stays.
    pub grant: Vec<Name>,
    /// Integrations that it no longer opens, by name.
    pub revoke: Vec<Name>,
    /// The time at which it ends; `Some(None)`: when it is deleted.
    pub expires_at: Option<Option<UnixMicros>>,
    /// Reads the outcomes of all calls of its integrations, not only of its own.
    pub reads_all_outcomes: Option<bool>,
}

impl Store {
    /// Creates a key.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a label or value that can't be used, [`StoreError::UnknownIntegrations`], [`StoreError::KeyExists`],
    /// [`StoreError::TooMany`], and those of the database.
    pub async fn create_key(&self, new: NewKey, by: &Principal) -> Result<CreatedKey, StoreError> {
        let operation = "create a key";
        let failed = StoreError::during(operation);
        let label = valid_label(&new.label)?;
        let is_pasted = new.value.is_some();
        check_outcomes(new.signs, new.reads_all_outcomes)?;
        let (key, hint) = match new.value {
            Some(value) if new.signs => (signing::valid_value(value.expose())?, None),
            Some(value) => (valid_value(value.expose())?, None),
            None => generate(if new.signs { SIGNING_PREFIX } else { PREFIX }).map(|(key, hint)| (key, Some(hint)))?,
        };
        let id = Uuid::new_v4();
        let sealed = if new.signs { Some(signing::seal(self.secret_keys.as_deref(), &new.tenant, id, &key)?) } else { None };
        let (content, by_key) = (sealed.as_ref().map(|sealed| &sealed.content), sealed.as_ref().map(|sealed| sealed.by.as_slice()));
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Keys]).await?;
        if new.signs && signing::find(&*transaction, self.secret_keys.as_deref(), &new.tenant, &key).await?.is_some() {
            return Err(StoreError::KeyExists);
        }
        let integrations = grants::resolve(&transaction, &new.tenant, &new.integrations).await?;
        let digest = match (new.signs, is_pasted) {
            // A digest of no key, so that it opens nothing as an API key.
            (true, _) => key_digest(&generate(SIGNING_PREFIX)?.0),
            (false, false) => key_digest(&key),
            (false, true) => {
                let digests = digests::load_or_make(&*transaction, self.secret_keys.as_deref()).await?;
                let [digest, earlier] = pasted_digests(digests.as_ref(), &new.tenant, &key);
                let sql = "select exists (select from api_keys where tenant = $1 and digest = $2 and sealed is null)";
                let exists = transaction.query_one(sql, &[&new.tenant.as_str(), &earlier.as_slice()]).await.map_err(failed)?;
                if exists.get(0) {
                    return Err(StoreError::KeyExists);
                }
                digest
            }
        };
        let sql = "insert into api_keys (id, tenant, label, digest, hint, expires_at, sealed, sealed_by, reads_all_outcomes)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let expires_at = new.expires_at.map(Timestamp);
        let (tenant, digest) = (new.tenant.as_str(), digest.as_slice());
        let parameters: [&(dyn ToSql + Sync); 9] =
            [&id, &tenant, &label, &digest, &hint, &expires_at, &content, &by_key, &new.reads_all_outcomes];
        let inserted = transaction.execute(sql, &parameters).await;
        inserted.map_err(|error| if is_unique_violation(&error) { StoreError::KeyExists } else { failed(error) })?;
        self.caps.check(&transaction, Counted::Keys, &new.tenant).await?;
        grants::replace(&transaction, id, &integrations).await?;
        let created = read(&*transaction, id).await?;
        transaction.commit(by, &[audit_event(AuditAction::KeyCreate, &created, None, Some(shown(&created)))]).await?;
        Ok(CreatedKey { id, key: key.into() })
    }

    /// Returns all keys, or those of a tenant, by tenant, label and age.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_keys(&self, tenant: Option<&Name>) -> Result<Vec<KeyRow>, StoreError> {
        let operation = "list keys";
        let client = self.client(operation).await?;
        let sql = format!(
            "select {COLUMNS} from api_keys k where $1::text is null or k.tenant = $1 order by k.tenant, k.label, k.created_at, k.id"
        );
        let rows = client.query(&sql, &[&tenant.map(Name::as_str)]).await.map_err(StoreError::during(operation))?;
        rows.iter().map(key_row).collect()
    }

    /// Returns one key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and those of the database.
    pub async fn key(&self, id: Uuid) -> Result<KeyRow, StoreError> {
        let client = self.client("read a key").await?;
        read(&client, id).await
    }

    /// Returns the key of a tenant that has this value, among those that sign or those that do not; `None`: there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_of_value(&self, tenant: &Name, value: &Secret, signs: bool) -> Result<Option<KeyRow>, StoreError> {
        let (operation, value) = ("look for a key", value.expose());
        let client = self.client(operation).await?;
        if signs {
            let Some(id) = signing::find(&client, self.secret_keys.as_deref(), tenant, value).await? else { return Ok(None) };
            return read(&client, id).await.map(Some);
        }
        let digests = digests::load(&client, self.secret_keys.as_deref()).await?;
        let digests = pasted_digests(digests.as_ref(), tenant, value);
        let digests: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
        let sql = format!("select {COLUMNS} from api_keys k where k.tenant = $1 and k.digest = any($2) and k.sealed is null limit 1");
        let row = client.query_opt(&sql, &[&tenant.as_str(), &digests]).await;
        row.map_err(StoreError::during(operation))?.as_ref().map(key_row).transpose()
    }

    /// Changes a key's label, integrations, expiry and the outcomes that it reads. `expected`: the revision from which the change was made.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], [`StoreError::Invalid`], [`StoreError::UnknownIntegrations`], and those of the
    /// database.
    pub async fn update_key(&self, id: Uuid, change: KeyChange, expected: Option<i32>, by: &Principal) -> Result<KeyRow, StoreError> {
        let operation = "update a key";
        let failed = StoreError::during(operation);
        let label = change.label.as_deref().map(valid_label).transpose()?;
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Keys]).await?;
        let before = read_expected(&*transaction, id, expected).await?;
        let expires_at = change.expires_at.unwrap_or(before.expires_at).map(Timestamp);
        let reads_all = change.reads_all_outcomes.unwrap_or(before.reads_all_outcomes);
        check_outcomes(before.signs, reads_all)?;
        let sql = "update api_keys set label = coalesce($2, label), expires_at = $3, reads_all_outcomes = $4, revision = revision + 1
                   where id = $1";
        transaction.execute(sql, &[&id, &label, &expires_at, &reads_all]).await.map_err(failed)?;
        if let Some(names) = integrations_after(&before, change)? {
            let integrations = grants::resolve(&transaction, &before.tenant, &names).await?;
            grants::replace(&transaction, id, &integrations).await?;
        }
        let after = read(&*transaction, id).await?;
        transaction.commit(by, &[audit_event(AuditAction::KeyUpdate, &before, Some(shown(&before)), Some(shown(&after)))]).await?;
        Ok(after)
    }

    /// Deletes a key, if its revision is still `expected` (`None`: whatever it is): from within a second on, no replica accepts it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], and those of the database.
    pub async fn delete_key(&self, id: Uuid, expected: Option<i32>, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete a key";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Keys]).await?;
        let before = read_expected(&*transaction, id, expected).await?;
        transaction.execute("delete from api_keys where id = $1", &[&id]).await.map_err(failed)?;
        transaction.commit(by, &[audit_event(AuditAction::KeyDelete, &before, Some(shown(&before)), None)]).await
    }

    /// Stores the last uses of keys, pairs of id and time. Deleted keys are passed over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_key_uses(&self, uses: &[(Uuid, UnixMicros)]) -> Result<(), StoreError> {
        let operation = "note uses of keys";
        let client = self.client(operation).await?;
        let ids: Vec<Uuid> = uses.iter().map(|(id, _)| *id).collect();
        let times: Vec<Timestamp> = uses.iter().map(|(_, at)| Timestamp(*at)).collect();
        let sql = "update api_keys k set last_used_at = greatest(k.last_used_at, used.at)
                   from unnest($1::uuid[], $2::timestamptz[]) as used (id, at) where k.id = used.id";
        client.execute(sql, &[&ids, &times]).await.map_err(StoreError::during(operation))?;
        Ok(())
    }
}

/// Returns the digest that a pasted key of this value has in a tenant, and the one that an earlier version gave it.
fn pasted_digests(digests: Option<&PastedDigests>, tenant: &Name, value: &str) -> [[u8; 32]; 2] {
    let earlier = key_digest(value);
    [digests.map_or(earlier, |digests| digests.of(tenant.as_str(), value)), earlier]
}

/// Returns the names of the integrations that a key opens after a change; `None`: they do not change.
fn integrations_after(before: &KeyRow, change: KeyChange) -> Result<Option<Vec<Name>>, StoreError> {
    let KeyChange { label: _, integrations, grant, revoke, expires_at: _, reads_all_outcomes: _ } = change;
    if integrations.is_none() && grant.is_empty() && revoke.is_empty() {
        return Ok(None);
    }
    let mut names = match integrations {
        Some(names) => names,
        None => before.integrations.iter().map(|name| read_name(name)).collect::<Result<_, _>>()?,
    };
    // A name that was misspelled must not look revoked.
    if let Some(unknown) = revoke.iter().find(|name| !names.contains(name)) {
        let reason = format!("'{}' does not open {unknown}; it opens {}", before.label, listed(&before.integrations));
        return Err(StoreError::Invalid { what: "the key", reason });
    }
    names.extend(grant);
    names.retain(|name| !revoke.contains(name));
    names.sort();
    names.dedup();
    Ok(Some(names))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The columns that [`key_row`] reads, of `api_keys k`.
const COLUMNS: &str = "k.id, k.tenant, k.label, k.created_at, k.hint, k.expires_at, k.last_used_at, k.revision, k.reads_all_outcomes,
    k.sealed is not null as signs,
    array(select i.name from api_key_grants g join integrations i on i.id = g.integration_id where g.key_id = k.id order by i.name)
        as integrations";

async fn read_expected(client: &impl GenericClient, id: Uuid, expected: Option<i32>) -> Result<KeyRow, StoreError> {
    let row = read(client, id).await?;
    match expected {
        Some(expected) if expected != row.revision => Err(StoreError::Changed { what: format!("the key {}", row.label) }),
        _ => Ok(row),
    }
}

async fn read(client: &impl GenericClient, id: Uuid) -> Result<KeyRow, StoreError> {
    let row = client.query_opt(&format!("select {COLUMNS} from api_keys k where k.id = $1"), &[&id]).await;
    row.map_err(StoreError::during("read a key"))?.as_ref().map(key_row).transpose()?.ok_or_else(|| no_key(id))
}

/// Reads [`COLUMNS`].
fn key_row(row: &Row) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: row.get("id"),
        tenant: row.name("tenant")?,
        label: row.get("label"),
        created_at: row.time("created_at"),
        hint: row.get("hint"),
        integrations: row.get("integrations"),
        expires_at: row.optional_time("expires_at"),
        last_used_at: row.optional_time("last_used_at"),
        revision: row.get("revision"),
        signs: row.get("signs"),
        reads_all_outcomes: row.get("reads_all_outcomes"),
    })
}

fn audit_event(action: AuditAction, key: &KeyRow, before: Option<Value>, after: Option<Value>) -> AuditEvent {
    AuditEvent::of_tenant(action, &key.tenant, &key.label, before, after)
}

/// Returns a key as the audit log shows it.
fn shown(key: &KeyRow) -> Value {
    let expires_at = key.expires_at.map(|at| at.rfc3339());
    let mut shown =
        json!({ "id": key.id, "label": key.label, "integrations": key.integrations, "hint": key.hint, "expiresAt": expires_at });
    match key.signs {
        true => shown["signs"] = json!(true),
        false => shown["allOutcomes"] = json!(key.reads_all_outcomes),
    }
    shown
}

/// Returns an error where a signing key is to read outcomes: it is not sent, so nothing can be read with it.
fn check_outcomes(signs: bool, reads_all_outcomes: bool) -> Result<(), StoreError> {
    if signs && reads_all_outcomes {
        let reason = "signs calls, so it reads no outcomes: create an API key that reads them".to_owned();
        return Err(StoreError::Invalid { what: "the key", reason });
    }
    Ok(())
}

fn no_key(id: Uuid) -> StoreError {
    StoreError::NotFound { what: format!("the key {id}") }
}

/// Returns a new key and its hint.
pub(crate) fn generate(prefix: &str) -> Result<(String, String), StoreError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|source| StoreError::Random { source })?;
    let random = data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
    let hint = random[random.len() - HINT_LENGTH..].to_owned();
    Ok((format!("{prefix}{random}"), hint))
}

fn valid_value(value: &str) -> Result<String, StoreError> {
    let what = "the key";
    if !PASTED.contains(&value.len()) {
        let reason = format!("has {} bytes; it must have {} to {}", value.len(), PASTED.start(), PASTED.end());
        return Err(StoreError::Invalid { what, reason });
    }
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "has a space, a control character or a character beyond ASCII; it must travel in an HTTP header".to_owned();
        return Err(StoreError::Invalid { what, reason });
    }
    Ok(value.to_owned())
}

pub(crate) fn valid_label(label: &str) -> Result<String, StoreError> {
    let is_plain = !label.chars().any(char::is_control);
    let label = label.trim();
    if !is_plain || !(1..=MAX_LABEL_LENGTH).contains(&label.chars().count()) {
        let reason = format!("must have 1 to {MAX_LABEL_LENGTH} characters without line breaks");
        return Err(StoreError::Invalid { what: "the label", reason });
    }
    Ok(label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_has_the_prefix_and_256_random_bits() {
        let (key, hint) = generate(PREFIX).unwrap();
        assert_eq!(key.len(), PREFIX.len() + 52);
        assert!(key.ends_with(&hint));
        assert_ne!(key, generate(PREFIX).unwrap().0);
        assert!(valid_value(&key).is_ok());
    }

    #[test]
    fn debug_output_shows_no_key_token_or_digest() {
        let created = CreatedKey { id: Uuid::nil(), key: Secret::new("hunter2hunter2hunter2") };
        let tenant: Name = "t".parse().unwrap();
        let new = NewKey {
            tenant,
            label: "l".to_owned(),
            integrations: vec![],
            value: Some(Secret::new("hunter2hunter2")),
            expires_at: None,
            signs: false,
            reads_all_outcomes: false,
        };
        assert!(!format!("{created:?}{new:?}").contains("hunter2"));
        let token = crate::CreatedToken { id: Uuid::nil(), token: Secret::new("hunter2") };
        let digest = || Secret::new("hunter2");
        let grants = crate::Grants::everywhere(crate::Role::Viewer);
        let user = crate::NewUser { name: "n".to_owned(), full_name: "N".to_owned(), password: Some(digest()), grants };
        let password = crate::NewPassword { digest: digest(), is_reset: false };
        let change = crate::UserChange { password: Some(password), ..crate::UserChange::default() };
        assert!(!format!("{token:?}{user:?}{change:?}").contains("hunter2"));
    }
}
