//! What a page says to its reader outside of its tables: notices, and what to do where there is nothing yet.

use super::badge::Tone;
use maud::{Markup, html};

/// A notice, which a screen reader says at once where it is bad.
#[must_use]
pub(crate) fn notice(tone: Tone, title: &str, text: impl maud::Render) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { div.notice.(tone.class()) role=(role) { strong { (title) } div { (text) } } }
}

/// In the place of an empty list: what it would hold, and what to do.
#[must_use]
pub(crate) fn empty(title: &str, text: &str, action: &Markup) -> Markup {
    html! { div.empty { h3 { (title) } p { (text) } (action) } }
}

/// A list of names with values.
#[must_use]
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

/// A block of text with a button that copies it. `id` is unique on the page.
#[must_use]
pub(crate) fn copied(id: &str, text: &str) -> Markup {
    html! {
        div.copy {
            pre id=(id) tabindex="0" { (text) }
            button.button.small.needs-script type="button" data-copy=(id) { "Copy" }
        }
    }
}
