//! Who did what: written in the transaction of the change itself, so that there is no change without its line.

use crate::connection::Store;
use crate::definitions::{read_name, storable};
use crate::error::StoreError;
use crate::retention::{ROWS_AT_ONCE, delete_all};
use crate::timestamp::Timestamp;
use deadpool_postgres::GenericClient;
use forebay_contract::Name;
use forebay_contract::json::read_json;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

/// Longest name of who did something, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// What somebody acts through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhoKind {
    /// A person who is signed in.
    User,
    /// A program with a person's API token.
    Token,
    /// The command on a machine that reaches the database.
    Host,
    /// Forebay itself.
    System,
    /// Somebody who has not said who it is, or could not prove it.
    Anonymous,
}

impl WhoKind {
    const ALL: [Self; 5] = [Self::User, Self::Token, Self::Host, Self::System, Self::Anonymous];

    /// The word used in the API and the store.
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

/// Somebody who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Through what.
    pub kind: WhoKind,
    /// For people, such as `anna`, `anna (token CI)` or `root@build-1`.
    pub name: String,
    /// The user, where there is one.
    pub user: Option<Uuid>,
    /// The address of the client from which the request came; `None`: not by HTTP.
    pub address: Option<IpAddr>,
}

impl From<&Who> for Who {
    fn from(who: &Who) -> Self {
        who.clone()
    }
}

/// Somebody at a machine that reaches the database.
impl From<&str> for Who {
    fn from(name: &str) -> Self {
        Self { kind: WhoKind::Host, name: name.to_owned(), user: None, address: None }
    }
}

/// One change. Holds no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// The tenant that it concerns; `None`: the whole installation.
    pub tenant: Option<Name>,
    /// A stable word, such as `key.create`.
    pub action: &'static str,
    /// What was changed, such as `t37ed/CreateWorkOrder`.
    pub target: String,
    /// What it was before; `None`: it was not, or that does not matter.
    pub before: Option<Value>,
    /// What it is now.
    pub after: Option<Value>,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Counts up; gaps are no sign of anything.
    pub id: i64,
    /// Microseconds of Unix time.
    pub at: i64,
    /// Who.
    pub who: Who,
    /// The tenant that it concerns.
    pub tenant: Option<Name>,
    /// What was done, a stable word.
    pub action: String,
    /// To what.
    pub target: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it became.
    pub after: Option<Value>,
}

/// Which lines of the audit log are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of these tenants; `None`: all, and what belongs to no tenant.
    pub tenants: Option<Vec<Name>>,
    /// By somebody of this name.
    pub by: Option<String>,
    /// An action, or its first word: `key` finds `key.create`.
    pub action: Option<String>,
    /// To exactly this.
    pub target: Option<String>,
    /// At this time or later, in microseconds of Unix time.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// Older than this line: the last one of the page before.
    pub before: Option<i64>,
    /// Maximum lines.
    pub limit: u32,
}

impl Store {
    /// Writes a deed that changed nothing in the database, such as a retry.
    ///
    /// # Errors
    /// What the server says.
    pub async fn record_deed(&self, who: &Who, deed: &Deed) -> Result<(), StoreError> {
        let client = self.client("write the audit log").await?;
        write(&client, who, deed).await
    }

    /// Deletes lines that are older than `retention`, and says so in a line; how many. Several processes may call it at once: one does it.
    ///
    /// # Errors
    /// Those of the database. Deleted lines stay deleted.
    pub async fn forget_audit(&self, now: i64, retention: Duration) -> Result<u64, StoreError> {
        let mut client = self.client("forget old lines of the audit log").await?;
        let before = Timestamp(now.saturating_sub(Timestamp::micros(retention)));
        let statement =
            format!("delete from audit where id = any(array(select id from audit where at < $1 order by id limit {ROWS_AT_ONCE}))");
        let deleted = delete_all(&mut client, &statement, before).await?.unwrap_or_default();
        if deleted > 0 {
            let who = Who { kind: WhoKind::System, name: "retention".to_owned(), user: None, address: None };
            let after = json!({ "lines": deleted, "before": before.to_rfc3339() });
            let deed = Deed { tenant: None, action: "audit.forget", target: "*".to_owned(), before: None, after: Some(after) };
            write(&client, &who, &deed).await?;
        }
        Ok(deleted)
    }

    /// Lines of the audit log, the newest first.
    ///
    /// # Errors
    /// What the server says.
    pub async fn list_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let operation = "list the audit log";
        let client = self.client(operation).await?;
        let sql = "select id, at, by_kind, by_name, by_user, tenant, action, target, before::text, after::text, client_address
                   from audit
                   where ($1::text[] is null or tenant = any($1)) and ($2::text is null or by_name = $2)
                       and ($3::text is null or action = $3 or starts_with(action, $3 || '.')) and ($4::text is null or target = $4)
                       and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
                       and ($7::bigint is null or id < $7)
                   order by id desc limit $8";
        let tenants = filter.tenants.as_ref().map(|tenants| tenants.iter().map(Name::as_str).collect::<Vec<_>>());
        // As they are stored: a NUL would be refused by the server.
        let [by, action, target] = [&filter.by, &filter.action, &filter.target].map(|text| text.as_deref().map(storable));
        let (since, until) = (filter.since.map(Timestamp), filter.until.map(Timestamp));
        let rows = client
            .query(sql, &[&tenants, &by, &action, &target, &since, &until, &filter.before, &i64::from(filter.limit)])
            .await
            .map_err(StoreError::during(operation))?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let value = |text: Option<&str>| text.map(|text| read_json(text.as_bytes())).transpose();
            let damaged = |_| StoreError::Damaged { what: "line of the audit log" };
            lines.push(AuditRow {
                id: row.get(0),
                at: row.get::<_, Timestamp>(1).0,
                who: Who { kind: WhoKind::of_word(row.get(2))?, name: row.get(3), user: row.get(4), address: address(row.get(10)) },
                tenant: row.get::<_, Option<&str>>(5).map(read_name).transpose()?,
                action: row.get(6),
                target: row.get(7),
                before: value(row.get(8)).map_err(damaged)?,
                after: value(row.get(9)).map_err(damaged)?,
            });
        }
        Ok(lines)
    }
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    text.and_then(|text| text.parse().ok())
}

/// Writes a line, within the transaction of the change where there is one.
pub(crate) async fn write(client: &impl GenericClient, who: &Who, deed: &Deed) -> Result<(), StoreError> {
    let sql = "insert into audit (by_kind, by_name, by_user, tenant, action, target, before, after, client_address)
               values ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9)";
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let name: String = storable(&who.name).chars().take(MAX_NAME_LENGTH).collect();
    client
        .execute(
            sql,
            &[
                &who.kind.as_str(),
                &name,
                &who.user,
                &deed.tenant.as_ref().map(Name::as_str),
                &deed.action,
                &storable(&deed.target),
                &text(&deed.before),
                &text(&deed.after),
                &who.address.map(|address| address.to_string()),
            ],
        )
        .await
        .map_err(StoreError::during("write the audit log"))?;
    Ok(())
}
