//! Paused triggers.

use super::badge::{Tone, badge};
use super::field::Field;
use super::notice::notice;
use super::page::card;
use super::time::{ago, at};
use forebay_store::{PauseCause, Paused, TriggerRow};
use maud::{Markup, html};

/// The field of a form that leads back to the page of the integration.
pub(crate) const OF_INTEGRATION: &str = "of_integration";

/// Draws the triggers that a person has paused, with the reason of each.
#[must_use]
pub(crate) fn list(triggers: &[TriggerRow], may_resume: bool) -> Markup {
    let paused: Vec<(String, &Paused)> = triggers
        .iter()
        .filter_map(|trigger| Some((format!("{}/{}", trigger.tenant, trigger.name), trigger.paused.as_ref()?)))
        .filter(|(_, paused)| paused.accepts_calls())
        .collect();
    html! {
        @if !paused.is_empty() {
            section.card id="paused-triggers" {
                header { h2 { "Paused triggers" } (badge(Tone::Warn, &paused.len().to_string())) }
                div.body { @for (path, paused) in paused { (notice(Tone::Warn, &path, text(&path, paused, may_resume, false))) } }
            }
        }
    }
}

/// Draws the pause of one trigger on the page of its integration.
#[must_use]
pub(crate) fn notice_of(path: &str, paused: &Paused, may_resume: bool) -> Markup {
    notice(Tone::Warn, "Paused", text(path, paused, may_resume, true))
}

fn text(path: &str, paused: &Paused, may_resume: bool, is_of_integration: bool) -> Markup {
    let reason = paused.pause.as_ref().map(|pause| pause.reason.as_str()).filter(|reason| !reason.is_empty());
    html! {
        div.stack.tight {
            @if let Some(reason) = reason { p { (reason) } }
            p.small {
                @match &paused.cause {
                    PauseCause::Trigger => {}
                    PauseCause::Connection(connection) => { "The connection " (connection) " is paused, which its steps use. " }
                    PauseCause::Tenant => "Its tenant is paused. ",
                    PauseCause::Definition => "Its definition has paused: true. ",
                    PauseCause::Disabled => "Its definition has enabled: false. ",
                }
                @if let Some(pause) = &paused.pause {
                    "Paused " (ago(pause.since)) " by " (pause.by) ". "
                    @if let Some(until) = pause.until { "It ends at " (at(until)) ". " }
                }
                "Calls are accepted and queued, and none starts."
            }
            @if may_resume && paused.cause == PauseCause::Trigger {
                form method="post" action={ "/triggers/" (path) "/resume" } {
                    @if is_of_integration { input type="hidden" name=(OF_INTEGRATION) value="true"; }
                    button.button.small.main type="submit" { "Resume" }
                }
            }
        }
    }
}

/// Draws the form that pauses a trigger.
#[must_use]
pub(crate) fn form(path: &str) -> Markup {
    card(
        "Pause",
        &html! {},
        &html! {
            p.hint { "A paused trigger accepts and queues calls, and starts none until it is resumed. Order is kept. A caller who waits for a response gets 503." }
            form.row method="post" action={ "/triggers/" (path) "/pause" } {
                (Field { hint: "For people, such as: the ERP is in maintenance", name: "reason", id: "pause-reason", label: "Reason", ..Field::default() }.line("text"))
                (Field { hint: "Such as 2h; without, until it is resumed", name: "for", id: "pause-for", label: "Pause for", ..Field::default() }.line("text"))
                button.button type="submit" { "Pause" }
            }
        },
    )
}
