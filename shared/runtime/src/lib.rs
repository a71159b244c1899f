//! What every Forebay process needs before it does its own work: settings from the environment, logs and traces,
//! metrics, the admin port, and an orderly end.
//!
//! A `main` uses the modules in this order: [`settings`] are read, [`telemetry`] and [`metrics`] are installed,
//! [`panics`] are routed to the log, [`shutdown`] listens for signals, [`admin`] answers probes while the services run.

pub mod admin;
pub mod forwarding;
pub mod health;
pub mod memory;
pub mod metric_names;
pub mod metrics;
pub mod panics;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
