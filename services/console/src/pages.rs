//! Pages for people.

pub mod assets;
pub(crate) mod editor;
