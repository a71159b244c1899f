//! Users, API tokens and the audit log.

use super::badge::{Tone, badge, tag};
use super::diff;
use super::field::{Field, asking};
use super::notice::{copied, empty, facts, notice};
use super::page::card;
use super::table::head;
use super::time::{ago, at};
use forebay_contract::UnixMicros;
use maud::{Markup, html};
use serde_json::Value;

const ROLES: [(&str, &str); 4] = [
    ("viewer", "Viewer: sees everything except secrets"),
    ("operator", "Operator: retries, resumes, sends test calls"),
    ("developer", "Developer: changes definitions, connections, keys"),
    ("administrator", "Administrator: changes users and tenants"),
];
const ROLES_OR_NONE: [(&str, &str); 5] = [ROLES[0], ROLES[1], ROLES[2], ROLES[3], ("", "None: removes the role")];

/// One user of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// To update or delete it.
    pub(crate) id: String,
    /// The name that the user signs in with.
    pub(crate) name: String,
    /// For people.
    pub(crate) full_name: String,
    /// A role by tenant (`*`: every tenant).
    pub(crate) grants: Vec<(String, String)>,
    /// True if it may sign in.
    pub(crate) enabled: bool,
    /// The time of the last sign-in; absent: never.
    pub(crate) last_sign_in_at: Option<UnixMicros>,
    /// Counts changes.
    pub(crate) revision: i32,
}

/// Draws the list of users, and the form of a new one.
#[must_use]
pub(crate) fn users(users: &[User], wrong: &str, new: &NewUser<'_>) -> Markup {
    html! {
        section.card {
            div.table.folds {
                table {
                    caption.unseen { "Users" }
                    (head(&["Name", "Roles", "State", "Last sign-in"], Some("Actions")))
                    tbody {
                        @for user in users {
                            tr {
                                th scope="row" { div { (user.name) @if !user.full_name.is_empty() { " " span.muted.small { (user.full_name) } } } }
                                td data-label="Roles" { div.row { @for (tenant, role) in &user.grants { (tag(&format!("{role} in {}", place(tenant)))) } } }
                                td data-label="State" { @if user.enabled { (badge(Tone::Good, "enabled")) } @else { (badge(Tone::Idle, "disabled")) } }
                                td data-label="Last sign-in" { @match user.last_sign_in_at { Some(time) => (ago(time)), None => span.muted { "never" } } }
                                td { (change(user)) }
                            }
                        }
                    }
                }
            }
        }
        (card("Add a user", &html! {}, &html! {
            @if !wrong.is_empty() { (notice(Tone::Bad, "Could not save", wrong)) }
            form.stack method="post" action="/users" {
                div.fields {
                    (Field { name: "name", label: "Name", value: new.name, hint: "The name for signing in.", required: true, ..Field::default() }.credential("text", "off"))
                    (Field { name: "full_name", label: "Full name", value: new.full_name, ..Field::default() }.credential("text", "off"))
                    (Field { name: "password", label: "Password", hint: "At least 12 characters. The user can change it.", ..Field::default() }.credential("password", "new-password"))
                    (Field { name: "tenant", label: "Tenant", value: or(new.tenant, "*"), hint: "* means all tenants.", required: true, ..Field::default() }.line("text"))
                    (Field { name: "role", label: "Role", value: or(new.role, "viewer"), ..Field::default() }.choice(&ROLES))
                }
                div.actions { button.button.main type="submit" { "Add user" } }
            }
        }))
    }
}

/// Draws the possible changes of a user.
fn change(user: &User) -> Markup {
    let turn = if user.enabled { "disable" } else { "enable" };
    let revision = html! { input type="hidden" name="revision" value=(user.revision); };
    let id = |name: &str| format!("{name}-{}", user.id);
    html! {
        div.stack.tight {
            form method="post" action={ "/users/" (user.id) "/" (turn) } {
                (revision)
                @if user.enabled { (asking("small danger", "Disable", &format!("Disable {}? All sessions and tokens of the user end.", user.name))) }
                @else { button.button.small type="submit" { "Enable" span.unseen { " " (user.name) } } }
            }
            details {
                summary { "Change" span.unseen { " the roles or the password of " (user.name) } }
                div.stack.tight {
                    form.stack.tight method="post" action={ "/users/" (user.id) "/grants" } {
                        (revision)
                        (Field { name: "tenant", id: &id("tenant"), label: "Tenant", value: "*", required: true, ..Field::default() }.line("text"))
                        (Field { name: "role", id: &id("role"), label: "Role in that tenant", ..Field::default() }.choice(&ROLES_OR_NONE))
                        div.actions { button.button.small type="submit" { "Change role" } }
                    }
                    form.stack.tight method="post" action={ "/users/" (user.id) "/password" } {
                        (revision)
                        (Field { name: "password", id: &id("password"), label: "New password", hint: "All sessions and tokens of the user end.", required: true, ..Field::default() }.credential("password", "new-password"))
                        div.actions { button.button.small type="submit" { "Set password" } }
                    }
                    form method="post" action={ "/users/" (user.id) "/delete" } {
                        (revision)
                        (asking("small danger", "Delete", &format!("Delete {} with all tokens? The audit log keeps the name.", user.name)))
                    }
                }
            }
        }
    }
}

