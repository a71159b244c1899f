//! Keys of callers.

use super::badge::{Tone, badge, tag};
use super::field::{Field, asking, tick};
use super::notice::{copied, empty, notice};
use super::table::head;
use super::time::{ago, at};
use forebay_contract::UnixMicros;
use forebay_store::KeyRow;
use maud::{Markup, html};

/// Label of the checkbox of [`ListedKey::reads_all_outcomes`].
const ALL_OUTCOMES: &str = "Reads the outcomes of all calls, not only of its own";

/// One key of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedKey {
    /// To update or delete it.
    pub(crate) id: String,
    /// Its tenant.
    pub(crate) tenant: String,
    /// Its purpose.
    pub(crate) label: String,
    /// Its last characters.
    pub(crate) hint: String,
    /// The integrations that it may call.
    pub(crate) integrations: Vec<String>,
    /// The time of its creation.
    pub(crate) created_at: UnixMicros,
    /// The time of its last use; absent: never.
    pub(crate) last_used_at: Option<UnixMicros>,
    /// The time at which it expires; absent: never.
    pub(crate) expires_at: Option<UnixMicros>,
    /// True if calls are signed with it.
    pub(crate) signs: bool,
    /// Reads the outcomes of all calls of its integrations.
    pub(crate) reads_all_outcomes: bool,
}

impl From<KeyRow> for ListedKey {
    fn from(key: KeyRow) -> Self {
        Self {
            id: key.id.to_string(),
            tenant: key.tenant.to_string(),
            label: key.label,
            hint: key.hint.unwrap_or_default(),
            integrations: key.integrations,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            signs: key.signs,
            reads_all_outcomes: key.reads_all_outcomes,
        }
    }
}

/// Draws a key that was just created: the only time that it is shown.
#[must_use]
pub(crate) fn created(label: &str, key: &str, signs: bool) -> Markup {
    let storage = if signs { "encrypts it" } else { "stores only its digest" };
    notice(
        Tone::Good,
        "Key created",
        html! {
            div.stack.tight {
                p { "This is the key '" (label) "'. Copy it now: Forebay " (storage) " and cannot show it again." }
                (copied("new-key", key))
            }
        },
    )
}

/// Draws the notice that an existing key has the same value, with a form that grants it the requested integrations.
#[must_use]
pub(crate) fn existing(key: &ListedKey, requested: &[String], now: UnixMicros, back: &str) -> Markup {
    let missing: Vec<&String> = requested.iter().filter(|name| !key.integrations.contains(name)).collect();
    let is_expired = key.expires_at.is_some_and(|at| at <= now);
    let question = match missing.as_slice() {
        [] => format!("The key '{}' has this value. It may already call this integration.", key.label),
        [_] => format!("The key '{}' has this value. Grant it this integration too?", key.label),
        _ => format!("The key '{}' has this value. Grant it these integrations too?", key.label),
    };
    notice(
        Tone::Warn,
        "Key not created",
        html! {
            div.stack.tight {
                p { (question) }
                @if is_expired { p { "The key has expired, so calls with it get 401. To extend it, run: forebay keys update " (key.id) " --expires never" } }
                @if !missing.is_empty() {
                    form.stack.tight method="post" action="/keys/grant" {
                        input type="hidden" name="key" value=(key.id);
                        input type="hidden" name="back" value=(back);
                        @for name in &missing { input type="hidden" name="integrations" value=(name); }
                        div.row { @for name in &missing { (tag(name)) } }
                        div.actions { button.button.main type="submit" { "Grant" } a.button.quiet href=(back) { "Cancel" } }
                    }
                }
            }
        },
    )
}

/// Draws the list. `of` is the integration on whose page it is, which can be revoked from each key; empty: all keys.
#[must_use]
pub(crate) fn list(lines: &[ListedKey], now: UnixMicros, may_change: bool, of: &str, back: &str) -> Markup {
    if lines.is_empty() {
        return empty(
            "No keys yet",
            "A caller sends its key as X-API-Key. Create a key for each calling system, so that you can delete each key separately.",
            &html! {},
        );
    }
    html! {
        div.table.folds {
            table {
                caption.unseen { "API keys" }
                (head(&["Label", "Ends in", "Integrations", "Last used", "Expires"], Some("Actions")))
                tbody { @for line in lines { (row(line, now, may_change, of, back)) } }
            }
        }
    }
}

