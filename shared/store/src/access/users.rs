//! People who sign in.

use crate::access::roles::{Grants, Role, Scope};
use crate::database::audit_event::{AuditAction, AuditEvent, Principal, PrincipalKind};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::word::{Stored, read_word};
use crate::error::{StoreError, is_unique_violation};
use deadpool_postgres::{GenericClient, Transaction};
use forebay_contract::{Secret, UnixMicros};
use serde_json::{Value, json};
use std::net::IpAddr;
use tokio_postgres::Row;
use uuid::Uuid;

const MAX_NAME_LENGTH: usize = 200;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its id.
    pub id: Uuid,
    /// The name for signing in, in lower case.
    pub name: String,
    /// Its full name, for people.
    pub full_name: String,
    /// Its roles.
    pub grants: Grants,
    /// True if it may sign in.
    pub enabled: bool,
    /// True if it signs in with a password.
    pub has_password: bool,
    /// True if it has signed in by OpenID Connect.
    pub has_subject: bool,
    /// Counts changes.
    pub revision: i32,
    /// Microseconds of Unix time.
    pub created_at: UnixMicros,
    /// The time at which it signed in last.
    pub last_sign_in_at: Option<UnixMicros>,
}

/// A person to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name for signing in; stored in lower case.
    pub name: String,
    /// Its full name, for people.
    pub full_name: String,
    /// A digest of the password in the PHC form; `None`: signs in by OpenID Connect.
    pub password: Option<Secret>,
    /// Its roles.
    pub grants: Grants,
}

/// The changes of a person; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Its full name, for people.
    pub full_name: Option<String>,
    /// True if it may sign in.
    pub enabled: Option<bool>,
    /// Its roles from now on.
    pub grants: Option<Grants>,
    /// A new password; every session of the person ends.
    pub password: Option<NewPassword>,
}

/// A new password of a person.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// A digest of it in the PHC form.
    pub digest: Secret,
    /// True if somebody else has set it, as for an account that others have used: the person's tokens end too.
    pub is_reset: bool,
}

/// The columns that [`user_row`] reads, of `users u`.
pub(crate) const USER_COLUMNS: &str = "u.id, u.name, u.full_name, u.enabled, u.password is not null as has_password,
    u.subject is not null as has_subject, u.revision, u.created_at, u.last_sign_in_at,
    array(select g.tenant from user_grants g where g.user_id = u.id order by g.tenant) as grant_tenants,
    array(select g.role from user_grants g where g.user_id = u.id order by g.tenant) as grant_roles";

