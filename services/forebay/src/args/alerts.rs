//! The verbs on alerts.

use std::path::PathBuf;

use clap::Subcommand;
use forebay_contract::{IntegrationPath, Name};

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Stores alerts of files, or folders with *.yaml, *.yml and *.json
    Apply {
        /// Files or folders; folders are searched recursively
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
    /// Lists alerts and whether they are raised
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
    /// Shows an alert: where it is raised, since when, and which notifications were sent
    Show {
        /// The alert, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Sends a test notification now; exit code 1 where it does not arrive
    Test {
        /// The alert, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Deletes an alert
    Delete {
        /// The alert, such as t37ed/OrdersFailing
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
}