fn row(line: &ListedKey, now: UnixMicros, may_change: bool, of: &str, back: &str) -> Markup {
    html! {
        tr {
            th scope="row" { div { (line.label) " " span.muted.small { (line.tenant) } @if line.signs { " " (tag("signs")) } @if line.reads_all_outcomes { " " (tag("all outcomes")) } } }
            td data-label="Ends in" { @if line.hint.is_empty() { span.muted { "-" } } @else { code { "…" (line.hint) } } }
            td data-label="Integrations" {
                div.row { @for name in &line.integrations { (tag(name)) } @if line.integrations.is_empty() { span.muted { "none" } } }
            }
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
                            summary { "Edit" span.unseen { " " (line.label) } }
                            form.stack.tight method="post" action={ "/keys/" (line.id) "/edit" } {
                                input type="hidden" name="back" value=(back);
                                (Field { name: "label", id: &format!("label-{}", line.id), label: "Label", value: &line.label, required: true, ..Field::default() }.line("text"))
                                @if !line.signs { (tick("allOutcomes", "true", line.reads_all_outcomes, ALL_OUTCOMES, "")) }
                                div.actions { button.button.small type="submit" { "Save" } }
                            }
                        }
                        (revoking(line, of, back))
                        form method="post" action={ "/keys/" (line.id) "/delete" } {
                            input type="hidden" name="back" value=(back);
                            (asking("small danger", "Delete", &format!("Delete the key '{}'? Calls with it will get 401 from all integrations.", line.label)))
                        }
                    }
                }
            }
        }
    }
}

/// Draws the form that revokes integrations from a key: the one of the page, or a chosen one.
fn revoking(line: &ListedKey, of: &str, back: &str) -> Markup {
    let action = format!("/keys/{}/revoke", line.id);
    let question = |name: &str| format!("Revoke {name} from the key '{}'? Calls with it will get 403.", line.label);
    html! {
        @if !of.is_empty() {
            form method="post" action=(action) {
                input type="hidden" name="back" value=(back);
                input type="hidden" name="integrations" value=(of);
                (asking("small", "Revoke here", &question(of)))
            }
        } @else if !line.integrations.is_empty() {
            details {
                summary { "Revoke" span.unseen { " from " (line.label) } }
                form.stack.tight method="post" action=(action) {
                    input type="hidden" name="back" value=(back);
                    div.choices { @for name in &line.integrations { (tick("integrations", name, false, name, "")) } }
                    div.actions { (asking("small", "Revoke", &question("the chosen integrations"))) }
                }
            }
        }
    }
}

/// Draws a choice among the existing keys of a tenant. `keys`: those that could call more; `integrations`: those that may be granted.
#[must_use]
pub(crate) fn picker(tenant: &str, keys: &[&ListedKey], integrations: &[String], back: &str) -> Markup {
    let id = |field: &str| format!("{field}-{tenant}");
    let named: Vec<(String, String)> = keys.iter().map(|key| (key.id.clone(), words(key))).collect();
    let options: Vec<(&str, &str)> = named.iter().map(|(id, words)| (id.as_str(), words.as_str())).collect();
    html! {
        form.stack method="post" action="/keys/grant" {
            input type="hidden" name="back" value=(back);
            div.fields {
                (Field { name: "key", id: &id("existing-key"), label: "Existing key", hint: "The caller sends the same key as before.", ..Field::default() }.choice(&options))
                @if let [only] = integrations { input type="hidden" name="integrations" value=(only); }
                @else {
                    @let choices: Vec<(&str, &str)> = integrations.iter().map(|name| (name.as_str(), name.as_str())).collect();
                    (Field { name: "integrations", id: &id("granted-integration"), label: "Integration", ..Field::default() }.choice(&choices))
                }
            }
            div.actions { button.button type="submit" { "Grant" } }
        }
    }
}

fn words(key: &ListedKey) -> String {
    let mut words = key.label.clone();
    if !key.hint.is_empty() {
        words.push_str(&format!(" (…{})", key.hint));
    }
    if key.signs {
        words.push_str(", signs");
    }
    words
}

