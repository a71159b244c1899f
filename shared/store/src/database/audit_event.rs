//! The event of a change that the audit log records, and its principal.

use crate::database::text::storable;
use crate::database::word::{Stored, words};
use crate::error::StoreError;
use deadpool_postgres::GenericClient;
use forebay_contract::Name;
use serde_json::Value;
use std::net::IpAddr;
use uuid::Uuid;

/// Maximum length of the name of a principal, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// The kind of a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person who is signed in.
    User,
    /// A program with a person's API token.
    Token,
    /// The command on a machine that reaches the database.
    Host,
    /// Forebay itself.
    System,
    /// A caller without a name or a proof of it.
    Anonymous,
}

words! {
    pub PrincipalKind {
        User = "user",
        Token = "token",
        Host = "host",
        System = "system",
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

/// The action of an audit event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A definition created an integration.
    IntegrationCreate,
    /// A definition became a new version.
    IntegrationUpdate,
    /// An API key or a signing key was created.
    KeyCreate,
    /// A key was changed.
    KeyUpdate,
    /// A key was deleted.
    KeyDelete,
    /// A connection was created.
    ConnectionCreate,
    /// A connection was changed.
    ConnectionUpdate,
    /// A connection was deleted.
    ConnectionDelete,
    /// Connections and keys were encrypted anew.
    ConnectionRotate,
    /// An alert rule was created.
    AlertCreate,
    /// An alert rule was changed.
    AlertUpdate,
    /// An alert rule was deleted.
    AlertDelete,
    /// The readers of a tenant's documents were changed.
    TenantDocs,
    /// The maximum bytes of a tenant's payloads were changed.
    TenantPayloads,
    /// A person was created.
    UserCreate,
    /// A person was changed.
    UserUpdate,
    /// A person was deleted.
    UserDelete,
    /// A person signed in by OpenID Connect for the first time.
    UserLink,
    /// An API token was created.
    TokenCreate,
    /// An API token was deleted.
    TokenDelete,
    /// A person signed in.
    SessionOpen,
    /// A sign-in was refused.
    SessionRefuse,
    /// A halted trigger was resumed with a retry of its execution.
    TriggerResume,
    /// A halted trigger was resumed without its execution.
    TriggerSkip,
    /// A run of a schedule was started by hand.
    ScheduleRun,
    /// An execution was retried by hand.
    ExecutionRetry,
    /// Diagnostics of an integration were switched on.
    DiagnosticsOn,
    /// Diagnostics of an integration were switched off.
    DiagnosticsOff,
    /// An unreadable message was returned to its queue.
    MessageReturn,
    /// An unreadable message was discarded.
    MessageDiscard,
    /// The installation was moved to another broker or other queues.
    InstallationAdopt,
    /// The installation's earlier broker or queues were closed.
    InstallationClose,
    /// Old entries of the audit log were deleted.
    AuditForget,
}

words! {
    pub AuditAction {
        IntegrationCreate = "integration.create",
        IntegrationUpdate = "integration.update",
        KeyCreate = "key.create",
        KeyUpdate = "key.update",
        KeyDelete = "key.delete",
        ConnectionCreate = "connection.create",
        ConnectionUpdate = "connection.update",
        ConnectionDelete = "connection.delete",
        ConnectionRotate = "connection.rotate",
        AlertCreate = "alert.create",
        AlertUpdate = "alert.update",
        AlertDelete = "alert.delete",
        TenantDocs = "tenant.docs",
        TenantPayloads = "tenant.payloads",
        UserCreate = "user.create",
        UserUpdate = "user.update",
        UserDelete = "user.delete",
        UserLink = "user.link",
        TokenCreate = "token.create",
        TokenDelete = "token.delete",
        SessionOpen = "session.open",
        SessionRefuse = "session.refuse",
        TriggerResume = "trigger.resume",
        TriggerSkip = "trigger.skip",
        ScheduleRun = "schedule.run",
        ExecutionRetry = "execution.retry",
        DiagnosticsOn = "diagnostics.on",
        DiagnosticsOff = "diagnostics.off",
        MessageReturn = "message.return",
        MessageDiscard = "message.discard",
        InstallationAdopt = "installation.adopt",
        InstallationClose = "installation.close",
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
