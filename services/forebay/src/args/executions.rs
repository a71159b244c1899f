//! Arguments of the verbs on executions.

use crate::output::time_ago;
use clap::{Args, Subcommand};
use forebay_admin_api::executions::ExecutionFilter;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{ExecutionId, Name};
use std::time::Duration;

/// Which executions; everything that is given must fit.
#[derive(Debug, Args)]
pub(crate) struct Found {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<Name>,
    /// Of integrations of this name only
    #[arg(long, value_name = "NAME")]
    integration: Option<Name>,
    /// With this status: running, succeeded, failed or expired
    #[arg(long)]
    status: Option<ExecutionStatus>,
    /// Received within this time, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    since: Option<Duration>,
    /// Received this long ago or longer
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    until: Option<Duration>,
    /// Found by this label, such as workOrder=4711, or 4711 under any name
    #[arg(long, value_name = "NAME=VALUE|VALUE")]
    label: Option<String>,
    /// With this kind of failure, such as mapping, remote, unreachable or timeout
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
}

impl Found {
    /// Returns the filter in the form of the API.
    pub(crate) fn filter(&self) -> ExecutionFilter {
        ExecutionFilter {
            tenant: self.tenant.as_ref().map(Into::into),
            integration: self.integration.as_ref().map(Into::into),
            status: self.status.map(Into::into),
            since: self.since.map(time_ago),
            until: self.until.map(time_ago),
            label: self.label.clone(),
            error: self.error.map(Into::into),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Of this tenant only
    #[arg(long)]
    pub(crate) tenant: Option<Name>,
    /// Of integrations of this name only
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<Name>,
    /// With this status: succeeded, failed or expired
    #[arg(long)]
    pub(crate) status: Option<ExecutionStatus>,
    /// With this label, such as workOrder=4711, or 4711 under any name
    #[arg(long, value_name = "NAME=VALUE|VALUE")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Executions {
    /// Lists executions that have started, newest first
    List {
        #[command(flatten)]
        found: Found,
        /// Maximum executions that are listed
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Retries failed or expired executions: steps that succeeded do not run again
    Retry(Retry),
    /// Shows one execution with its steps, and its input and response where they are stored
    Show {
        /// The execution's id
        id: ExecutionId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The executions' ids; without, all that the flags find, in the order in which they were received
    #[arg(value_name = "ID", required_unless_present_any = SEARCH, conflicts_with_all = SEARCH)]
    pub(crate) ids: Vec<ExecutionId>,
    #[command(flatten)]
    pub(crate) found: Found,
    /// With the latest version of the definition, not with the one that received it
    #[arg(long)]
    pub(crate) latest: bool,
    /// From the first step, not from the failed one
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Count the executions that the flags find, and retry none
    #[arg(long, conflicts_with = "ids")]
    pub(crate) dry_run: bool,
    /// Retry all that the flags find without asking
    #[arg(long, short, conflicts_with = "ids")]
    pub(crate) yes: bool,
    /// Wait until they end; exit code 1 where one does not succeed
    #[arg(long, conflicts_with_all = SEARCH)]
    pub(crate) wait: bool,
}

/// The flags of [`Found`].
const SEARCH: [&str; 7] = ["tenant", "integration", "status", "since", "until", "label", "error"];

#[derive(Debug, Subcommand)]
pub(crate) enum Unreadable {
    /// Lists messages that no worker could read, the oldest first
    List,
    /// Puts a message back into the queue that it came from
    Return {
        /// The message's id, as the list shows it
        id: String,
    },
    /// Deletes a message: its execution never runs
    Discard {
        /// The message's id, as the list shows it
        id: String,
        /// Discard without asking
        #[arg(long, short)]
        yes: bool,
    },
}
