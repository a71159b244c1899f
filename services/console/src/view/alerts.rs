//! Alert rules and their state.

use super::badge::{Tone, badge, tag};
use super::connections::Tested;
use super::field::asking;
use super::notice::{empty, notice};
use super::table::head;
use super::time::ago;
use forebay_store::AlertRow;
use maud::{Markup, html};

/// Draws the list, with the result of a test if one was made.
#[must_use]
pub(crate) fn list(rows: &[AlertRow], tested: Option<&Tested>, may_test: bool, may_change: bool) -> Markup {
    let new = html! { @if may_change { a.button.main href="/alerts/new" { "New alert" } } };
    html! {
        @if let Some(tested) = tested {
            @let (tone, title) = if tested.is_good { (Tone::Good, "test notification sent") } else { (Tone::Bad, "test notification not sent") };
            (notice(tone, &format!("{}: {title}", tested.path), html! { @for line in tested.text.lines() { div { (line) } } }))
        }
        section.card id="list" data-live {
            @if rows.is_empty() {
                (empty("No alerts yet", "An alert sends a notification, by webhook or mail, when too many executions fail, an execution is queued too long, a trigger halts, or no call is received.", &new))
            } @else {
                div.table.folds {
                    table {
                        caption.unseen { "Alerts" }
                        (head(&["Alert", "When", "State", "Last notified"], Some("Actions")))
                        tbody { @for row in rows { (line(row, may_test, may_change)) } }
                    }
                }
            }
        }
    }
}

fn line(row: &AlertRow, may_test: bool, may_change: bool) -> Markup {
    let path = row.alert.path().to_string();
    html! {
        tr {
            th scope="row" {
                div {
                    a.row-link href={ "/alerts/" (path) } { (path) }
                    @if !row.alert.description.is_empty() { span.muted.small.clip { (row.alert.description) } }
                }
            }
            td data-label="When" { (tag(&row.alert.when.as_str().replace('_', " "))) }
            td data-label="State" {
                div.stack.tight {
                    @if !row.alert.enabled { (badge(Tone::Idle, "disabled")) }
                    @else if row.raised.is_empty() { (badge(Tone::Good, "quiet")) }
                    @else { @for raised in &row.raised { span.row { (badge(Tone::Bad, raised.integration.as_str())) span.small { (raised.detail) " " (ago(raised.since)) } } } }
                    @if let Some(error) = &row.error { span.row { (badge(Tone::Warn, "not sent")) span.small { (error) } } }
                }
            }
            td data-label="Last notified" { @match row.sent_at { Some(time) => (ago(time)), None => span.muted { "never" } } }
            td {
                div.actions {
                    @if may_test {
                        form method="post" action={ "/alerts/" (path) "/test" } { button.button.small type="submit" { "Test" span.unseen { " " (path) } } }
                    }
                    @if may_change {
                        form method="post" action={ "/alerts/" (path) "/delete" } {
                            (asking("small danger", "Delete", &format!("Delete the alert {path}? It will send no more notifications.")))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_says_what_an_alert_is_for() {
        assert!(list(&[], None, true, true).into_string().contains("/alerts/new"));
        assert!(!list(&[], None, true, false).into_string().contains("/alerts/new"));
    }
}
