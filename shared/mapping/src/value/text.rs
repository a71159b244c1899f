//! The text of a string, shared by its copies.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

/// A string, and the name of a member. It hashes and compares as its text does, so that a member is found by any `&str`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(Arc<String>);

impl Text {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Text(Arc::new(text.into()))
    }

    /// The text itself, to be changed in place, where nothing else holds it.
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
