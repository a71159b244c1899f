//! Halts and pauses of triggers, schedules, and alert rules.

pub(crate) mod alert_evaluations;
pub(crate) mod alerts;
pub(crate) mod pauses;
pub(crate) mod schedule_listing;
pub(crate) mod schedules;
pub(crate) mod trigger_states;
