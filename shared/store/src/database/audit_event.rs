//! The event of a change that the audit log records, and its principal.

use crate::database::text::storable;
use crate::database::word::{Stored, words};
use crate::error::StoreError;
use deadpool_postgres::GenericClient;
use forebay_contract::Name;
use serde_json::Value;
use std::fmt::Display;
use std::net::IpAddr;
use uuid::Uuid;

/// Maximum length of the name of a principal, in characters.
const MAX_NAME_LENGTH: usize = 200;

words! {
    /// The kind of a principal.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum PrincipalKind {
        /// A person who is signed in.
        User = "user",
        /// A program with a person's API token.
        Token = "token",
        /// The command on a machine that reaches the database.
        Host = "host",
        /// Forebay itself.
        System = "system",
        /// A caller without a name or a proof of it.
        Anonymous = "anonymous",
    }
}

/// The user, program or process that makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its kind.
    pub kind: PrincipalKind,
    /// Its name for people, such as `anna`, `anna (token CI)` or `root@build-1`.
    pub name: String,
    /// The user, where there is one.
    pub user: Option<Uuid>,
    /// The address of the client from which the request came; `None`: not by HTTP.
    pub address: Option<IpAddr>,
}

impl From<&Principal> for Principal {
    fn from(principal: &Principal) -> Self {
        principal.clone()
    }
}

/// The command on a machine that reaches the database.
impl From<&str> for Principal {
    fn from(name: &str) -> Self {
        Self { kind: PrincipalKind::Host, name: name.to_owned(), user: None, address: None }
    }
}

words! {
    /// The action of an audit event.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum AuditAction {
        /// A definition created an integration.
        IntegrationCreate = "integration.create",
        /// A definition became a new version.
        IntegrationUpdate = "integration.update",
        /// An API key or a signing key was created.
        KeyCreate = "key.create",
        /// A key was changed.
        KeyUpdate = "key.update",
        /// A key was deleted.
        KeyDelete = "key.delete",
        /// A connection was created.
        ConnectionCreate = "connection.create",
        /// A connection was changed.
        ConnectionUpdate = "connection.update",
        /// A connection was deleted.
        ConnectionDelete = "connection.delete",
        /// Connections and keys were re-encrypted.
        ConnectionRotate = "connection.rotate",
        /// An alert rule was created.
        AlertCreate = "alert.create",
        /// An alert rule was changed.
        AlertUpdate = "alert.update",
        /// An alert rule was deleted.
        AlertDelete = "alert.delete",
        /// The readers of a tenant's documents were changed.
        TenantDocs = "tenant.docs",
        /// The maximum bytes of a tenant's payloads were changed.
        TenantPayloads = "tenant.payloads",
        /// A person was created.
        UserCreate = "user.create",
        /// A person was changed.
        UserUpdate = "user.update",
        /// A person was deleted.
        UserDelete = "user.delete",
        /// A person signed in by OpenID Connect for the first time.
        UserLink = "user.link",
        /// An API token was created.
        TokenCreate = "token.create",
        /// An API token was deleted.
        TokenDelete = "token.delete",
        /// A person signed in.
        SessionOpen = "session.open",
        /// A sign-in was refused.
        SessionRefuse = "session.refuse",
        /// A halted trigger was resumed with a retry of its execution.
        TriggerResume = "trigger.resume",
        /// A halted trigger was resumed without its execution.
        TriggerSkip = "trigger.skip",
        /// A trigger, a connection or a tenant was paused.
        Pause = "pause",
        /// A pause was ended.
        PauseEnd = "pause.end",
        /// A run of a schedule was started by hand.
        ScheduleRun = "schedule.run",
        /// An execution was retried by hand.
        ExecutionRetry = "execution.retry",
        /// Diagnostics of an integration were switched on.
        DiagnosticsOn = "diagnostics.on",
        /// Diagnostics of an integration were switched off.
        DiagnosticsOff = "diagnostics.off",
        /// An unreadable message was returned to its queue.
        MessageReturn = "message.return",
        /// An unreadable message was discarded.
        MessageDiscard = "message.discard",
        /// The installation was moved to another broker or other queues.
        InstallationAdopt = "installation.adopt",
        /// The installation's earlier broker or queues were closed.
        InstallationClose = "installation.close",
        /// Old entries of the audit log were deleted.
        AuditForget = "audit.forget",
    }
}

/// One change, as the audit log records it. Holds no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// The tenant; `None`: the whole installation.
    pub tenant: Option<Name>,
    /// Its action.
    pub action: AuditAction,
    /// The changed thing, such as `t37ed/CreateWorkOrder`.
    pub target: String,
    /// The state before; `None`: there was none, or it does not matter.
    pub before: Option<Value>,
    /// The state after; `None`: there is none, or it does not matter.
    pub after: Option<Value>,
}

impl AuditEvent {
    /// Returns the event of a thing of a tenant; its target is `TENANT/NAME`.
    pub(crate) fn of_tenant(action: AuditAction, tenant: &Name, name: impl Display, before: Option<Value>, after: Option<Value>) -> Self {
        Self { tenant: Some(tenant.clone()), action, target: format!("{tenant}/{name}"), before, after }
    }
}

/// Writes an entry. A change calls it through `ChangeTransaction::commit`.
pub(crate) async fn write(client: &impl GenericClient, principal: &Principal, event: &AuditEvent) -> Result<(), StoreError> {
    let sql = "insert into audit (by_kind, by_name, by_user, tenant, action, target, before, after, client_address)
               values ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9)";
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let name: String = storable(&principal.name).chars().take(MAX_NAME_LENGTH).collect();
    client
        .execute(
            sql,
            &[
                &Stored(principal.kind),
                &name,
                &principal.user,
                &event.tenant.as_ref().map(Name::as_str),
                &Stored(event.action),
                &storable(&event.target),
                &text(&event.before),
                &text(&event.after),
                &principal.address.map(|address| address.to_string()),
            ],
        )
        .await
        .map_err(StoreError::during("write the audit log"))?;
    Ok(())
}
