//! The admin API: the types of its requests and responses, one module a resource, and a client.
//!
//! The console reads requests and writes responses with these types, and makes the OpenAPI document from them; the command and the tests
//! write requests and read responses with the same types. A constraint of a field is an attribute of its type.
//!
//! Texts of requests ([`NameText`], [`DurationText`] and so on) hold whatever was sent: their rule is told by the document and checked by the
//! handler, which says what is wrong and where.

pub mod alerts;
pub mod apply;
pub mod audit;
#[cfg(feature = "client")]
pub mod client;
pub mod connections;
pub mod diagnostics;
pub mod executions;
pub mod integrations;
mod json;
pub mod keys;
pub mod monitor;
mod paging;
mod paths;
mod problem;
pub mod schedules;
pub mod tenants;
mod text;
mod time;
pub mod tokens;
pub mod triggers;
pub mod unreadable;
pub mod users;

pub use paging::{Deleted, ListQuery, MAX_PAGE, Page, PageQuery, Paged};
pub use paths::{ExecutionPath, IdPath, MessagePath, NamePath, TenantPath};
pub use problem::{DocumentProblem, ExistingKey, Problem};
pub use text::{
    DocsAccessName, DurationText, ErrorCodeName, ExecutionIdText, FullName, KeyLabel, KeyLifetime, KeyValue, MomentText, NameText,
    Password, RoleName, StatusList, TenantScope, UserName,
};
pub use time::Time;