impl Store {
    /// Returns true if there is a person who can sign in: `false` until the first run.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let operation = "look for users";
        let client = self.client(operation).await?;
        let row = client.query_one("select exists (select from users)", &[]).await.map_err(StoreError::during(operation))?;
        Ok(row.get(0))
    }

    /// Creates the first person, an administrator of everything; refused when there is one already.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Invalid`], and those of the database.
    pub async fn create_first_user(&self, new: NewUser, address: Option<IpAddr>) -> Result<UserRow, StoreError> {
        let operation = "create the first user";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        transaction.batch_execute("lock table users in share row exclusive mode").await.map_err(failed)?;
        let exists = transaction.query_one("select exists (select from users)", &[]).await.map_err(failed)?;
        if exists.get(0) {
            return Err(StoreError::Exists { what: "an administrator".to_owned() });
        }
        let principal = Principal { kind: PrincipalKind::System, name: "first run".to_owned(), user: None, address };
        let user = insert(&transaction, NewUser { grants: Grants::everywhere(Role::Administrator), ..new }).await?;
        transaction.commit(&principal, &[created(&user)]).await?;
        Ok(user)
    }

    /// Creates a person.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Invalid`], and those of the database.
    pub async fn create_user(&self, new: NewUser, by: &Principal) -> Result<UserRow, StoreError> {
        let operation = "create a user";
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let user = insert(&transaction, new).await?;
        transaction.commit(by, &[created(&user)]).await?;
        Ok(user)
    }

    /// Returns every person, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_users(&self) -> Result<Vec<UserRow>, StoreError> {
        let operation = "list users";
        let client = self.client(operation).await?;
        let rows = client.query(&format!("select {USER_COLUMNS} from users u order by u.name"), &[]).await;
        rows.map_err(StoreError::during(operation))?.iter().map(user_row).collect()
    }

    /// Returns one person.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and those of the database.
    pub async fn user(&self, id: Uuid) -> Result<UserRow, StoreError> {
        let client = self.client("read a user").await?;
        read(&client, id).await
    }

    /// Returns the person of this name with the digest of the password, for signing in.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_to_sign_in(&self, name: &str) -> Result<Option<(UserRow, Option<Secret>)>, StoreError> {
        let operation = "read a user";
        let client = self.client(operation).await?;
        let sql = format!("select {USER_COLUMNS}, u.password from users u where u.name = $1");
        let row = client.query_opt(&sql, &[&name.trim().to_lowercase()]).await.map_err(StoreError::during(operation))?;
        row.map(|row| Ok((user_row(&row)?, row.get::<_, Option<String>>("password").map(Secret::from)))).transpose()
    }

    /// Returns the person that a provider of OpenID Connect has named, for signing in: the one with this `subject` (issuer and subject,
    /// with a space between them). At the first time it is the one with this `name`, of which the provider has proof, and gets the subject.
    /// `None`: no such person was created.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_of_subject(&self, subject: &str, name: Option<&str>, address: Option<IpAddr>) -> Result<Option<UserRow>, StoreError> {
        let operation = "read a user";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let sql = format!("select {USER_COLUMNS} from users u where u.subject = $1");
        if let Some(row) = transaction.query_opt(&sql, &[&subject]).await.map_err(failed)? {
            return user_row(&row).map(Some);
        }
        let Some(name) = name else { return Ok(None) };
        let sql =
            "update users set subject = $1, revision = revision + 1, updated_at = now() where name = $2 and subject is null returning id";
        let Some(row) = transaction.query_opt(sql, &[&subject, &name.trim().to_lowercase()]).await.map_err(failed)? else {
            return Ok(None);
        };
        let user = read(&*transaction, row.get(0)).await?;
        let principal = Principal { kind: PrincipalKind::User, name: user.name.clone(), user: Some(user.id), address };
        transaction
            .commit(&principal, &[audit_event(AuditAction::UserLink, &user.name, None, Some(json!({ "subject": subject })))])
            .await?;
        Ok(Some(user))
    }

    /// Changes a person; `expected`: the revision that the change was made from.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], [`StoreError::LastAdministrator`], [`StoreError::Invalid`], and those of the
    /// database.
    pub async fn update_user(&self, id: Uuid, change: UserChange, expected: Option<i32>, by: &Principal) -> Result<UserRow, StoreError> {
        let operation = "change a user";
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let before = read_expected(&transaction, id, expected).await?;
        let event = change_user(&transaction, &before, change).await?;
        refuse_without_administrator(&transaction).await?;
        let after = read(&*transaction, id).await?;
        transaction.commit(by, &[event]).await?;
        Ok(after)
    }

    /// Deletes a person with its sessions and tokens.
    ///
    /// # Errors
    /// Those of [`Store::update_user`].
    pub async fn delete_user(&self, id: Uuid, expected: Option<i32>, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete a user";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let before = read_expected(&transaction, id, expected).await?;
        transaction.execute("delete from users where id = $1", &[&id]).await.map_err(failed)?;
        refuse_without_administrator(&transaction).await?;
        transaction.commit(by, &[audit_event(AuditAction::UserDelete, &before.name, Some(shown(&before)), None)]).await
    }
}

fn audit_event(action: AuditAction, name: &str, before: Option<Value>, after: Option<Value>) -> AuditEvent {
    AuditEvent { tenant: None, action, target: name.to_owned(), before, after }
}

fn created(user: &UserRow) -> AuditEvent {
    audit_event(AuditAction::UserCreate, &user.name, None, Some(shown(user)))
}

async fn insert(transaction: &Transaction<'_>, new: NewUser) -> Result<UserRow, StoreError> {
    let failed = StoreError::during("create a user");
    let name = valid_name(&new.name)?;
    let full_name = valid_full_name(&new.full_name)?;
    let id = Uuid::new_v4();
    let sql = "insert into users (id, name, full_name, password, enabled) values ($1, $2, $3, $4, true)";
    let inserted = transaction.execute(sql, &[&id, &name, &full_name, &new.password.as_ref().map(Secret::expose)]).await;
    inserted.map_err(|error| match is_unique_violation(&error) {
        true => StoreError::Exists { what: format!("a user with the name {name}") },
        false => failed(error),
    })?;
    write_grants(transaction, id, &new.grants).await?;
    read(transaction, id).await
}

/// Returns the event of the change.
async fn change_user(transaction: &Transaction<'_>, before: &UserRow, change: UserChange) -> Result<AuditEvent, StoreError> {
    let failed = StoreError::during("change a user");
    let full_name = change.full_name.as_deref().map(valid_full_name).transpose()?;
    let password = change.password.as_ref().map(|password| password.digest.expose());
    let sql = "update users set full_name = coalesce($2, full_name), enabled = coalesce($3, enabled), password = coalesce($4, password),
                   revision = revision + 1, updated_at = now()
               where id = $1";
    transaction.execute(sql, &[&before.id, &full_name, &change.enabled, &password]).await.map_err(failed)?;
    if let Some(grants) = &change.grants {
        write_grants(transaction, before.id, grants).await?;
    }
    if change.password.is_some() || change.enabled == Some(false) {
        transaction.execute("delete from sessions where user_id = $1", &[&before.id]).await.map_err(failed)?;
    }
    let mut after = shown(&read(transaction, before.id).await?);
    if let Some(password) = &change.password {
        after["password"] = if password.is_reset { "reset" } else { "changed" }.into();
        if password.is_reset {
            let ended = transaction.execute("delete from api_tokens where user_id = $1", &[&before.id]).await.map_err(failed)?;
            after["tokensEnded"] = ended.into();
        }
    }
    Ok(audit_event(AuditAction::UserUpdate, &before.name, Some(shown(before)), Some(after)))
}

