//! Keys of callers.

use super::badge::{Tone, badge, tag};
use super::field::{Field, asking, tick};
use super::notice::{copied, empty, notice};
use super::table::head;
use super::time::{ago, at};
use maud::{Markup, html};

/// One key of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// To change it.
    pub(crate) id: String,
    /// Its tenant.
    pub(crate) tenant: String,
    /// What it is for.
    pub(crate) label: String,
    /// Its last characters.
    pub(crate) hint: String,
    /// What it opens.
    pub(crate) integrations: Vec<String>,
    /// Microseconds of Unix time.
    pub(crate) created_at: i64,
    /// When it was used last.
    pub(crate) last_used_at: Option<i64>,
    /// When it ends.
    pub(crate) expires_at: Option<i64>,
    /// Whether calls are signed with it.
    pub(crate) signs: bool,
}

/// A key that was just made: the only time that it is shown.
#[must_use]
pub(crate) fn created(label: &str, key: &str, signs: bool) -> Markup {
    let kept = if signs { "encrypted" } else { "as a digest only" };
    notice(
        Tone::Good,
        &format!("The key '{label}' is made"),
        html! {
            div.stack.tight { p { "Copy it now: it is stored " (kept) ", and cannot be shown again." } (copied("new-key", key)) }
        },
    )
}

/// The list.
#[must_use]
pub(crate) fn list(lines: &[Line], now: i64, may_change: bool) -> Markup {
    if lines.is_empty() {
        return empty(
            "No keys yet",
            "A caller sends its key as X-API-Key. Make one for each system that calls, so that each can be taken away alone.",
            &html! {},
        );
    }
    html! {
        div.table.folds {
            table {
                caption.unseen { "API keys" }
                (head(&["Label", "Ends in", "Opens", "Last used", "Expires"], Some("Actions")))
                tbody {
                    @for line in lines {
                        tr {
                            th scope="row" { div { (line.label) " " span.muted.small { (line.tenant) } @if line.signs { " " (tag("signs")) } } }
                            td data-label="Ends in" { @if line.hint.is_empty() { span.muted { "-" } } @else { code { "…" (line.hint) } } }
                            td data-label="Opens" { div.row { @for name in &line.integrations { (tag(name)) } } }
                            td data-label="Last used" { @match line.last_used_at { Some(time) => (ago(time)), None => span.muted { "never" } } }
                            td data-label="Expires" {
                                @match line.expires_at {
                                    None => span.muted { "never" },
                                    Some(time) if time <= now => (badge(Tone::Bad, "expired")),
                                    Some(time) => (at(time)),
                                }
                            }
                            td {
                                @if may_change {
                                    div.stack.tight {
                                    details {
                                        summary { "Rename" span.unseen { " " (line.label) } }
                                        form.stack.tight method="post" action={ "/keys/" (line.id) "/label" } {
                                            (Field { name: "label", id: &format!("label-{}", line.id), label: "Label", value: &line.label, required: true, ..Field::default() }.line("text"))
                                            div.actions { button.button.small type="submit" { "Save label" } }
                                        }
                                    }
                                    form method="post" action={ "/keys/" (line.id) "/delete" } {
                                        (asking("small danger", "Delete", &format!("Delete the key '{}'? Whoever sends it gets 401 from then on.", line.label)))
                                    }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The form of a new key. `integrations`: what it may open, all ticked where there is one only. `signs`: whether a signing key is what is
/// needed there. `back`: where to go after.
#[must_use]
pub(crate) fn form(tenant: &str, integrations: &[String], signs: bool, wrong: &str, back: &str) -> Markup {
    html! {
        form.stack method="post" action="/keys" {
            input type="hidden" name="tenant" value=(tenant);
            input type="hidden" name="back" value=(back);
            @if !wrong.is_empty() { (notice(Tone::Bad, "No key was made", wrong)) }
            div.fields {
                (Field { name: "label", id: "key-label", label: "Label", hint: "Who sends it.", example: "ACME production", required: true, ..Field::default() }.line("text"))
                (Field { name: "expires", id: "key-expires", label: "Lasts", hint: "Such as 90d; empty: until it is deleted.", ..Field::default() }.line("text"))
            }
            div.field {
                label for="key-value" { "Key" }
                div.row {
                    input id="key-value" name="value" type="text" autocomplete="off" spellcheck="false" aria-describedby="key-value-hint";
                    button.button.needs-script type="button" data-generate="key-value" { "Generate" }
                }
                span.hint id="key-value-hint" { "Paste one that exists already, or leave it empty and one is generated. It is shown once." }
            }
            div.field {
                span.label { "Use" }
                (tick("signs", "true", signs, "Signs calls", "For senders that sign what they send, such as GitHub: a secret that both sides know."))
            }
            @if let [only] = integrations { input type="hidden" name="integrations" value=(only); }
            @else {
                fieldset.field { legend { "Opens" } div.choices { @for name in integrations { (tick("integrations", name, false, name, "")) } } }
            }
            div.actions { button.button.main type="submit" { "Add key" } }
        }
    }
}
