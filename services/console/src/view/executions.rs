//! The history: a list of executions, its filter, and the actions on all that it finds.

use super::badge::{self, Tone, badge};
use super::field::Field;
use super::notice::empty;
use super::table::head;
use super::time::{ago, between};
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::ExecutionRow;
use maud::{Markup, html};

/// The query of a search, as it was typed: every field may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct SearchQuery {
    /// A tenant.
    pub(crate) tenant: String,
    /// The name of an integration.
    pub(crate) integration: String,
    /// A status.
    pub(crate) status: String,
    /// The age, such as `1h`.
    pub(crate) since: String,
    /// A label: `name=value`, or a value under any name; or an id.
    pub(crate) search: String,
    /// An error code.
    pub(crate) error: String,
    /// The last execution of the page before.
    pub(crate) before: String,
}

impl SearchQuery {
    /// Returns the query string of this search, without the page and without empty fields.
    #[must_use]
    pub(crate) fn query_string(&self) -> String {
        let fields = [
            ("tenant", &self.tenant),
            ("integration", &self.integration),
            ("status", &self.status),
            ("since", &self.since),
            ("search", &self.search),
            ("error", &self.error),
        ];
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty())).finish()
    }

    /// Returns true if any field narrows the list.
    #[must_use]
    pub(crate) fn is_narrowed(&self) -> bool {
        !self.query_string().is_empty()
    }
}

/// The options of a retry of all executions that a search finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Choices {
    /// Only counts.
    pub(crate) count: bool,
    /// With the current version.
    pub(crate) latest: bool,
    /// From the first step on.
    pub(crate) from_start: bool,
}

impl Choices {
    /// Returns the text after the query string of the search.
    #[must_use]
    pub(crate) fn query_string(self) -> String {
        let fields = [("count", self.count), ("latest", self.latest), ("from_start", self.from_start)];
        fields.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| format!("&{name}=true")).collect()
    }
}

const STATES: [(&str, &str); 5] =
    [("", "Any status"), ("failed", "Failed"), ("running", "Running"), ("succeeded", "Succeeded"), ("expired", "Expired")];
