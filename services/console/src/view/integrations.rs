//! The list of integrations with their health and statistics, and the head of each page of an integration.

use super::badge::{Tone, badge, execution, tag};
use super::chart::spark;
use super::field::Field;
use super::notice::{copied, empty, facts};
use super::page::{card, tabs};
use super::table::head;
use super::time::{ago, at, span};
use forebay_contract::definition::{Definition, DispatchPolicy, OnFailure, Trigger};
use forebay_contract::{UnixMicros, format_duration};
use forebay_store::ExecutionRow;
use maud::{Markup, html};

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedIntegration {
    /// Its tenant.
    pub(crate) tenant: String,
    /// Its name.
    pub(crate) name: String,
    /// For people.
    pub(crate) description: String,
    /// True if it accepts calls.
    pub(crate) enabled: bool,
    /// True if its trigger is halted.
    pub(crate) halted: bool,
    /// True if its trigger is paused.
    pub(crate) paused: bool,
    /// `webhook` or `schedule`.
    pub(crate) trigger: String,
    /// Executions that ended in the last hour, a value for each slice of it.
    pub(crate) ended: Vec<f64>,
    /// Executions that succeeded in the last hour.
    pub(crate) succeeded: u64,
    /// Executions that failed or expired in the last hour.
    pub(crate) failed: u64,
    /// The 95th percentile of durations in microseconds; absent: none ran.
    pub p95: Option<i64>,
    /// The last execution.
    pub(crate) last: Option<ExecutionRow>,
}

impl ListedIntegration {
    fn health(&self) -> (Tone, &'static str) {
        match (self.halted, self.enabled, self.failed, self.succeeded) {
            (true, ..) => (Tone::Bad, "halted"),
            (_, false, ..) => (Tone::Idle, "disabled"),
            _ if self.paused => (Tone::Warn, "paused"),
            (_, _, 0, 0) => (Tone::Idle, "quiet"),
            (_, _, 0, _) => (Tone::Good, "healthy"),
            (_, _, failed, succeeded) if failed * 10 > succeeded => (Tone::Bad, "failing"),
            _ => (Tone::Warn, "some failures"),
        }
    }
}

/// Draws the list.
#[must_use]
pub(crate) fn list(lines: &[ListedIntegration], may_create: bool) -> Markup {
    if lines.is_empty() {
        let text = "An integration is a webhook or a schedule with the workflow that it starts. Create one here, or run `forebay apply` with files.";
        return empty(
            "No integrations yet",
            text,
            &html! {
                @if may_create { a.button.main href="/integrations/new" { "New integration" } }
            },
        );
    }
    html! {
        div.table.folds {
            table {
                caption.unseen { "Integrations" }
                (head(&["Integration", "Health", "Last hour", "Failed", "p95", "Last execution"], None))
                tbody { @for line in lines { (row(line)) } }
            }
        }
    }
}

fn row(line: &ListedIntegration) -> Markup {
    let (tone, word) = line.health();
    let total = line.succeeded + line.failed;
    html! {
        tr {
            th scope="row" {
                div {
                    a.row-link href=(address(&line.tenant, &line.name)) { (line.tenant) "/" (line.name) } " " (tag(&line.trigger))
                    @if !line.description.is_empty() { span.muted.small.clip { (line.description) } }
                }
            }
            td data-label="Health" { (badge(tone, word)) }
            td data-label="Last hour" {
                span.row { (spark(&format!("{total} executions in the last hour"), Tone::Accent, &line.ended)) span { (total) } }
            }
            td data-label="Failed" { @if line.failed > 0 { strong { (line.failed) } } @else { span.muted { "0" } } }
            td.nowrap data-label="p95" { (line.p95.map(span).unwrap_or_default()) }
            td data-label="Last execution" {
                @match &line.last {
                    Some(last) => span.row { (execution(last.status)) a href={ "/executions/" (last.id) } { (ago(last.accepted_at)) } },
                    None => span.muted { "none" },
                }
            }
        }
    }
}

