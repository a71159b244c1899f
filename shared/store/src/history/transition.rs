//! The transition of an execution's state: one of two records of it stays. Workers write late, twice and out of order: a frozen worker
//! wakes up, a dead one left `running` behind, outcomes were spooled while the database was away.
//!
//! - A success stays: a record that comes after it is of a worker that does not know of it.
//! - The end of a later attempt replaces that of an earlier one; of one attempt, a success replaces a failure, and a failure replaces
//!   `expired`. So a retry by hand, which only failed and expired executions get, shows its own state.
//! - An end replaces `queued` and `running` of its own attempt and of earlier ones; the record of an abandoned execution those of any.
//!
//! [`replaces`] and [`CONDITION`] are one rule in two languages: a test compares them for every pair of states.

use crate::history::record::Record;
use forebay_contract::outcome::ExecutionStatus;

/// Returns true if a record replaces another one of the same execution.
pub(crate) fn replaces(stored: &Record, new: &Record) -> bool {
    use ExecutionStatus::{Expired, Failed, Queued, Running, Succeeded};
    match stored.status {
        Succeeded => false,
        Queued | Running => new.attempts >= stored.attempts || new.is_abandoned,
        Failed | Expired => new.attempts > stored.attempts || new.attempts == stored.attempts && rank(new.status) >= rank(stored.status),
    }
}

/// The rule of [`replaces`] in SQL, for rows `executions` and `excluded`. `$21`: the ids (the unique parts) of abandoned executions.
pub(crate) const CONDITION: &str = "case
    when executions.status = 'succeeded' then false
    when executions.status in ('queued', 'running') then excluded.attempts >= executions.attempts or excluded.id = any($21::uuid[])
    else excluded.attempts > executions.attempts or excluded.attempts = executions.attempts
        and array_position(array['expired', 'failed', 'succeeded'], excluded.status)
            >= array_position(array['expired', 'failed', 'succeeded'], executions.status)
    end";

fn rank(status: ExecutionStatus) -> u8 {
    match status {
        ExecutionStatus::Queued | ExecutionStatus::Running => 0,
        ExecutionStatus::Expired => 1,
        ExecutionStatus::Failed => 2,
        ExecutionStatus::Succeeded => 3,
    }
}