const PERIODS: [(&str, &str); 6] = [
    ("", "Any time"),
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("24h", "Last day"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
];

/// Draws the filter above the list. The reader may choose from `tenants` and `integrations`.
#[must_use]
pub(crate) fn filter(query: &SearchQuery, tenants: &[String], integrations: &[String]) -> Markup {
    let named = |all: &'_ [String], any: &'static str| -> Vec<(String, String)> {
        std::iter::once((String::new(), any.to_owned())).chain(all.iter().map(|name| (name.clone(), name.clone()))).collect()
    };
    let choice = |name: &str, label: &str, value: &str, all: &[(String, String)]| {
        let options: Vec<(&str, &str)> = all.iter().map(|(value, words)| (value.as_str(), words.as_str())).collect();
        Field { name, label, value, ..Field::default() }.choice(&options)
    };
    html! {
        section.card {
            div.body {
                form.filters method="get" action="/executions" data-send-on-change role="search" {
                    @if tenants.len() > 1 { (choice("tenant", "Tenant", &query.tenant, &named(tenants, "All tenants"))) }
                    (choice("integration", "Integration", &query.integration, &named(integrations, "All integrations")))
                    (Field { name: "status", label: "State", value: &query.status, ..Field::default() }.choice(&STATES))
                    (Field { name: "since", label: "Received", value: &query.since, ..Field::default() }.choice(&PERIODS))
                    div.wide.field {
                        (Field { name: "search", label: "Label or id", value: &query.search, example: "workOrder=WO-1", ..Field::default() }.line("search"))
                    }
                    div.actions {
                        button.button.main type="submit" { "Search" }
                        @if query.is_narrowed() { a.button.quiet href="/executions" { "Clear" } }
                    }
                }
            }
        }
    }
}

/// Draws the list.
#[must_use]
pub(crate) fn list(rows: &[ExecutionRow], query: &SearchQuery, has_more: bool) -> Markup {
    if rows.is_empty() {
        let (title, text) = if query.is_narrowed() {
            ("No results", "No execution matches the filters. Remove a filter or widen the time range.")
        } else {
            (
                "No executions yet",
                "Each call and each run of a schedule is an execution. To send a call, open Try it on the page of an integration.",
            )
        };
        return empty(title, text, &html! { a.button href="/integrations" { "Back to integrations" } });
    }
    html! {
        div.table.folds {
            table {
                caption.unseen { "Executions, newest first" }
                (head(&["State", "Integration", "Received", "Duration", "Attempts", "Response", "Labels or error"], Some("Open")))
                tbody { @for row in rows { (line(row)) } }
            }
        }
        @if has_more || !query.before.is_empty() { (pager(rows, query, has_more)) }
    }
}

fn line(row: &ExecutionRow) -> Markup {
    let href = format!("/executions/{}", row.id);
    html! {
        tr {
            td data-label="State" { (state(row)) }
            td data-label="Integration" { a.row-link href=(href) { (row.tenant) "/" (row.integration) } }
            td data-label="Received" { (ago(row.accepted_at)) }
            td.nowrap data-label="Duration" { (duration(row)) }
            td data-label="Attempts" { (row.attempts) }
            td data-label="Response" { @if let Some(status) = row.response_status { code { (status) } } }
            td data-label="Labels or error" {
                @for label in &row.labels { (badge::tag(label.as_str())) " " }
                @if let Some(error) = &row.error { span.clip title=(error) { (error) } }
            }
            td.right { a.small href=(href) { "Open" span.unseen { " execution " (row.id) } } }
        }
    }
}

/// Draws the status of an execution, with its effect on the trigger.
#[must_use]
pub(crate) fn state(row: &ExecutionRow) -> Markup {
    html! {
        span.row {
            (badge::execution(row.status))
            @if row.skipped { (badge(Tone::Idle, "skipped")) } @else if row.halted { (badge(Tone::Warn, "halted")) }
        }
    }
}

/// Returns the duration of the last attempt; empty: it has not ended.
#[must_use]
pub(crate) fn duration(row: &ExecutionRow) -> String {
    match (row.started_at, row.ended_at) {
        (Some(started), Some(ended)) => between(started, ended),
        _ => String::new(),
    }
}

fn pager(rows: &[ExecutionRow], query: &SearchQuery, has_more: bool) -> Markup {
    let query_string = query.query_string();
    let and = if query_string.is_empty() { "" } else { "&" };
    html! {
        nav.pager aria-label="Pages" {
            @if query.before.is_empty() { span {} } @else { a.button.small href={ "/executions?" (query_string) } { "Newest" } }
            @if let Some(last) = rows.last().filter(|_| has_more) {
                a.button.small href={ "/executions?" (query_string) (and) "before=" (last.id) } { "Older" }
            }
        }
    }
}

/// Draws the form for retrying all executions of a search. `found` is their number, at most `limit`, if a dry run has counted them.
#[must_use]
pub(crate) fn bulk(query: &SearchQuery, found: Option<u32>, choices: &Choices, limit: u32) -> Markup {
    let hidden = html! {
        @for (name, value) in [("tenant", &query.tenant), ("integration", &query.integration), ("status", &query.status), ("since", &query.since), ("search", &query.search), ("error", &query.error)] {
            @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
        }
    };
    let executions = if found == Some(1) { "execution" } else { "executions" };
    html! {
        details.fold id="bulk" open[found.is_some()] {
            summary { "Retry all matching executions" }
            div.body {
                p.hint { "Forebay retries only failed and expired executions. Executions of ordered triggers keep their order. At most 50 start per second." }
                form.stack method="post" action="/executions/retry" {
                    (hidden)
                    div.choices {
                        (super::field::option("from", "failed", !choices.from_start, "From the failed step", ""))
                        (super::field::option("from", "start", choices.from_start, "From the start", ""))
                        (super::field::tick("latest", "true", choices.latest, "With the latest version", ""))
                    }
                    @match found {
                        None => div.actions { button.button type="submit" name="action" value="count" { "Count first" } },
                        Some(0) => p role="status" { "No failed or expired execution matches the filters." },
                        Some(found) => {
                            p role="status" { strong { (found) @if found >= limit { " or more" } } " " (executions) " would be retried." }
                            div.actions {
                                button.button.main type="submit" name="action" value="retry"
                                    data-confirm={ "Retry " (found) " " (executions) "?" } data-confirm-go="Retry" { "Retry " (found) " " (executions) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns true if a person can retry an execution.
#[must_use]
pub(crate) fn can_be_retried(row: &ExecutionRow) -> bool {
    matches!(row.status, ExecutionStatus::Failed | ExecutionStatus::Expired) && (!row.halted || row.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_search_have_its_query_without_empty_fields() {
        let query = SearchQuery { search: "workOrder=A&B".to_owned(), status: "failed".to_owned(), ..SearchQuery::default() };
        assert_eq!(query.query_string(), "status=failed&search=workOrder%3DA%26B");
        assert!(!SearchQuery { before: "x".to_owned(), ..SearchQuery::default() }.is_narrowed());
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        assert!(list(&[], &SearchQuery::default(), false).into_string().contains("Try it"));
        let narrowed = SearchQuery { status: "failed".to_owned(), ..SearchQuery::default() };
        assert!(list(&[], &narrowed, false).into_string().contains("No execution matches"));
    }

    #[test]
    fn a_bulk_retry_shows_the_count_before_it_starts() {
        let html = bulk(&SearchQuery::default(), Some(12), &Choices::default(), 10_000).into_string();
        assert!(html.contains("Retry 12 executions") && html.contains("data-confirm"), "{html}");
        assert!(!bulk(&SearchQuery::default(), None, &Choices::default(), 10_000).into_string().contains("data-confirm"));
    }
}
