//! The admin API and the web console.
//!
//! A request goes through `server` (headers that every answer has, and whether it may come from where it comes), is found in the table of
//! `routes`, gets its actor by `auth`, and is done by one of [`forebay_operations`]; `api` answers in JSON, `pages` in HTML drawn by `view`.

mod api;
mod auth;
mod client;
mod device;
mod failure;
mod guard;
mod live;
mod oidc;
mod pages;
mod route;
mod server;
mod setup;
mod state;
mod throttle;
mod view;

pub use api::openapi;
pub use auth::HostAccess;
pub use route::{Access, RouteInfo, routes};
pub use server::{Console, ConsoleError};
