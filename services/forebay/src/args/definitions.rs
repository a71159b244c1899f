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
    /// Do not ask for confirmation
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
    /// An older version of the integration
    #[arg(long, value_name = "N", requires = "path")]
    pub(crate) version: Option<i32>,
    /// Write to FOLDER/TENANT/NAME.yaml (or .json) instead of standard output
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
    /// The version with the definition to restore [default: the version before the current one]
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<i32>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The file of the definition
    #[arg(value_name = "FILE", required_unless_present = "mapping")]
    pub(crate) file: Option<PathBuf>,
    /// A file with the body of an example call [default: no body; for a schedule its input]
    #[arg(long, value_name = "EXAMPLE")]
    pub(crate) input: Option<PathBuf>,
    /// Content type of the body [default: from the file's extension and content]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// The method [default: POST with --input if the definition has it, else the definition's first method]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A query parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) query: Vec<(String, String)>,
    /// A header; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) header: Vec<(String, String)>,
    /// The definition to run, if the file has several
    #[arg(long, value_name = "TENANT/NAME")]
    pub(crate) integration: Option<IntegrationPath>,
    /// A JSON file with outputs of steps that call other systems: an object with the step ids as fields
    #[arg(long, value_name = "FILE.json", conflicts_with = "mapping")]
    pub(crate) steps: Option<PathBuf>,
    /// Run only this jq program; the body is in .body and in .input
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
        /// Access to /TENANT and /TENANT/openapi.json: open (everybody), key (any API key of the tenant), off (nobody)
        #[arg(long, value_name = "open|key|off", required_unless_present = "payloads")]
        docs: Option<DocsAccess>,
        /// Maximum bytes of stored inputs, outputs and steps, such as 20GiB; `all`: no maximum, within the retention of the history
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
