//! The verbs on alerts.

use std::path::PathBuf;

use clap::Subcommand;
use forebay_contract::{IntegrationPath, Name};

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Stores the alert rules of files, or of folders with *.yaml, *.yml and *.json
    Apply {
        /// Files or folders; folders are searched recursively
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
    /// Lists alert rules with their state
    List {
        /// Only alert rules of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Shows an alert rule with its raised alerts and its notifications
    Show {
        /// The alert rule, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Sends a test notification; exit code 1: it was not sent
    Test {
        /// The alert rule, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Deletes an alert rule
    Delete {
        /// The alert rule, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
}
