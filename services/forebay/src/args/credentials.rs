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
    /// The key's id, as `keys list` shows it
    #[arg(required_unless_present = "label", conflicts_with = "label")]
    pub(crate) id: Option<Uuid>,
    /// The key's label, instead of its id; only one key may have it
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
        /// The purpose of the key, such as the partner's name
        #[arg(long)]
        label: String,
        /// Integrations of the tenant that the key may call
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
        /// A key that exists elsewhere already; `-` reads it from standard input; one is generated without
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        key: Option<Secret>,
        /// The key expires after this time, such as 90d; without, it does not expire
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
    /// Changes a key's label, the integrations that it may call, when it expires, or the outcomes that it reads
    Update {
        /// The key's id, as `keys list` shows it
        id: Uuid,
        /// The new label
        #[arg(long, required_unless_present_any = ["integration", "expires", "all_outcomes"])]
        label: Option<String>,
        /// All integrations that the key may call from now on
        #[arg(long, value_name = "NAME", num_args = 1..)]
        integration: Option<Vec<Name>>,
        /// The key expires this long from now, such as 90d, or `never`
        #[arg(long, value_name = "DURATION|never", value_parser = expiry)]
        expires: Option<Expiry>,
        /// true: the key reads the outcomes of all calls of its integrations; false: of its own calls only
        #[arg(long, value_name = "true|false")]
        all_outcomes: Option<bool>,
    },
    /// Grants a key more integrations, within a second
    Grant {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations of the key's tenant that it may call as well
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Revokes integrations from a key, within a second; the others stay
    Revoke {
        #[command(flatten)]
        key: NamedKey,
        /// Integrations that the key may no longer call
        #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
        integration: Vec<Name>,
    },
    /// Deletes a key: calls with it get 401, within a second
    Delete {
        /// The key's id, as `keys list` shows it
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// Stores connections of files, or folders with *.yaml, *.yml and *.json; their secrets are encrypted
    Apply {
        /// Files or folders; folders are searched recursively
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
    /// Encrypts all connections by the first key of FOREBAY_SECRET_KEY, after a new one was put first
    Rotate,
}