/// Draws the filter of the list.
#[must_use]
pub(crate) fn filter(tenant: &str, search: &str, tenants: &[String]) -> Markup {
    let mut names = vec![("", "All tenants")];
    names.extend(tenants.iter().map(|name| (name.as_str(), name.as_str())));
    html! {
        form.filters method="get" action="/integrations" data-send-on-change role="search" {
            @if tenants.len() > 1 { (Field { name: "tenant", label: "Tenant", value: tenant, ..Field::default() }.choice(&names)) }
            (Field { name: "search", label: "Name or description", value: search, ..Field::default() }.line("search"))
            div.actions { button.button type="submit" { "Search" } }
        }
    }
}

/// Draws links to other pages of the list, if there are several.
#[must_use]
pub(crate) fn pager(tenant: &str, search: &str, page: usize, all: usize, lines: usize) -> Markup {
    let place = |page: usize| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("tenant", tenant)
            .append_pair("search", search)
            .append_pair("page", &page.to_string())
            .finish();
        format!("/integrations?{query}")
    };
    html! {
        @if all > lines {
            nav.pager aria-label="Pages" {
                @if page > 0 { a.button.small href=(place(page - 1)) { "Back" } } @else { span {} }
                span.muted.small { (page * lines + 1) " to " ((page * lines + lines).min(all)) " of " (all) }
                @if (page + 1) * lines < all { a.button.small href=(place(page + 1)) { "Next" } } @else { span {} }
            }
        }
    }
}

/// Draws the rules for its calls or runs.
#[must_use]
pub(crate) fn rules(definition: &Definition) -> Markup {
    let policy = match definition.trigger.policy() {
        DispatchPolicy::Parallel => "Parallel".to_owned(),
        DispatchPolicy::Ordered => "Ordered: one after the other".to_owned(),
        DispatchPolicy::OrderedByKey { by, concurrency } => format!("Ordered by key: {by}, {concurrency} keys in parallel"),
        DispatchPolicy::ConcurrencyLimit(limit) => format!("Concurrency limit: {limit} in the cluster"),
    };
    let mut rules = vec![("Dispatch policy", html! { (policy) })];
    if definition.trigger.policy().is_ordered() {
        let after = if definition.on_failure == OnFailure::Halt { "The trigger halts" } else { "The next execution starts" };
        rules.push(("After a final failure", html! { (after) }));
    }
    if let Trigger::Webhook(webhook) = &definition.trigger {
        rules.push(("Authentication", html! { (webhook.authentication.details()) }));
        if let Some(rate) = webhook.rate {
            rules.push(("Rate limit", html! { (rate.to_string()) }));
        }
        let methods: Vec<&str> = webhook.methods.iter().map(|method| method.as_str()).collect();
        rules.push(("Methods", html! { (methods.join(", ")) }));
        let response = webhook.response.map_or_else(
            || "202 when the call is stored".to_owned(),
            |response| format!("The workflow's response, timeout {}", format_duration(response.wait)),
        );
        rules.push(("Response", html! { (response) }));
        if !webhook.query.is_empty() {
            rules.push(("Query parameters", html! { div.row { @for parameter in &webhook.query { (tag(&format!("{}: {}{}", parameter.name, parameter.kind.as_str(), if parameter.required { ", required" } else { "" }))) } } }));
        }
    }
    rules.push(("Attempts", html! { (definition.retry.attempts) }));
    facts(&rules)
}