fn place(tenant: &str) -> &str {
    if tenant == "*" { "all tenants" } else { tenant }
}

/// One API token of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// To delete it.
    pub(crate) id: String,
    /// Its owner.
    pub(crate) owner: String,
    /// Its purpose.
    pub(crate) label: String,
    /// Its last characters.
    pub(crate) hint: String,
    /// Its maximum role.
    pub(crate) role: String,
    /// The tenants in which it is valid.
    pub(crate) tenants: Vec<String>,
    /// The time of its last use; absent: never.
    pub(crate) last_used_at: Option<UnixMicros>,
    /// The time at which it expires.
    pub(crate) expires_at: UnixMicros,
}

/// Draws the list of tokens, and the form of a new one. `created` is a token that was just created.
#[must_use]
pub(crate) fn tokens(tokens: &[Token], created: Option<&str>, new: &NewToken<'_>, now: UnixMicros) -> Markup {
    html! {
        @if let Some(created) = created {
            (notice(Tone::Good, "Token created", html! {
                div.stack.tight { p { "Copy the token now: Forebay cannot show it again." } (copied("new-token", created)) }
            }))
        }
        section.card {
            @if tokens.is_empty() {
                (empty("No tokens yet", "A program sends a token as Authorization: Bearer to the API at /api/v1. Its role never exceeds the role of its owner.", &html! {}))
            } @else {
                div.table.folds {
                    table {
                        caption.unseen { "API tokens" }
                        (head(&["Label", "Ends in", "Roles", "Last used", "Expires"], Some("Actions")))
                        tbody {
                            @for token in tokens {
                                tr {
                                    th scope="row" { div { (token.label) " " span.muted.small { (token.owner) } } }
                                    td data-label="Ends in" { code { "…" (token.hint) } }
                                    td data-label="Roles" { div.row { @for tenant in &token.tenants { (tag(&format!("{} in {}", token.role, place(tenant)))) } } }
                                    td data-label="Last used" { @match token.last_used_at { Some(time) => (ago(time)), None => span.muted { "never" } } }
                                    td data-label="Expires" { @if token.expires_at <= now { (badge(Tone::Bad, "expired")) } @else { (at(token.expires_at)) } }
                                    td {
                                        form method="post" action={ "/tokens/" (token.id) "/delete" } {
                                            (asking("small danger", "Delete", &format!("Delete the token '{}'? Requests with it will get 401.", token.label)))
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        (card("Create a token", &html! {}, &html! {
            @if !new.wrong.is_empty() { (notice(Tone::Bad, "Token not created", new.wrong)) }
            form.stack method="post" action="/tokens" {
                div.fields {
                    (Field { name: "label", label: "Label", value: new.label, hint: "The program that sends it.", example: "CI", required: true, ..Field::default() }.line("text"))
                    (Field { name: "role", label: "Maximum role", value: or(new.role, "viewer"), ..Field::default() }.choice(&ROLES))
                    (Field { name: "tenant", label: "Tenant", value: or(new.tenant, "*"), hint: "* means all tenants that you may see.", required: true, ..Field::default() }.line("text"))
                    (Field { name: "lasts", label: "Expires in", value: or(new.expires_in, "90d"), required: true, ..Field::default() }.line("text"))
                }
                div.actions { button.button.main type="submit" { "Create token" } }
            }
        }))
    }
}

/// The form of a user with the submitted values, if it was refused; the password must be typed again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NewUser<'a> {
    /// The name that the user signs in with.
    pub(crate) name: &'a str,
    /// For people.
    pub(crate) full_name: &'a str,
    /// The tenant of the role.
    pub(crate) tenant: &'a str,
    /// The role.
    pub(crate) role: &'a str,
}

/// The form of a token with the submitted values, if it was refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NewToken<'a> {
    /// The reason for which it was refused; empty: nothing was sent.
    pub(crate) wrong: &'a str,
    /// The purpose.
    pub(crate) label: &'a str,
    /// The tenant in which it is valid.
    pub(crate) tenant: &'a str,
    /// The time until it expires.
    pub(crate) expires_in: &'a str,
    /// Its maximum role.
    pub(crate) role: &'a str,
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The id, from which the next page continues.
    pub(crate) id: i64,
    /// The time.
    pub(crate) at: UnixMicros,
    /// The name of the principal.
    pub(crate) who: String,
    /// The kind of the principal: `user`, `token`, `host`, `system`.
    pub(crate) through: String,
    /// The address of the client; empty: not by HTTP.
    pub(crate) address: String,
    /// The action.
    pub(crate) action: String,
    /// The object of the change.
    pub(crate) target: String,
    /// The value before; absent: none.
    pub(crate) before: Option<Value>,
    /// The value after; absent: none.
    pub(crate) after: Option<Value>,
}

/// The query of the audit log, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct AuditQuery {
    /// A person.
    pub(crate) by: String,
    /// An action, or its first word.
    pub(crate) action: String,
    /// An exact target.
    pub(crate) target: String,
    /// The last entry of the page before.
    pub(crate) before: String,
}

/// Draws the audit log.
#[must_use]
pub(crate) fn audit(entries: &[Entry], query: &AuditQuery, has_more: bool) -> Markup {
    html! {
        section.card {
            div.body {
                form.filters method="get" action="/audit" role="search" {
                    (Field { name: "by", label: "Principal", value: &query.by, ..Field::default() }.line("search"))
                    (Field { name: "action", label: "Action", value: &query.action, example: "key.create", ..Field::default() }.line("search"))
                    (Field { name: "target", label: "Target", value: &query.target, example: "t37ed/Orders", ..Field::default() }.line("search"))
                    div.actions { button.button.main type="submit" { "Search" } }
                }
            }
        }
        section.card {
            @if entries.is_empty() { (empty("No results", "The audit log lists each change with its principal, and its values before and after.", &html! {})) }
            @else {
                div.table.folds {
                    table {
                        caption.unseen { "Changes, newest first" }
                        (head(&["Time", "Principal", "Action", "Target", "Change"], None))
                        tbody {
                            @for entry in entries {
                                tr {
                                    td data-label="Time" { (at(entry.at)) }
                                    td data-label="Principal" { div.row { (entry.who) (tag(&entry.through)) @if !entry.address.is_empty() { (tag(&entry.address)) } } }
                                    td data-label="Action" { code { (entry.action) } }
                                    td.break data-label="Target" { (entry.target) }
                                    td data-label="Change" {
                                        @if entry.before.is_some() || entry.after.is_some() {
                                            details { summary { "Show" span.unseen { " what changed in " (entry.target) } } (diff::values(entry.before.as_ref(), entry.after.as_ref())) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if let Some(last) = entries.last().filter(|_| has_more) {
                    @let query_string = form_urlencoded::Serializer::new(String::new())
                        .append_pair("by", &query.by).append_pair("action", &query.action).append_pair("target", &query.target)
                        .append_pair("before", &last.id.to_string()).finish();
                    nav.pager aria-label="Pages" { span {} a.button.small href={ "/audit?" (query_string) } { "Older" } }
                }
            }
        }
    }
}

/// Draws the page of one's account. `success` is a message about the last change, `wrong` the reason for which it was refused.
#[must_use]
pub(crate) fn account(user: &forebay_store::UserRow, grants: &[(String, String)], success: &str, wrong: &str) -> Markup {
    html! {
        @if !success.is_empty() { (notice(Tone::Good, "Password changed", success)) }
        (card("Profile", &html! {}, &facts(&[
            ("Name", html! { (user.name) }),
            ("Full name", html! { @if user.full_name.is_empty() { "-" } @else { (user.full_name) } }),
            ("Roles", html! { div.row { @for (tenant, role) in grants { (tag(&format!("{role} in {}", place(tenant)))) } } }),
        ])))
        @if user.has_password {
            (card("Password", &html! {}, &html! {
                @if !wrong.is_empty() { (notice(Tone::Bad, "Password not changed", wrong)) }
                form.stack method="post" action="/account/password" {
                    div.fields {
                        (Field { name: "old", label: "Current password", required: true, ..Field::default() }.credential("password", "current-password"))
                        (Field { name: "password", label: "New password", hint: "At least 12 characters.", required: true, ..Field::default() }.credential("password", "new-password"))
                    }
                    div.actions { button.button.main type="submit" { "Change password" } }
                }
            }))
        }
    }
}
