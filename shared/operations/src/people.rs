//! Users of the console: signing in, users, tokens, and the audit log.

use crate::Operations;
use crate::actor::{Actor, Denied, Visible};
use crate::error::OperationError;
use crate::password::{Sender, is_right};
use forebay_contract::Secret;
use forebay_store::{
    AuditAction, AuditEntry, AuditEvent, AuditFilter, CreatedToken, Grants, NewPassword, NewToken, NewUser, Principal, PrincipalKind, Role,
    SessionUse, StoreError, TokenRow, UserChange, UserRow, key_digest,
};
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

/// Maximum lifetime of a token, so that a forgotten one does not work for ever.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(366 * 86_400);
/// Maximum lifetime of a session.
const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// Maximum time of a session without a request.
const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);

/// The first user.
#[derive(Debug)]
pub struct FirstUser {
    /// The name that the user signs in with.
    pub name: String,
    /// For people.
    pub full_name: String,
    /// The password as typed.
    pub password: Secret,
    /// The address of the request.
    pub address: Option<IpAddr>,
}

/// An attempt to sign in by name and password.
#[derive(Debug)]
pub struct SignInAttempt<'a> {
    /// The name as typed.
    pub name: &'a str,
    /// The password as typed.
    pub password: Secret,
    /// The address of the request.
    pub address: Option<IpAddr>,
    /// Replaces an unknown name in the audit log: a person may have typed the password there.
    pub name_digest: &'a str,
    /// True if this device has signed in to this account before.
    pub is_recognized_device: bool,
}

/// Changes of a user; `None` leaves a field unchanged.
#[derive(Debug, Default)]
pub struct PersonChange {
    /// For people.
    pub full_name: Option<String>,
    /// True if the user may sign in.
    pub enabled: Option<bool>,
    /// All roles from now on.
    pub grants: Option<Grants>,
    /// The new password as typed.
    pub password: Option<Secret>,
}

/// A new session.
#[derive(Debug)]
pub struct Signed {
    /// The principal.
    pub user: UserRow,
    /// The value of the session cookie; only its digest is stored.
    pub session: Secret,
    /// Its maximum lifetime.
    pub lifetime: Duration,
}

impl Operations {
    /// Creates the first user, an administrator of all tenants, and signs it in. The caller has proved that the installation is theirs.
    ///
    /// # Errors
    /// [`StoreError::Exists`]: a user exists already; [`OperationError::Invalid`]; those of the store.
    pub async fn create_first_user(&self, first: FirstUser) -> Result<Signed, OperationError> {
        let password = self.passwords.digest(first.password, &[&first.name, &first.full_name]).await?;
        let new = NewUser {
            name: first.name,
            full_name: first.full_name,
            password: Some(password),
            grants: Grants::everywhere(Role::Administrator),
        };
        let user = self.store.create_first_user(new, first.address).await?;
        self.open_session(user, "setup", first.address).await
    }

    /// Signs a person in by name and password; `None`: one of them is wrong. It takes the same time whether the name exists or not.
    ///
    /// # Errors
    /// [`OperationError::Busy`]; those of the store.
    pub async fn sign_in(&self, attempt: SignInAttempt<'_>) -> Result<Option<Signed>, OperationError> {
        let SignInAttempt { name, password, address, name_digest, is_recognized_device } = attempt;
        // Before the store is queried: waiting attempts must not hold connections of the database.
        let permit = self.passwords.permit(if is_recognized_device { Sender::Recognized } else { Sender::Anybody }).await?;
        let (user, digest) = self.store.user_to_sign_in(name).await?.unzip();
        let is_right = is_right(password, digest.flatten(), &permit).await;
        drop(permit);
        match user {
            Some(user) if is_right && user.enabled => self.open_session(user, "password", address).await.map(Some),
            user => {
                let reason = if is_right { "disabled" } else { "wrong name or password" };
                let name = user.map_or_else(|| format!("nobody ({name_digest})"), |user| user.name);
                self.record_failed_sign_in(name, "password", reason, address).await?;
                Ok(None)
            }
        }
    }

    /// Signs in the person that an OpenID Connect provider has identified: `name` is an address that the provider has verified. `None`: the
    /// person was not invited, or may not sign in.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sign_in_as_subject(
        &self,
        subject: &str,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<Signed>, OperationError> {
        match self.store.user_of_subject(subject, name, address).await? {
            Some(user) if user.enabled => self.open_session(user, "oidc", address).await.map(Some),
            user => {
                let reason = if user.is_some() { "disabled" } else { "not invited" };
                let name = user.map_or_else(|| name.unwrap_or("nobody").to_owned(), |user| user.name);
                self.record_failed_sign_in(name, "oidc", reason, address).await?;
                Ok(None)
            }
        }
    }

    /// Opens a session; `by` is the method of the sign-in.
    async fn open_session(&self, user: UserRow, by: &'static str, address: Option<IpAddr>) -> Result<Signed, OperationError> {
        let session = random_text()?;
        let principal = Principal { kind: PrincipalKind::User, name: user.name.clone(), user: Some(user.id), address };
        let event = AuditEvent {
            tenant: None,
            action: AuditAction::SessionOpen,
            target: user.name.clone(),
            before: None,
            after: Some(json!({ "by": by })),
        };
        self.store.open_session(user.id, &key_digest(session.expose()), SESSION_LIFETIME, SESSION_IDLE, &principal, &event).await?;
        Ok(Signed { user, session, lifetime: SESSION_LIFETIME })
    }

