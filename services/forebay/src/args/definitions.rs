//! Arguments of the verbs that work on definitions.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use forebay_contract::{IntegrationPath, Name};
use forebay_store::DocsAccess;

use super::{PauseOptions, key_value};

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Files or folders; folders are searched recursively
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Apply without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Paths {
    /// Files or folders; folders are searched recursively
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Export {
    /// The integration, such as t37ed/CreateWorkOrder [default: all]
    #[arg(value_name = "TENANT/NAME", conflicts_with = "tenant")]
    pub(crate) path: Option<IntegrationPath>,
    /// All integrations of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<Name>,
    /// An older version of the one integration
    #[arg(long, value_name = "N", requires = "path")]
    pub(crate) version: Option<i32>,
    /// Write FOLDER/TENANT/NAME.yaml (or .json) instead of printing
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// The integration, such as t37ed/CreateWorkOrder
    #[arg(value_name = "TENANT/NAME")]
    pub(crate) path: IntegrationPath,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The integration, such as t37ed/CreateWorkOrder
    #[arg(value_name = "TENANT/NAME")]
    pub(crate) path: IntegrationPath,
    /// The version whose definition becomes the newest version [default: the one before the current]
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<i32>,
    /// Apply without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The file of the definition
    #[arg(value_name = "FILE", required_unless_present = "mapping")]
    pub(crate) file: Option<PathBuf>,
    /// A file with the body of an example call [default: none, and the input of a schedule]
    #[arg(long, value_name = "EXAMPLE")]
    pub(crate) input: Option<PathBuf>,
    /// Type of the body [default: by the example's name and content]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// The method [default: POST with --input where it is accepted, else the definition's first]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A query parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) query: Vec<(String, String)>,
    /// A header; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) header: Vec<(String, String)>,
    /// The definition, of a file that holds several
    #[arg(long, value_name = "TENANT/NAME")]
    pub(crate) integration: Option<IntegrationPath>,
    /// A JSON file with the outputs of steps that call other systems: an object of step ids
    #[arg(long, value_name = "FILE.json", conflicts_with = "mapping")]
    pub(crate) steps: Option<PathBuf>,
    /// Runs this jq program alone; it sees the body as .body and as .input
    #[arg(long, value_name = "JQ")]
    pub(crate) mapping: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// Lists tenants with their settings
    List,
    /// Changes a tenant's settings, effective within a second
    Set {
        /// The tenant
        tenant: Name,
        /// Who may read /TENANT and /TENANT/openapi.json: open (everybody), key (any API key of the tenant), off (nobody)
        #[arg(long, value_name = "open|key|off", required_unless_present = "payloads")]
        docs: Option<DocsAccess>,
        /// Maximum bytes of inputs, outputs and steps that are stored of its executions, such as 20GiB; `all` stores them as long as the history
        #[arg(long, value_name = "SIZE|all", value_parser = payloads)]
        payloads: Option<Payloads>,
    },
    /// Pauses all triggers of a tenant: calls are accepted and queued, and none starts, on all workers within 2 seconds
    Pause {
        /// The tenant
        tenant: Name,
        #[command(flatten)]
        pause: PauseOptions,
    },
    /// Ends the pause of a tenant
    Resume {
        /// The tenant
        tenant: Name,
    },
}

/// Bytes of a tenant's payloads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Payloads {
    All,
    AtMost(u64),
}

fn payloads(text: &str) -> Result<Payloads, String> {
    match text {
        "all" => Ok(Payloads::All),
        _ => forebay_runtime::settings::parse_bytes(text).map(Payloads::AtMost),
    }
}
