//! Arguments of the verbs on executions.

use crate::output::time_ago;
use clap::{Args, Subcommand};
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
    /// That stand so: running, succeeded, failed or expired
    #[arg(long)]
    status: Option<ExecutionStatus>,
    /// Accepted within this time, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    since: Option<Duration>,
    /// Accepted this long ago or longer
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    until: Option<Duration>,
    /// Found by this label, such as workOrder=4711, or 4711 under any name
    #[arg(long, value_name = "NAME=VALUE|VALUE")]
    label: Option<String>,
    /// That failed so, such as mapping, remote, unreachable or timeout
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
}

impl Found {
    /// As the API asks for it.
    pub(crate) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("tenant", self.tenant.as_ref().map(ToString::to_string)),
            ("integration", self.integration.as_ref().map(ToString::to_string)),
            ("status", self.status.map(|status| status.to_string())),
            ("since", self.since.map(ago)),
            ("until", self.until.map(ago)),
            ("label", self.label.clone()),
            ("error", self.error.map(|code| code.as_str().to_owned())),
        ]
    }
}

/// As a time, which stays the same over all parts of a retry.
fn ago(time: Duration) -> String {
    time_ago(time)
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Of this tenant only
    #[arg(long)]
    pub(crate) tenant: Option<Name>,
    /// Of integrations of this name only
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<Name>,
    /// That ended so: succeeded, failed or expired
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
    /// Runs failed or expired executions once more: what their steps have done is not done again
    Retry(Retry),
    /// Shows one execution with its steps, and its input and answer where they are kept
    Show {
        /// The execution's id
        id: ExecutionId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The executions' ids; without, all that the flags find, in the order in which they were accepted
    #[arg(value_name = "ID", required_unless_present_any = SEARCH, conflicts_with_all = SEARCH)]
    pub(crate) ids: Vec<ExecutionId>,
    #[command(flatten)]
    pub(crate) found: Found,
    /// With the latest version of the definition, and not with the one that accepted it
    #[arg(long)]
    pub(crate) latest: bool,
    /// From its first step, whatever was done before
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Say how many the flags find, and run none
    #[arg(long, conflicts_with = "ids")]
    pub(crate) dry_run: bool,
    /// Run all that the flags find without asking
    #[arg(long, short, conflicts_with = "ids")]
    pub(crate) yes: bool,
    /// Wait until they end; exit code 1 where one does not end well
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
    /// Deletes a message: what it asked for is never done
    Discard {
        /// The message's id, as the list shows it
        id: String,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}