    async fn record_failed_sign_in(
        &self,
        name: String,
        by: &'static str,
        reason: &'static str,
        address: Option<IpAddr>,
    ) -> Result<(), OperationError> {
        let principal = Principal { kind: PrincipalKind::Anonymous, name: String::new(), user: None, address };
        let after = json!({ "by": by, "reason": reason });
        let event = AuditEvent { tenant: None, action: AuditAction::SessionRefuse, target: name, before: None, after: Some(after) };
        Ok(self.store.record_audit_event(&principal, &event).await?)
    }

    /// Returns the actor of a session; `None`: the person must sign in again.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_actor(&self, session: &Secret) -> Result<Option<Actor>, OperationError> {
        Ok(self.store.session_user(&key_digest(session.expose()), SESSION_IDLE, SessionUse::Active).await?.as_ref().map(Actor::user))
    }

    /// Returns the actor of a session without extending it: an open page must not keep a session alive.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_actor_without_extending(&self, session: &Secret) -> Result<Option<Actor>, OperationError> {
        Ok(self.store.session_user(&key_digest(session.expose()), SESSION_IDLE, SessionUse::Passive).await?.as_ref().map(Actor::user))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sign_out(&self, session: &Secret) -> Result<(), OperationError> {
        Ok(self.store.close_session(&key_digest(session.expose())).await?)
    }

    /// Returns the actor of a token; `None`: it is not valid.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn token_actor(&self, token: &Secret) -> Result<Option<Actor>, OperationError> {
        Ok(self.store.token(&key_digest(token.expose())).await?.map(|(token, owner)| Actor::token(&token, &owner)))
    }

    /// Changes the caller's own password; every session ends.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: the old one is wrong, or the new one is not valid; those of the store.
    pub async fn change_own_password(&self, actor: &Actor, old: Secret, new: Secret) -> Result<Signed, OperationError> {
        let Some(id) = actor.user_id() else {
            return Err(OperationError::Refused("only a user has a password: sign in as a user".to_owned()));
        };
        let user = self.store.user(id).await?;
        let digest = self.store.user_to_sign_in(&user.name).await?.and_then(|(_, digest)| digest);
        let permit = self.passwords.permit(Sender::Recognized).await?;
        let is_right = is_right(old, digest, &permit).await;
        drop(permit);
        if !is_right {
            return Err(OperationError::Invalid("the current password is wrong".to_owned()));
        }
        let digest = self.passwords.digest(new, &[&user.name, &user.full_name]).await?;
        let password = NewPassword { digest, is_reset: false };
        let change = UserChange { password: Some(password), ..UserChange::default() };
        let user = self.store.update_user(id, change, None, actor.principal()).await?;
        self.open_session(user, "password change", actor.principal().address).await
    }

    /// Returns all users.
    ///
    /// # Errors
    /// The caller is not an administrator of all tenants; those of the store.
    pub async fn list_users(&self, actor: &Actor) -> Result<Vec<UserRow>, OperationError> {
        actor.may_everywhere(Role::Administrator)?;
        Ok(self.store.list_users().await?)
    }

    /// Returns one user; everybody may see themselves.
    ///
    /// # Errors
    /// Those of [`Self::list_users`].
    pub async fn user(&self, actor: &Actor, id: Uuid) -> Result<UserRow, OperationError> {
        if actor.user_id() != Some(id) {
            actor.may_everywhere(Role::Administrator)?;
        }
        Ok(self.store.user(id).await?)
    }

    /// Creates a user; without a password it signs in by OpenID Connect. A token cannot create users: otherwise a stolen token would give
    /// permanent access.
    ///
    /// # Errors
    /// Those of [`Self::list_users`]; [`Denied::Token`]; [`OperationError::Invalid`]; [`OperationError::Busy`].
    pub async fn create_user(
        &self,
        actor: &Actor,
        name: String,
        full_name: String,
        password: Option<Secret>,
        grants: Grants,
    ) -> Result<UserRow, OperationError> {
        let principal = actor.may_everywhere(Role::Administrator)?;
        actor.must_be_person()?;
        let password = match password {
            Some(password) => Some(self.passwords.digest(password, &[&name, &full_name]).await?),
            None => None,
        };
        Ok(self.store.create_user(NewUser { name, full_name, password, grants }, principal).await?)
    }

    /// Changes a user, if its revision is still `expected`. A new password is a reset: the user's sessions and tokens end. A token may only
    /// disable a user and change the full name: with a password, with roles, or by enabling a user, it would become a person.
    ///
    /// # Errors
    /// Those of [`Self::create_user`]; [`StoreError::LastAdministrator`].
    pub async fn update_user(
        &self,
        actor: &Actor,
        id: Uuid,
        change: PersonChange,
        expected: Option<i32>,
    ) -> Result<UserRow, OperationError> {
        let principal = actor.may_everywhere(Role::Administrator)?;
        if change.password.is_some() || change.grants.is_some() || change.enabled == Some(true) {
            actor.must_be_person()?;
        }
        let password = match change.password {
            Some(password) => {
                let user = self.store.user(id).await?;
                let digest = self.passwords.digest(password, &[&user.name, &user.full_name]).await?;
                Some(NewPassword { digest, is_reset: true })
            }
            None => None,
        };
        let change = UserChange { full_name: change.full_name, enabled: change.enabled, grants: change.grants, password };
        Ok(self.store.update_user(id, change, expected, principal).await?)
    }

    /// Deletes a user with its sessions and tokens.
    ///
    /// # Errors
    /// Those of [`Self::update_user`].
    pub async fn delete_user(&self, actor: &Actor, id: Uuid, expected: Option<i32>) -> Result<(), OperationError> {
        let principal = actor.may_everywhere(Role::Administrator)?;
        Ok(self.store.delete_user(id, expected, principal).await?)
    }

    /// Returns the caller's own tokens; for an administrator of all tenants, all tokens.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_tokens(&self, actor: &Actor) -> Result<Vec<TokenRow>, OperationError> {
        let all = actor.may_everywhere(Role::Administrator).is_ok();
        match (all, actor.user_id()) {
            (true, _) => Ok(self.store.list_tokens(None).await?),
            (false, Some(id)) => Ok(self.store.list_tokens(Some(id)).await?),
            (false, None) => Ok(Vec::new()),
        }
    }

    /// Creates a token. A token cannot create another one: otherwise a stolen token would give permanent access.
    ///
    /// # Errors
    /// [`OperationError::Refused`]; [`OperationError::Invalid`]; those of the store.
    pub async fn create_token(&self, actor: &Actor, new: NewToken) -> Result<CreatedToken, OperationError> {
        actor.must_be_person()?;
        if actor.user_id() != Some(new.user) {
            actor.may_everywhere(Role::Administrator)?;
        }
        if new.lifetime.is_zero() || new.lifetime > MAX_TOKEN_LIFETIME {
            return Err(OperationError::Invalid("the lifetime of a token must be 1s to 366d".to_owned()));
        }
        if new.scopes.is_empty() {
            return Err(OperationError::Invalid("a token needs a tenant: give one, or * for all tenants".to_owned()));
        }
        Ok(self.store.create_token(new, actor.principal()).await?)
    }

    /// Deletes a token; requests with it are refused from then on.
    ///
    /// # Errors
    /// [`OperationError::NotFound`]; those of the store.
    pub async fn delete_token(&self, actor: &Actor, id: Uuid) -> Result<(), OperationError> {
        let is_visible = self.list_tokens(actor).await?.iter().any(|token| token.id == id);
        if !is_visible {
            return Err(StoreError::NotFound { what: format!("the token {id}") }.into());
        }
        Ok(self.store.delete_token(id, actor.principal()).await?)
    }

    /// Returns entries of the audit log: those of the tenants that the person administers, and those of no tenant for administrators of all
    /// tenants.
    ///
    /// # Errors
    /// A tenant that the person does not administer; those of the store.
    pub async fn list_audit(&self, actor: &Actor, filter: AuditFilter) -> Result<Vec<AuditEntry>, OperationError> {
        let tenants = match filter.tenants {
            Some(tenants) => {
                for tenant in &tenants {
                    actor.may(tenant, Role::Administrator)?;
                }
                Some(tenants)
            }
            None => match actor.tenants(Role::Administrator) {
                Visible::All => None,
                Visible::Only(tenants) if tenants.is_empty() => {
                    return Err(Denied::Role { needed: Role::Administrator, scope: "a tenant".to_owned() }.into());
                }
                Visible::Only(tenants) => Some(tenants),
            },
        };
        Ok(self.store.list_audit(&AuditFilter { tenants, ..filter }).await?)
    }
}

/// Returns 256 random bits as text.
fn random_text() -> Result<Secret, OperationError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| OperationError::Failed("the operating system gave no random bytes".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_password_or_session() {
        let password = || Secret::new("hunter2");
        let first = FirstUser { name: "n".to_owned(), full_name: "N".to_owned(), password: password(), address: None };
        let attempt = SignInAttempt { name: "n", password: password(), address: None, name_digest: "d", is_recognized_device: false };
        let change = PersonChange { password: Some(password()), ..PersonChange::default() };
        let user = UserRow {
            id: Uuid::nil(),
            name: "n".to_owned(),
            full_name: "N".to_owned(),
            enabled: true,
            has_password: true,
            has_subject: false,
            revision: 1,
            created_at: forebay_contract::UnixMicros::default(),
            last_sign_in_at: None,
            grants: Grants::everywhere(Role::Viewer),
        };
        let signed = Signed { user, session: password(), lifetime: SESSION_LIFETIME };
        let shown = format!("{first:?} {attempt:?} {change:?} {signed:?}");
        assert!(shown.matches("***").count() == 4 && !shown.contains("hunter2"), "{shown}");
    }
}
