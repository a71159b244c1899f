//! The store against a real PostgreSQL (`FOREBAY_DATABASE_URL`, else postgres://postgres@127.0.0.1:5432): each test makes its own
//! database and drops it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod alerts;
mod caps;
mod changes;
mod charts;
mod database;
mod definitions;
mod executions;
mod flashes;
mod history;
mod installation;
mod keys;
mod migrations;
mod partitions;
mod pauses;
mod people;
mod proxy;
mod records;
mod samples;
mod schedules;
mod search;
mod snapshot;
mod statistics;
mod tenant_queues;
mod tokens;
mod transitions;
mod triggers;
mod versions;
mod workers;
mod workflows;