/// Draws the form that records everything for a time.
#[must_use]
pub(crate) fn diagnostics(base: &str, until: Option<UnixMicros>, may_switch: bool) -> Markup {
    card(
        "Diagnostics",
        &html! { @if until.is_some() { (badge(Tone::Busy, "on")) } @else { (badge(Tone::Idle, "off")) } },
        &html! {
            p.hint { "Diagnostics record the input, the output, and all variables before and after each step. Hidden fields of the definition stay hidden." }
            @if let Some(until) = until { p { "Diagnostics are on until " (at(until)) "." } }
            @if may_switch {
                form.row method="post" action={ (base) "/diagnostics" } {
                    @if until.is_some() { button.button type="submit" { "Disable" } }
                    @else {
                        @for (time, words) in [("15m", "For 15 minutes"), ("1h", "For an hour"), ("24h", "For a day")] {
                            button.button.small type="submit" name="for" value=(time) { (words) }
                        }
                    }
                }
            }
        },
    )
}

/// Returns the address of an integration's page.
#[must_use]
pub(crate) fn address(tenant: &str, name: &str) -> String {
    format!("/integrations/{tenant}/{name}")
}

/// Draws the tabs of an integration; `here` is the present one.
#[must_use]
pub(crate) fn integration_tabs(tenant: &str, name: &str, here: &str, is_webhook: bool) -> Markup {
    let base = address(tenant, name);
    let mut all = vec![(base.clone(), "Overview"), (format!("{base}/edit"), "Edit")];
    if is_webhook {
        all.push((format!("{base}/try"), "Try it"));
    }
    all.push((format!("{base}/versions"), "Versions"));
    all.push((format!("/executions?tenant={tenant}&integration={name}"), "Executions"));
    tabs("Integration", here, &all)
}

/// Draws the address of a webhook with a command for the shell, or the due time of a schedule.
#[must_use]
pub(crate) fn reached(definition: &Definition, ingress: &str) -> Markup {
    match &definition.trigger {
        Trigger::Webhook(webhook) => {
            let url = format!("{}/{}", ingress.trim_end_matches('/'), definition.path());
            let method = webhook.methods.iter().find(|method| method.as_str() == "POST").or(webhook.methods.first());
            let method = method.map_or("GET", |method| method.as_str());
            let required = webhook.query.iter().filter(|parameter| parameter.required);
            let query: Vec<String> = required.map(|parameter| format!("{}=", parameter.name)).collect();
            let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
            let key = webhook.authentication.example().map(|header| format!(" \\\n     -H '{header}'")).unwrap_or_default();
            let data = if method == "GET" || method == "DELETE" { "" } else { " \\\n     -H 'Content-Type: application/json' -d '{}'" };
            let command = format!("curl -i -X {method} '{url}{query}'{key}{data}");
            html! {
                p { code.break { (url) } }
                (copied("curl", &command))
            }
        }
        Trigger::Schedule(schedule) => html! { p { code { (schedule.timing) } } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(enabled: bool, halted: bool, succeeded: u64, failed: u64) -> ListedIntegration {
        ListedIntegration {
            tenant: "t1".to_owned(),
            name: "Orders".to_owned(),
            description: "<b>".to_owned(),
            enabled,
            halted,
            paused: false,
            trigger: "webhook".to_owned(),
            ended: vec![1.0, 2.0],
            succeeded,
            failed,
            p95: Some(12_000),
            last: None,
        }
    }

    #[test]
    fn health_is_the_most_urgent_state() {
        let cases = [
            (line(true, true, 5, 0), "halted"),
            (line(false, false, 5, 5), "disabled"),
            (line(true, false, 0, 0), "quiet"),
            (line(true, false, 5, 0), "healthy"),
            (line(true, false, 100, 1), "some failures"),
            (line(true, false, 5, 5), "failing"),
        ];
        for (line, word) in cases {
            assert_eq!(line.health().1, word);
        }
    }

    #[test]
    fn a_list_shows_each_integration_and_an_empty_list_how_to_begin() {
        let html = list(&[line(true, false, 5, 0)], true).into_string();
        assert!(html.contains("/integrations/t1/Orders") && html.contains("&lt;b&gt;"), "{html}");
        assert!(list(&[], true).into_string().contains("/integrations/new"));
        assert!(!list(&[], false).into_string().contains("/integrations/new"));
    }
}
