//! Common parts of connections to databases.

use super::field_readers::{port, required, secret};
use super::tls::{Tls, secured, tls};
use super::{ServerTrust, described};
use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use crate::secret::Secret;
use serde_json::json;

const MAX_POOLED: u64 = 100;
const DEFAULT_POOL: usize = 4;

/// Secret fields, relative to the kind.
pub(super) const SECRETS: &[&[&str]] = &[&["password"]];

/// A database.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatabaseConnection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// User name.
    pub username: String,
    /// Password; empty: none.
    pub password: Secret,
    /// Transport security.
    pub tls: Tls,
    /// The certificate that the server must present.
    pub trust: ServerTrust,
    /// Maximum connections of one worker.
    pub pool: usize,
}

impl DatabaseConnection {
    pub(super) fn destination(&self) -> Vec<(&'static str, String)> {
        let Self { host, port, database: _, username: _, password: _, tls, trust, pool: _ } = self;
        vec![("host", host.clone()), ("port", port.to_string()), ("tls", secured(*tls, trust))]
    }
}

pub(super) fn read(fields: Fields<'_>, default_port: u16) -> Read<DatabaseConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields);
    let database = required(&fields, "database", "the database's name");
    let username = required(&fields, "username", "the user name");
    // Databases accept a password of blanks.
    let password = secret(&fields, "password", true);
    let tls = tls(&fields, &[("require", Tls::Require), ("disable", Tls::Disable)], Tls::Require, &[]);
    let pool = fields.whole("pool", 1, MAX_POOLED);
    fields.finish();
    let (tls, trust) = tls?;
    Ok(DatabaseConnection {
        host: host?,
        port: port?.unwrap_or(default_port),
        database: database?,
        username: username?,
        password: password?.unwrap_or_else(|| Secret::new("")),
        tls,
        trust,
        pool: pool?.map_or(DEFAULT_POOL, |number| number as usize),
    })
}

/// Returns the schema; `about` describes the database.
pub(super) fn schema(about: &str) -> KindSchema {
    let database = json!({
        "description": "A database.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "host": described::text("Host name or address."),
            "port": described::port("TCP port."),
            "database": described::text("The database's name."),
            "username": described::text("User name."),
            "password": described::secret("Password; absent: none."),
            "tls": {
                "description": "Transport security; the certificate is checked. An object says which one is trusted.",
                "oneOf": [{ "enum": ["require", "disable"] }, { "$ref": "#/$defs/serverTrust" }],
                "default": "require"
            },
            "pool": {
                "description": "Most connections of one worker.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_POOLED,
                "default": DEFAULT_POOL
            }
        },
        "required": ["host", "database", "username"]
    });
    KindSchema::new(json!({ "$ref": "#/$defs/database", "description": about }), json!({ "database": database }))
}