/// Refuses a change after which nobody could administer the installation.
async fn refuse_without_administrator(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let failed = StoreError::during("look for an administrator");
    // Two people who remove each other's rights take turns.
    transaction.batch_execute("lock table user_grants in share row exclusive mode").await.map_err(failed)?;
    let sql = "select exists (select from users u join user_grants g on g.user_id = u.id
                              where u.enabled and g.tenant = '*' and g.role = 'administrator')";
    let row = transaction.query_one(sql, &[]).await.map_err(failed)?;
    if row.get(0) { Ok(()) } else { Err(StoreError::LastAdministrator) }
}

async fn write_grants(transaction: &Transaction<'_>, id: Uuid, grants: &Grants) -> Result<(), StoreError> {
    let failed = StoreError::during("write roles");
    transaction.execute("delete from user_grants where user_id = $1", &[&id]).await.map_err(failed)?;
    for (scope, role) in grants.iter() {
        let sql = "insert into user_grants (user_id, tenant, role) values ($1, $2, $3)";
        transaction.execute(sql, &[&id, &scope.to_string(), &Stored(role)]).await.map_err(failed)?;
    }
    Ok(())
}

async fn read(client: &impl GenericClient, id: Uuid) -> Result<UserRow, StoreError> {
    let row = client.query_opt(&format!("select {USER_COLUMNS} from users u where u.id = $1"), &[&id]).await;
    let row = row.map_err(StoreError::during("read a user"))?;
    row.as_ref().map(user_row).transpose()?.ok_or_else(|| not_found(id))
}

async fn read_expected(transaction: &Transaction<'_>, id: Uuid, expected: Option<i32>) -> Result<UserRow, StoreError> {
    let locked = transaction.query_opt("select 1 from users where id = $1 for update", &[&id]).await;
    if locked.map_err(StoreError::during("read a user"))?.is_none() {
        return Err(not_found(id));
    }
    let user = read(transaction, id).await?;
    match expected {
        Some(expected) if expected != user.revision => Err(StoreError::Changed { what: format!("the user {}", user.name) }),
        _ => Ok(user),
    }
}

fn not_found(id: Uuid) -> StoreError {
    StoreError::NotFound { what: format!("the user {id}") }
}

/// Reads [`USER_COLUMNS`].
pub(crate) fn user_row(row: &Row) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        id: row.get("id"),
        name: row.get("name"),
        full_name: row.get("full_name"),
        enabled: row.get("enabled"),
        has_password: row.get("has_password"),
        has_subject: row.get("has_subject"),
        revision: row.get("revision"),
        created_at: row.time("created_at"),
        last_sign_in_at: row.optional_time("last_sign_in_at"),
        grants: read_grants(row.get("grant_tenants"), row.get("grant_roles"))?,
    })
}

fn read_grants(tenants: Vec<&str>, roles: Vec<&str>) -> Result<Grants, StoreError> {
    let read = |(tenant, role): (&str, &str)| {
        let scope: Scope = tenant.parse().map_err(|_| StoreError::damaged("scope of a role"))?;
        Ok((scope, read_word("user_grants", "role", role)?))
    };
    tenants.into_iter().zip(roles).map(read).collect()
}

/// Returns a person as the audit log shows it.
fn shown(user: &UserRow) -> Value {
    let grants: serde_json::Map<String, Value> =
        user.grants.iter().map(|(scope, role)| (scope.to_string(), role.as_str().into())).collect();
    json!({ "name": user.name, "fullName": user.full_name, "enabled": user.enabled, "grants": grants })
}

fn valid_name(name: &str) -> Result<String, StoreError> {
    let name = name.trim().to_lowercase();
    let length = name.chars().count();
    if !(1..=MAX_NAME_LENGTH).contains(&length) || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let reason = format!("must have 1 to {MAX_NAME_LENGTH} characters without spaces, such as anna or anna@example.com");
        return Err(StoreError::Invalid { what: "the name", reason });
    }
    Ok(name)
}

fn valid_full_name(name: &str) -> Result<String, StoreError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME_LENGTH || name.chars().any(char::is_control) {
        let reason = format!("must have at most {MAX_NAME_LENGTH} characters without line breaks");
        return Err(StoreError::Invalid { what: "the full name", reason });
    }
    Ok(name.to_owned())
}
