//! What every Forebay process needs before it does its own work: settings from the environment, logs and traces,
//! metrics, the management port, and an orderly end.
//!
//! A `main` uses the modules in this order: [`settings`] are read, [`telemetry`] and [`metrics`] are installed,
//! [`panics`] are routed to the log, [`shutdown`] listens for signals, [`management`] answers probes while the services run.

pub mod forwarding;
pub mod health;
pub mod management;
pub mod memory;
pub mod metric_names;
pub mod metrics;
pub mod panics;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
