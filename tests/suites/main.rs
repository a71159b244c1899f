//! The end-to-end suites: behaviour through real HTTP, a real broker and a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are not seen as tests by the lint")]

mod alerts;
mod api;
mod balance;
mod bodies;
mod browser;
mod caps;
mod command;
mod connections;
mod contract;
mod databases;
mod delivery;
mod detection;
mod documents;
mod engineering_pages;
mod examples;
mod fairness;
mod files;
mod guessing;
mod history;
mod hostile;
mod idempotency;
mod installation;
mod keys;
mod outcomes;
mod pauses;
mod people;
mod proof;
mod proxy;
mod publishing;
mod queues;
mod readme;
mod roles;
mod rolling;
mod schedules;
mod secrets;
mod sign_in;
mod test_queue;
mod tls;
mod tokens;
mod tracing;
mod transport;
mod uploads;
mod versions;
mod workflows;
