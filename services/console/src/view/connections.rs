//! Connections to other systems.

use super::badge::{Tone, badge, tag};
use super::field::asking;
use super::notice::{empty, notice};
use super::table::head;
use super::time::ago;
use forebay_store::ConnectionRow;
use maud::{Markup, html};

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tested {
    /// `tenant/name`.
    pub(crate) path: String,
    /// True if the remote system was reached.
    pub(crate) is_good: bool,
    /// The remote system that was reached, or the problem.
    pub(crate) text: String,
}

/// Draws the list, with the result of a test if one was made.
#[must_use]
pub(crate) fn list(rows: &[ConnectionRow], tested: Option<&Tested>, may_test: bool, may_change: bool) -> Markup {
    let new = html! { @if may_change { a.button.main href="/connections/new" { "New connection" } } };
    html! {
        @if let Some(tested) = tested {
            @let (tone, title) = if tested.is_good { (Tone::Good, "works") } else { (Tone::Bad, "does not work") };
            (notice(tone, &format!("{} {title}", tested.path), tested.text.as_str()))
        }
        section.card {
            @if rows.is_empty() {
                (empty("No connections yet", "A connection has the address and the credentials of another system, so that definitions contain no credentials. Forebay encrypts the secrets and does not show them again.", &new))
            } @else {
                div.table.folds {
                    table {
                        caption.unseen { "Connections" }
                        (head(&["Connection", "Kind", "State", "Changed"], Some("Actions")))
                        tbody { @for row in rows { (line(row, may_test, may_change)) } }
                    }
                }
            }
        }
    }
}

fn line(row: &ConnectionRow, may_test: bool, may_change: bool) -> Markup {
    let path = format!("{}/{}", row.tenant, row.name);
    html! {
        tr {
            th scope="row" {
                div {
                    a.row-link href={ "/connections/" (path) } { (path) }
                    @if !row.description.is_empty() { span.muted.small.clip { (row.description) } }
                }
            }
            td data-label="Kind" { (tag(&row.kind)) }
            td data-label="State" { @if row.enabled { (badge(Tone::Good, "enabled")) } @else { (badge(Tone::Idle, "disabled")) } }
            td data-label="Changed" { (ago(row.updated_at)) }
            td {
                div.actions {
                    @if may_test {
                        form method="post" action={ "/connections/" (path) "/test" } { button.button.small type="submit" { "Test" span.unseen { " " (path) } } }
                    }
                    @if may_change {
                        @let turn = if row.enabled { "disable" } else { "enable" };
                        form method="post" action={ "/connections/" (path) "/" (turn) } { button.button.small.quiet type="submit" { (if row.enabled { "Disable" } else { "Enable" }) span.unseen { " " (path) } } }
                        form method="post" action={ "/connections/" (path) "/delete" } {
                            (asking("small danger", "Delete", &format!("Delete the connection {path}? Steps that use it will fail.")))
                        }
                    }
                }
            }
        }
    }
}
