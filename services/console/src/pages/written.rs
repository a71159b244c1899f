//! The submitted text of a connection or an alert.

use super::conflict::Choice;
use super::error::PageError;
use super::sent::{Sent, name};
use crate::view::conflict::{Conflict, conflict};
use crate::view::text_editor::refused;
use forebay_contract::IntegrationPath;
use forebay_contract::definition::documents;
use maud::Markup;
use serde_json::Value;

/// A text that is being edited.
#[derive(Debug, Default)]
pub(super) struct WrittenText {
    /// `tenant/name`; empty: a new one.
    pub(super) path: String,
    pub(super) source: String,
    /// The text that the user opened.
    pub(super) base: String,
    /// The revision of `base`; 0: a new one.
    pub(super) revision: i32,
    /// The reason for which it was not saved.
    pub(super) refused: Option<Markup>,
    /// A message about the last action.
    pub(super) notice: String,
}

impl WrittenText {
    /// Returns the stored text, to be changed.
    pub(super) fn stored(path: String, source: String, revision: i32) -> Self {
        Self { path, base: source.clone(), source, revision, ..Self::default() }
    }

    pub(super) fn sent(sent: &Sent) -> Self {
        let text = |name: &str| sent.text(name).to_owned();
        Self { path: text("path"), source: text("source"), base: text("base"), revision: sent.number("revision"), ..Self::default() }
    }

    /// Returns the tenant and name of the document; for a new one, those in its text. `field` is the field of the name.
    pub(super) fn names(&self, field: &str) -> Result<IntegrationPath, PageError> {
        if let Ok(path) = self.path.parse() {
            return Ok(path);
        }
        let read = documents(&self.source).unwrap_or_default();
        let named = |field: &str| name(read.first().and_then(|document| document.get(field)).and_then(Value::as_str).unwrap_or_default());
        Ok(IntegrationPath { tenant: named("tenant")?, name: named(field)? })
    }

    pub(super) fn refuse(mut self, reason: &str) -> Self {
        self.refused = Some(refused(reason));
        self
    }

    fn against(&self, theirs: String, revision: i32) -> Conflict {
        Conflict::new(self.base.clone(), theirs, self.source.clone(), revision, "revision")
    }

    /// Refuses to save, because another user has saved a change.
    pub(super) fn refuse_changed(mut self, theirs: String, revision: i32) -> Self {
        self.refused = Some(conflict(&self.against(theirs, revision)));
        self
    }

    /// Continues with one of the texts, based on the stored one.
    pub(super) fn choose(self, choice: Choice, path: String, theirs: String, revision: i32) -> Self {
        let (source, notice) = choice.text(&self.against(theirs.clone(), revision));
        Self { path, source, base: theirs, revision, refused: None, notice }
    }
}
