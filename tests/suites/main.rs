//! The end-to-end suites: behaviour through real HTTP, a real broker and a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are not seen as tests by the lint")]

mod balance;
mod contract;
mod delivery;
mod documents;
mod keys;
mod tracing;
mod transport;
mod versions;
