//! The admin API and the web console.
//!
//! A request passes `server` (headers of every response, and the check of its origin), is found in the table of `routes`, gets its actor
//! from `auth`, and calls one of [`forebay_operations`]; `api` answers in JSON, `pages` in HTML, which `view` draws.

mod api;
mod auth;
mod bulk_retry;
mod client;
mod device;
mod error_at;
mod failure;
mod guard;
mod host_access;
mod live;
mod oidc;
mod pages;
mod route;
mod routes;
mod server;
mod setup;
mod state;
mod throttle;
mod view;

pub use api::openapi;
pub use host_access::HostAccess;
pub use route::Access;
pub use routes::{RouteInfo, routes};
pub use server::{Console, ConsoleError};
