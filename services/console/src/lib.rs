//! The admin API and the web console.

pub mod pages;
pub mod view;
