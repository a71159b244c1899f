//! The parts that every Forebay process needs: settings from the environment, logs and traces, metrics, the management port, and an orderly
//! shutdown.
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
