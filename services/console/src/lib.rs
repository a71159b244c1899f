//! The admin API and the web console.

pub mod view;
