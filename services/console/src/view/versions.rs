//! The versions of an integration: the changes between them, and rollback.

use super::badge::{Tone, badge};
use super::diff;
use super::field::asking;
use super::page::card;
use super::table::head;
use super::time::at;
use forebay_store::StoredVersion;
use maud::{Markup, html};

/// Draws the list, and the differences between two versions if two are chosen.
#[must_use]
pub(crate) fn versions(all: &[StoredVersion], compared: Option<(&StoredVersion, &StoredVersion)>, may_change: bool) -> Markup {
    let Some(current) = all.first() else { return html! {} };
    let base = format!("/integrations/{}", current.path);
    html! {
        section.card {
            div.table.folds {
                table {
                    caption.unseen { "Versions, newest first" }
                    (head(&["Version", "Applied", "By"], Some("Actions")))
                    tbody {
                        @for (index, version) in all.iter().enumerate() {
                            tr {
                                th scope="row" { span.row { (version.version) @if index == 0 { (badge(Tone::Good, "current")) } } }
                                td data-label="Applied" { (at(version.created_at)) }
                                td data-label="By" { (version.created_by) }
                                td {
                                    div.actions {
                                        @if let Some(before) = all.get(index + 1) {
                                            a.button.small href={ (base) "/versions?from=" (before.version) "&to=" (version.version) "#difference" } { "Show changes" span.unseen { " of version " (version.version) } }
                                        }
                                        @if index > 0 && may_change {
                                            a.button.small.quiet href={ (base) "/versions?from=" (current.version) "&to=" (version.version) "#difference" } { "Compare with current" span.unseen { ": version " (version.version) } }
                                            form method="post" action={ (base) "/rollback" } {
                                                input type="hidden" name="to" value=(version.version);
                                                input type="hidden" name="current" value=(current.version);
                                                (asking("small", "Roll back", &format!("Roll back to version {}? Forebay creates a new version with its definition. Running executions keep their version.", version.version)))
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
        @if let Some((from, to)) = compared {
            div id="difference" {
                (card(&format!("Version {} to {}", from.version, to.version), &html! {}, &diff::texts(&from.text(), &to.text())))
            }
        }
    }
}
