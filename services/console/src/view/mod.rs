//! From values to HTML: pure functions, no I/O.
//!
//! HTML is not built from texts: `maud` escapes everything that a tenant may have written. There are no `style` attributes and no inline
//! scripts, which the Content-Security-Policy refuses; shapes whose size depends on a value are SVG.

pub(crate) mod alerts;
pub(crate) mod badge;
pub(crate) mod chart;
pub(crate) mod conflict;
pub(crate) mod connections;
pub(crate) mod diagram;
pub(crate) mod diff;
pub(crate) mod editor;
pub(crate) mod execution;
pub(crate) mod executions;
pub(crate) mod field;
pub(crate) mod icon;
pub(crate) mod integrations;
pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod monitor;
pub(crate) mod notice;
pub(crate) mod page;
pub(crate) mod pauses;
pub(crate) mod people;
pub(crate) mod problem;
pub(crate) mod sign_in;
mod table;
pub(crate) mod text_editor;
pub(crate) mod time;
pub(crate) mod timeline;
pub(crate) mod trial;
pub(crate) mod try_it;
pub(crate) mod versions;
