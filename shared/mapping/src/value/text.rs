//! The text of a string, shared by its copies.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

/// A string, or the name of a member. It hashes and compares like its text, so that a member can be found by any `&str`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(Arc<String>);

impl Text {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Text(Arc::new(text.into()))
    }

    /// Returns the text for a change in place, if nothing else holds it.
    pub(crate) fn alone(&mut self) -> Option<&mut String> {
        Arc::get_mut(&mut self.0)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}
