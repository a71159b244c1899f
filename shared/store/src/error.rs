//! The errors of the store, sorted by the action of the caller.

use deadpool_postgres::PoolError;
use forebay_contract::definition::DefinitionError;
use forebay_contract::{IntegrationPath, Name};
use std::borrow::Cow;
use tokio_postgres::error::SqlState;

/// An error of the store. Display never repeats the source, and holds no password, key or payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database URL can't be used. The URL is left out since it may hold a password.
    #[error("the database URL is not usable: {reason}; write postgres://user:password@host:5432/database")]
    Url {
        /// The fault.
        reason: String,
    },
    /// The database is away, overloaded or failing over: the same call may go better later.
    #[error("the database is not available ({operation})")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// The error of the client or the server.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused a statement, and would again.
    #[error("the database refused a statement ({operation})")]
    Statement {
        /// The operation.
        operation: &'static str,
        /// The error of the server.
        source: tokio_postgres::Error,
    },
    /// The database lacks tables or columns of this program's.
    #[error("the database is not prepared for this program ({operation}): run `forebay migrate` with the same database URL")]
    NotMigrated {
        /// The operation.
        operation: &'static str,
        /// The error of the server.
        source: tokio_postgres::Error,
    },
    /// Nothing of this name or id exists.
    #[error("{what} does not exist")]
    NotFound {
        /// Such as `the integration t37ed/CreateWorkOrder`.
        what: String,
    },
    /// A key was to be granted integrations that the tenant does not have.
    #[error("tenant {tenant} has no integration {}", names.iter().map(Name::as_str).collect::<Vec<_>>().join(", "))]
    UnknownIntegrations {
        /// The tenant.
        tenant: Name,
        /// Every unknown name, in the order in which they were given.
        names: Vec<Name>,
    },
    /// The tenant has a key of this value already.
    #[error("this value cannot be used for a key: use another one, or let one be generated")]
    KeyExists,
    /// One exists already.
    #[error("there is {what} already")]
    Exists {
        /// Such as `a user with the name anna`.
        what: String,
    },
    /// Somebody else has changed it since it was read.
    #[error("{what} has been changed by somebody else meanwhile: look at it again, then repeat the change")]
    Changed {
        /// Such as `the user anna`.
        what: String,
    },
    /// The change would leave no administrator.
    #[error("this would leave no enabled administrator of everything: make another one first")]
    LastAdministrator,
    /// A value can't be stored as it is.
    #[error("{what} {reason}")]
    Invalid {
        /// The value, such as `the key`.
        what: &'static str,
        /// The requirement.
        reason: String,
    },
    /// A tenant would have more of something than it may.
    #[error(
        "tenant {tenant} would have {count} {what}, and may have {max}: delete some that are not needed, or let the operator raise {setting}"
    )]
    TooMany {
        /// The tenant.
        tenant: Name,
        /// Such as `integrations`.
        what: &'static str,
        /// Number that it would have.
        count: usize,
        /// Number that it may have.
        max: usize,
        /// The setting of the maximum.
        setting: &'static str,
    },
    /// A definition is larger than it may be.
    #[error(
        "the definition of {path} has {bytes} bytes, and may have {max}: split it into integrations that call one another, or let the operator raise FOREBAY_MAX_DEFINITION_BYTES"
    )]
    DefinitionTooLarge {
        /// Tenant and name.
        path: IntegrationPath,
        /// Bytes of its text, or of its JSON form if that is longer.
        bytes: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// Two definitions of one call have the same path.
    #[error("{path} is defined twice")]
    DefinedTwice {
        /// Tenant and name.
        path: IntegrationPath,
    },
    /// The trigger waits for no decision.
    #[error("the trigger {path} is not halted")]
    NotHalted {
        /// Tenant and name.
        path: IntegrationPath,
    },
    /// A newer Forebay has migrated the database.
    #[error("the database is at version {database} and this program knows versions up to {program}: run a newer Forebay")]
    Newer {
        /// The database's version.
        database: i32,
        /// This program's version.
        program: i32,
    },
    /// An applied migration is not the one that this program has under its number.
    #[error(
        "migration {version} ({name}) was applied with another text than this program has: the database is of another build of Forebay"
    )]
    OtherMigration {
        /// Its number.
        version: i32,
        /// Its name in this program.
        name: &'static str,
    },
    /// A stored definition is of a form that this program does not know: a newer one wrote it.
    #[error("this version cannot read the stored definition")]
    UnreadableDefinition {
        /// The unknown names.
        #[source]
        source: DefinitionError,
    },
    /// A stored value is not of the form in which this program wrote it.
    #[error("the stored {what} is damaged")]
    Damaged {
        /// The value, such as `payload`, or `phase of alert_states ('lost')`.
        what: Cow<'static, str>,
    },
    /// The queues of a tenant could not be declared at the broker.
    #[error("the broker has not declared the queues; its log and this process's say why")]
    NotDeclared,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random {
        /// The error of the TLS library.
        source: getrandom::Error,
    },
    /// Shutdown began before the first snapshot was loaded.
    #[error("shut down before the database could be read")]
    ShutDown,
}

impl StoreError {
    /// Returns true if the same call is worth a retry: the connection, not the statement, was the problem.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Returns the error of a stored value that cannot be read.
    pub(crate) fn damaged(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Damaged { what: what.into() }
    }

    /// Sorts an error of the pool.
    pub(crate) fn pool(operation: &'static str, error: PoolError) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = match error {
            PoolError::Backend(error) => Box::new(error),
            error => Box::new(error),
        };
        Self::Unavailable { operation, source }
    }

    /// For `map_err`: sorts an error of a statement.
    pub(crate) fn during(operation: &'static str) -> impl Fn(tokio_postgres::Error) -> Self + Copy {
        move |source| {
            let lacks = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN];
            if is_passing(&source) {
                Self::Unavailable { operation, source: Box::new(source) }
            } else if source.code().is_some_and(|code| lacks.contains(code)) {
                Self::NotMigrated { operation, source }
            } else {
                Self::Statement { operation, source }
            }
        }
    }
}

/// Returns true if the error comes from the connection or the server's state rather than from the statement.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // Without a code of the server it is either the connection or a value that the client could not encode or decode.
        let is_of_connection = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
        return error.is_closed() || is_of_connection;
    };
    let passing = [
        SqlState::QUERY_CANCELED,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        // A former primary, or a connection that still reaches it.
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    // 08: connection; 53: out of disk, memory or connections; 58: the server's own I/O.
    passing.contains(code) || ["08", "53", "58"].iter().any(|class| code.code().starts_with(class))
}

/// Returns true if a unique constraint stopped the statement.
pub(crate) fn is_unique_violation(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}
