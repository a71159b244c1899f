//! Texts of a page outside of its tables: notices, and help where a list is empty.

use super::badge::Tone;
use maud::{Markup, html};

/// Draws a notice, which a screen reader reads at once if it is bad.
#[must_use]
pub(crate) fn notice(tone: Tone, title: &str, text: impl maud::Render) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { div.notice.(tone.class()) role=(role) { strong { (title) } div { (text) } } }
}

/// Draws a text instead of an empty list: its purpose, and the next action.
#[must_use]
pub(crate) fn empty(title: &str, text: &str, action: &Markup) -> Markup {
    html! { div.empty { h3 { (title) } p { (text) } (action) } }
}

/// Draws a list of names with values.
#[must_use]
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

/// Draws a block of text with a button that copies it. `id` is unique on the page.
#[must_use]
pub(crate) fn copied(id: &str, text: &str) -> Markup {
    html! {
        div.copy {
            pre id=(id) tabindex="0" { (text) }
            button.button.small.needs-script type="button" data-copy=(id) { "Copy" }
        }
    }
}
