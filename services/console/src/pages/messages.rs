//! The messages of a page with a form of keys.

use super::flash::Flash;
use super::sent::Sent;
use crate::view;
use crate::view::badge::Tone;
use crate::view::keys::Form;
use crate::view::notice::notice;
use maud::{Markup, html};

/// The messages of a page with a form of keys: about the last action, and a form that was refused.
#[derive(Default)]
pub(super) struct Messages {
    /// The notice at the top.
    pub(super) notice: Markup,
    /// The reason for which the form was refused; empty: it was not.
    pub(super) wrong: String,
    /// The submitted fields.
    pub(super) sent: Sent,
}

impl Messages {
    /// Makes the messages from a flash.
    pub(super) fn of(flash: Option<Flash>) -> Self {
        let notice = match flash {
            Some(Flash::KeyCreated { label, key, signs }) => view::keys::created(&label, key.expose(), signs),
            Some(Flash::Notice(title, text)) => notice(Tone::Good, &title, text.as_str()),
            Some(Flash::TokenCreated(_) | Flash::Tested(_) | Flash::TestCall(..)) | None => html! {},
        };
        Self { notice, ..Self::default() }
    }

    /// Returns a form of new keys, filled with the submitted fields if it was this form.
    pub(super) fn form(&self, tenant: &str, integrations: &[String], signs: bool, back: &str) -> Markup {
        let (sent, is_this) = (&self.sent, self.sent.text("tenant") == tenant);
        let form = Form { tenant, integrations, signs, back, ..Form::default() };
        if !is_this {
            return view::keys::form(&form);
        }
        view::keys::form(&Form {
            chosen: sent.all("integrations"),
            signs: sent.has("signs"),
            reads_all_outcomes: sent.has("allOutcomes"),
            wrong: &self.wrong,
            label: sent.text("label"),
            expires: sent.text("expires"),
            value: sent.text("value"),
            ..form
        })
    }
}
