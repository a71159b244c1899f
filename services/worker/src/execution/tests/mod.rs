//! The whole step in memory: each test is one delivery, or a few of the same execution.

mod attempts;
mod callers;
mod calls;
mod claims;
mod deferral;
mod ends;
mod memory;
mod worker;
