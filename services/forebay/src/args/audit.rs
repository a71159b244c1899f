//! Arguments of the `audit` verb.

use clap::Subcommand;
use forebay_contract::Name;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Lists audit entries, the newest first
    List {
        /// Only entries of this tenant
        #[arg(long)]
        tenant: Option<Name>,
        /// Only entries newer than this, such as 1h or 7d
        #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
        since: Option<Duration>,
        /// Only entries of this principal, as the list shows it
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Only this action, such as key.create, or `key` for all actions on keys
        #[arg(long, value_name = "ACTION")]
        action: Option<String>,
        /// Only changes of this object, such as t37ed/CreateWorkOrder
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        /// Maximum entries
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Writes all entries as JSON lines to standard output, the newest first
    Export {
        /// Only entries of this tenant
        #[arg(long)]
        tenant: Option<Name>,
        /// Only entries newer than this, such as 1h or 7d
        #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
        since: Option<Duration>,
    },
}
