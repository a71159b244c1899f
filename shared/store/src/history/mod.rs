//! Executions that were recorded: their records, search, statistics and retention.

pub(crate) mod activity;
pub(crate) mod budget;
pub(crate) mod charts;
pub(crate) mod diagnoses;
pub(crate) mod durations;
pub(crate) mod follow;
pub(crate) mod listing;
pub(crate) mod outcomes;
pub(crate) mod payload;
pub(crate) mod record;
pub(crate) mod record_write;
pub(crate) mod retention;
pub(crate) mod sealed;
pub(crate) mod search;
pub(crate) mod statistics;
pub(crate) mod stretches;
pub(crate) mod transition;
