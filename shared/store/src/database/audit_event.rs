//! The event of a change that the audit log records, and its principal.

use crate::database::text::storable;
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

impl PrincipalKind {
    const ALL: [Self; 5] = [Self::User, Self::Token, Self::Host, Self::System, Self::Anonymous];

    /// Returns the word in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Host => "host",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    pub(crate) fn of_word(word: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(StoreError::Damaged { what: "author of a change" })
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

/// One change, as the audit log records it. Holds no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// The tenant; `None`: the whole installation.
    pub tenant: Option<Name>,
    /// A stable word, such as `key.create`.
    pub action: &'static str,
    /// The changed thing, such as `t37ed/CreateWorkOrder`.
    pub target: String,
    /// The state before; `None`: there was none, or it does not matter.
    pub before: Option<Value>,
    /// The state after; `None`: there is none, or it does not matter.
    pub after: Option<Value>,
}

/// Writes an entry, in the transaction of the change where there is one.
pub(crate) async fn write(client: &impl GenericClient, principal: &Principal, event: &AuditEvent) -> Result<(), StoreError> {
    let sql = "insert into audit (by_kind, by_name, by_user, tenant, action, target, before, after, client_address)
               values ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9)";
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let name: String = storable(&principal.name).chars().take(MAX_NAME_LENGTH).collect();
    client
        .execute(
            sql,
            &[
                &principal.kind.as_str(),
                &name,
                &principal.user,
                &event.tenant.as_ref().map(Name::as_str),
                &event.action,
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
