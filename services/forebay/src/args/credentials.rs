//! The verbs on credentials: keys of partners, connections to other systems.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use forebay_contract::{IntegrationPath, Name, Secret};
use uuid::Uuid;

use super::PauseOptions;

/// The time until a key expires.
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

/// An existing key, by its id or its label.
#[derive(Debug, Args)]
pub(crate) struct NamedKey {
    /// The key's id from `keys list`
    #[arg(required_unless_present = "label", conflicts_with = "label")]
    pub(crate) id: Option<Uuid>,
    /// The key's label, instead of its id; exactly one key must have it
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// With --label: the key's tenant, if keys of several tenants have the label
    #[arg(long, requires = "label")]
    pub(crate) tenant: Option<Name>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Creates a key and shows it once
    Create {
        /// The tenant of the key
        #[arg(long)]
        tenant: Name,
        /// The purpose of the key, such as the partner's name
        #[arg(long)]
        label: String,
        /// Integrations of the tenant that the key may call
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
        /// An existing key value; `-` reads it from standard input [default: a generated value]
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        key: Option<Secret>,
        /// The key expires after this time, such as 90d [default: never]
        #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
        expires: Option<Duration>,
        /// Create a signing key: callers sign their calls with it and do not send it
        #[arg(long)]
        signing: bool,
        /// Let the key read the outcomes of all calls of its integrations, not only of its own calls
        #[arg(long, conflicts_with = "signing")]
        all_outcomes: bool,
    },
    /// Lists keys without their values
    List {
        /// Only keys of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Changes a key's label, the integrations that it may call, its expiry, or the outcomes that it may read
    Update {
        /// The key's id from `keys list`
        id: Uuid,
        /// The new label
        #[arg(long, required_unless_present_any = ["integration", "expires", "all_outcomes"])]
        label: Option<String>,
        /// Integrations that the key may call; replaces all earlier ones
        #[arg(long, value_name = "NAME", num_args = 1..)]
        integration: Option<Vec<Name>>,
        /// The key expires after this time from now, such as 90d, or `never`
        #[arg(long, value_name = "DURATION|never", value_parser = expiry)]
        expires: Option<Expiry>,
        /// true: the key may read the outcomes of all calls of its integrations; false: only of its own calls
        #[arg(long, value_name = "true|false")]
        all_outcomes: Option<bool>,
    },
    /// Grants integrations to a key, effective within a second
    Grant {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations of the key's tenant that the key may also call
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Revokes integrations from a key, effective within a second; its other integrations do not change
    Revoke {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations that the key may no longer call
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Deletes a key: within a second, calls with it get 401
    Delete {
        /// The key's id from `keys list`
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// Stores the connections of files, or of folders with *.yaml, *.yml and *.json, and encrypts their secrets
    Apply {
        /// Files or folders; folders are searched recursively
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Lists connections without their secrets
    List {
        /// Only connections of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Connects and signs in like a step, and changes nothing; exit code 1: failed
    Test {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Enables a connection: steps may use it
    Enable {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Disables a connection: steps that use it fail
    Disable {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Pauses all triggers whose steps use a connection, such as for the maintenance of the remote system
    Pause {
        /// The connection, such as t37ed/erp
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
        #[command(flatten)]
        pause: PauseOptions,
    },
    /// Ends the pause of a connection
    Resume {
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
    /// Encrypts all stored secrets with the first key of FOREBAY_SECRET_KEY; put a new key first before
    Rotate,
}
