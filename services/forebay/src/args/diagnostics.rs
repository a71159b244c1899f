//! Arguments of the `diagnostics` verbs.

use clap::Subcommand;
use forebay_contract::{IntegrationPath, Name};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Diagnostics {
    /// Starts recording an integration's executions: input, output, and all variables before and after each step
    On {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
        /// Duration of the recording, such as 15m or 1h
        #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = forebay_contract::parse_duration)]
        time: Duration,
    },
    /// Stops recording
    Off {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Lists integrations whose executions are recorded
    List {
        /// Only integrations of this tenant
        #[arg(long)]
        tenant: Option<Name>,
    },
}
