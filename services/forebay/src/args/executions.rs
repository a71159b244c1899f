//! Arguments of the verbs on executions.

use crate::output::time_ago;
use clap::{Args, Subcommand};
use forebay_admin_api::executions::ExecutionFilter;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{ExecutionId, Name};
use std::time::Duration;

/// A filter of executions: they must match all given flags.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only executions of this tenant
    #[arg(long)]
    tenant: Option<Name>,
    /// Only executions of integrations with this name
    #[arg(long, value_name = "NAME")]
    integration: Option<Name>,
    /// Only executions with this status: running, succeeded, failed or expired
    #[arg(long)]
    status: Option<ExecutionStatus>,
    /// Only executions newer than this, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    since: Option<Duration>,
    /// Only executions older than this, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", value_parser = forebay_contract::parse_duration)]
    until: Option<Duration>,
    /// Only executions with this label, such as workOrder=4711, or 4711 for any label name
    #[arg(long, value_name = "NAME=VALUE|VALUE")]
    label: Option<String>,
    /// Only executions with this error code, such as mapping, remote, unreachable or timeout
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
}

impl FilterArgs {
    /// Returns the filter in the form of the API.
    pub(crate) fn to_api(&self) -> ExecutionFilter {
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
    /// Only executions of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<Name>,
    /// Only executions of integrations with this name
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<Name>,
    /// Only executions with this status: succeeded, failed or expired
    #[arg(long)]
    pub(crate) status: Option<ExecutionStatus>,
    /// Only executions with this label, such as workOrder=4711, or 4711 for any label name
    #[arg(long, value_name = "NAME=VALUE|VALUE")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Executions {
    /// Lists executions that have started, the newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Maximum executions
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Retries failed or expired executions; steps that succeeded do not run again
    Retry(Retry),
    /// Shows an execution with its steps, and its stored input and response
    Show {
        /// The execution's id
        id: ExecutionId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The executions' ids [default: all executions that match the flags, in the order of their receipt]
    #[arg(value_name = "ID", required_unless_present_any = FILTERS, conflicts_with_all = FILTERS)]
    pub(crate) ids: Vec<ExecutionId>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Use the latest version of the definition instead of the execution's version
    #[arg(long)]
    pub(crate) latest: bool,
    /// Start at the first step instead of the failed step
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Only count the executions that match the flags
    #[arg(long, conflicts_with = "ids")]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short, conflicts_with = "ids")]
    pub(crate) yes: bool,
    /// Wait until the executions end; exit code 1: one did not succeed
    #[arg(long, conflicts_with_all = FILTERS)]
    pub(crate) wait: bool,
}

/// The flags of [`FilterArgs`].
const FILTERS: [&str; 7] = ["tenant", "integration", "status", "since", "until", "label", "error"];

#[derive(Debug, Subcommand)]
pub(crate) enum Unreadable {
    /// Lists messages that no worker could read, the oldest first
    List,
    /// Returns a message to its queue
    Return {
        /// The message's id from `unreadable list`
        id: String,
    },
    /// Deletes a message; its execution does not run
    Discard {
        /// The message's id from `unreadable list`
        id: String,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
}
