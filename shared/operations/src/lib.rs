//! What people do with Forebay, each thing once: its permission is checked, it is done, and it is written into the audit log. The console's
//! API, its pages and the command are three ways to the same functions.

mod actor;

pub use actor::{Actor, Denied, Visible};
