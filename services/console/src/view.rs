//! From values to HTML: pure functions, no I/O.
//!
//! Nothing here is written as text into HTML: `maud` escapes all that a tenant may have written. There is no `style` attribute and no inline
//! script, which the Content-Security-Policy refuses; what has a size by its value is SVG.

pub mod badge;
pub mod chart;
pub mod connections;
pub mod diagram;
pub mod diff;
pub mod editor;
pub mod execution;
pub mod executions;
pub mod field;
pub mod icon;
pub mod integrations;
pub mod json;
pub mod keys;
pub mod monitor;
pub mod notice;
pub mod page;
pub mod people;
pub mod problem;
pub mod sign_in;
mod table;
pub mod time;
pub mod timeline;
pub mod trial;
pub mod try_it;
pub mod versions;