/// The form of a new key, with the submitted values if it was refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form<'a> {
    /// Its tenant.
    pub(crate) tenant: &'a str,
    /// The integrations that it may call; if there is only one, it is chosen.
    pub(crate) integrations: &'a [String],
    /// The integrations that are chosen.
    pub(crate) chosen: &'a [String],
    /// True if a signing key is needed.
    pub(crate) signs: bool,
    /// Reads the outcomes of all calls of its integrations.
    pub(crate) reads_all_outcomes: bool,
    /// The reason for which it was refused; empty: it was not.
    pub(crate) wrong: &'a str,
    /// The page to return to.
    pub(crate) back: &'a str,
    /// The submitted label.
    pub(crate) label: &'a str,
    /// The submitted lifetime.
    pub(crate) expires: &'a str,
    /// The submitted value.
    pub(crate) value: &'a str,
}

/// Draws the form of a new key.
#[must_use]
pub(crate) fn form(form: &Form<'_>) -> Markup {
    // A page may have a form for each of several tenants.
    let id = |field: &str| if form.back == "/keys" { format!("{field}-{}", form.tenant) } else { field.to_owned() };
    let value = id("key-value");
    html! {
        form.stack method="post" action="/keys" {
            input type="hidden" name="tenant" value=(form.tenant);
            input type="hidden" name="back" value=(form.back);
            @if !form.wrong.is_empty() { (notice(Tone::Bad, "Key not created", form.wrong)) }
            div.fields {
                (Field { name: "label", id: &id("key-label"), label: "Label", value: form.label, hint: "The caller.", example: "ACME production", required: true, ..Field::default() }.line("text"))
                (Field { name: "expires", id: &id("key-expires"), label: "Expires in", value: form.expires, hint: "Such as 90d; empty: never.", ..Field::default() }.line("text"))
            }
            div.field {
                label for=(value) { "Key" }
                div.row {
                    input id=(value) name="value" type="text" value=(form.value) autocomplete="off" spellcheck="false" aria-describedby={ (value) "-hint" };
                    button.button.needs-script type="button" data-generate=(value) { "Generate" }
                }
                span.hint id={ (value) "-hint" } { "Paste the caller's existing key, or leave the field empty to generate one. The key is shown once." }
            }
            div.field {
                span.label { "Use" }
                (tick("signs", "true", form.signs, "Signs calls", "For senders that sign their calls with a shared secret, such as GitHub."))
            }
            div.field {
                span.label { "Outcomes" }
                (tick("allOutcomes", "true", form.reads_all_outcomes, ALL_OUTCOMES, "For a system that reads the outcomes of other callers' calls. Not for a signing key."))
            }
            @if let [only] = form.integrations { input type="hidden" name="integrations" value=(only); }
            @else {
                fieldset.field {
                    legend { "Integrations" }
                    div.choices { @for name in form.integrations { (tick("integrations", name, form.chosen.contains(name), name, "")) } }
                }
            }
            div.actions { button.button.main type="submit" { "Create key" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(signs: bool, reads_all_outcomes: bool) -> ListedKey {
        ListedKey {
            id: "1".to_owned(),
            tenant: "t1".to_owned(),
            label: "ACME".to_owned(),
            hint: String::new(),
            integrations: vec!["Orders".to_owned()],
            created_at: UnixMicros::default(),
            last_used_at: None,
            expires_at: None,
            signs,
            reads_all_outcomes,
        }
    }

    #[test]
    fn the_list_marks_keys_that_read_all_outcomes_and_its_form_starts_from_the_stored_value() {
        let shown = |key: ListedKey| list(&[key], UnixMicros::new(1), true, "", "/keys").into_string();
        let (all, own, signing) = (shown(line(false, true)), shown(line(false, false)), shown(line(true, false)));
        let ticked = r#"name="allOutcomes" value="true" checked"#;
        assert!(all.contains("all outcomes") && all.contains(ticked) && all.contains(ALL_OUTCOMES), "{all}");
        assert!(!own.contains("all outcomes") && !own.contains(ticked) && own.contains(ALL_OUTCOMES), "{own}");
        assert!(!signing.contains("allOutcomes"), "{signing}");
    }

    #[test]
    fn a_form_that_was_refused_holds_the_choice_of_outcomes() {
        let shown = |reads_all_outcomes| form(&Form { tenant: "t1", reads_all_outcomes, ..Form::default() }).into_string();
        let ticked = r#"name="allOutcomes" value="true" checked"#;
        assert!(shown(true).contains(ticked) && !shown(false).contains(ticked), "{}", shown(false));
    }
}
