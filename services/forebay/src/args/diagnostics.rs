//! Arguments of the `diagnostics` verbs.

use clap::Subcommand;
use forebay_contract::{IntegrationPath, Name};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Diagnostics {
    /// Records everything of an integration's executions for a time: input, output, every variable before and after each step
    On {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
        /// For how long, such as 15m or 1h
        #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = forebay_contract::parse_duration)]
        time: Duration,
    },
    /// Ends the recording
    Off {
        /// The integration, such as t37ed/CreateWorkOrder
        #[arg(value_name = "TENANT/NAME")]
        path: IntegrationPath,
    },
    /// Lists integrations of which everything is recorded
    List {
        /// Of this tenant only
        #[arg(long)]
        tenant: Option<Name>,
    },
}
