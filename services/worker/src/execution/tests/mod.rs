//! Tests of executions in memory: each delivers one message, or a few of the same execution.

mod attempts;
mod callers;
mod calls;
mod claims;
mod deferral;
mod ends;
mod memory;
mod pauses;
mod worker;
