//! Pages for people. Who may see one is the server's matter: nothing here is a route yet.

pub mod assets;
pub mod editor;
