//! The verbs on credentials: keys of partners, connections to other systems.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use forebay_contract::{IntegrationPath, Name};
use uuid::Uuid;

/// When a key ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    In(Duration),
    Never,
}

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        _ => forebay_contract::parse_duration(text).map(Expiry::In).map_err(|error| error.to_string()),
    }
}

/// A key that exists, by its id or its label.
#[derive(Debug, Args)]
pub(crate) struct NamedKey {
    /// The key's id, as `keys list` shows it
    #[arg(required_unless_present = "label", conflicts_with = "label")]
    pub(crate) id: Option<Uuid>,
    /// The key's label, in the place of its id; one key only may have it
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// With --label: the key's tenant, where several tenants have a key of this label
    #[arg(long, requires = "label")]
    pub(crate) tenant: Option<Name>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Creates a key and shows it this one time
    Create {
        /// Tenant that the key belongs to
        #[arg(long)]
        tenant: Name,
        /// What the key is for, such as the partner's name
        #[arg(long)]
        label: String,
        /// Integrations of the tenant that the key opens
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
        /// A key that exists elsewhere already; `-` reads it from standard input; one is generated without
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        key: Option<String>,
        /// The key ends after this time, such as 90d; without, when it is deleted
        #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
        expires: Option<Duration>,
        /// A signing key: callers do not send it, they sign their calls with it
        #[arg(long)]
        signing: bool,
        /// The key reads the outcomes of all calls of its integrations; without, of its own calls only
        #[arg(long, conflicts_with = "signing")]
        all_outcomes: bool,
    },
    /// Lists keys, without their values
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Changes a key's label, the integrations that it opens, its end, or the outcomes that it reads
    Update {
        /// The key's id, as `keys list` shows it
        id: Uuid,
        /// The new label
        #[arg(long, required_unless_present_any = ["integration", "expires", "all_outcomes"])]
        label: Option<String>,
        /// All integrations that the key opens from now on
        #[arg(long, value_name = "NAME", num_args = 1..)]
        integration: Option<Vec<Name>>,
        /// The key ends this long from now, such as 90d; `never` takes its end away
        #[arg(long, value_name = "DURATION|never", value_parser = expiry)]
        expires: Option<Expiry>,
        /// true: the key reads the outcomes of all calls of its integrations; false: of its own calls only
        #[arg(long, value_name = "true|false")]
        all_outcomes: Option<bool>,
    },
    /// Lets a key open more integrations, within a second
    Grant {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations of the key's tenant that it opens as well
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Takes integrations from a key, within a second; the others stay
    Revoke {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations that the key opens, and then no longer
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Deletes a key: it opens nothing any more, within a second
    Delete {
        /// The key's id, as `keys list` shows it
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// Stores connections of files, or folders with *.yaml, *.yml and *.json; their secrets are encrypted
    Apply {
        /// Files or folders; folders are searched to the bottom
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Lists connections, without their secrets
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Connects and signs in as a step would, and changes nothing; exit code 1 where that fails
    Test {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Lets steps use a connection
    Enable {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Makes steps fail that use a connection
    Disable {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Deletes a connection
    Delete {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Encrypts all connections by the first key of FOREBAY_SECRET_KEY, after a new one was put first
    Rotate,
}
