//! Execution statistics, halted triggers, queues, workers and unreadable messages.

use super::badge::{Tone, badge};
use super::chart::{Chart, Series, Shape, chart};
use super::field::{Field, asking};
use super::notice::{empty, notice};
use super::page::table_card;
use super::table::head;
use super::time::{ago, at, between, span};
use forebay_contract::UnixMicros;
use forebay_store::{TriggerRow, WorkerRow};
use maud::{Markup, html};

/// Execution statistics over time, a value for each point.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Statistics {
    /// The time at which each point begins.
    pub(crate) times: Vec<UnixMicros>,
    /// Minutes of a point.
    pub(crate) minutes: u32,
    /// Executions that succeeded.
    pub(crate) succeeded: Vec<f64>,
    /// Executions that failed or expired.
    pub(crate) failed: Vec<f64>,
    /// The median duration in microseconds; absent: none ran.
    pub p50: Vec<Option<f64>>,
    /// The 95th percentile of durations in microseconds.
    pub p95: Vec<Option<f64>>,
}

/// Draws the choice of time span and tenant.
#[must_use]
pub(crate) fn choice(over: &str, spans: &[&str], tenant: &str, tenants: &[String]) -> Markup {
    let spans: Vec<(&str, String)> = spans.iter().map(|word| (*word, format!("Last {word}"))).collect();
    let spans: Vec<(&str, &str)> = spans.iter().map(|(word, words)| (*word, words.as_str())).collect();
    let mut names = vec![("", "All tenants")];
    names.extend(tenants.iter().map(|name| (name.as_str(), name.as_str())));
    html! {
        form.filters method="get" action="/monitor" data-send-on-change {
            (Field { name: "over", label: "Time", value: over, ..Field::default() }.choice(&spans))
            @if tenants.len() > 1 { (Field { name: "tenant", label: "Tenant", value: tenant, ..Field::default() }.choice(&names)) }
            noscript { div.actions { button.button type="submit" { "Show" } } }
        }
    }
}

/// Draws throughput, failures and durations.
#[must_use]
pub(crate) fn statistics(statistics: &Statistics) -> Markup {
    let minutes = f64::from(statistics.minutes.max(1));
    let per_minute = |values: &[f64]| values.iter().map(|value| Some(value / minutes)).collect::<Vec<_>>();
    let (succeeded, failed) = (statistics.succeeded.iter().sum::<f64>(), statistics.failed.iter().sum::<f64>());
    let throughput = [
        Series { name: "succeeded", tone: Tone::Accent, values: per_minute(&statistics.succeeded) },
        Series { name: "failed", tone: Tone::Bad, values: per_minute(&statistics.failed) },
    ];
    let failures = [Series { name: "failed", tone: Tone::Bad, values: per_minute(&statistics.failed) }];
    let latency = [
        Series { name: "p50", tone: Tone::Accent, values: statistics.p50.clone() },
        Series { name: "p95", tone: Tone::Warn, values: statistics.p95.clone() },
    ];
    let share = if succeeded + failed > 0.0 { format!("{:.1} % failed", failed / (succeeded + failed) * 100.0) } else { "none".to_owned() };
    let slowest =
        statistics.p95.iter().rev().find_map(|value| *value).map_or_else(|| "none".to_owned(), |value| format!("{} p95", duration(value)));
    let draw = |title: &str, now: &str, series: &[Series], shape: Shape, words: fn(f64) -> String| {
        chart(&Chart { title, now, times: &statistics.times, series, shape, words })
    };
    html! {
        div.grid {
            (draw("Executions per minute", &format!("{:.0} total", succeeded + failed), &throughput, Shape::Bars, rate))
            (draw("Failures per minute", &share, &failures, Shape::Bars, rate))
            (draw("Duration", &slowest, &latency, Shape::Lines, duration))
        }
    }
}

fn rate(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn duration(micros: f64) -> String {
    span(micros as i64)
}

/// One queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    /// The integration, or the shared queue.
    pub(crate) name: String,
    /// The page of the integration; empty: a shared queue.
    pub(crate) href: String,
    /// Queued messages; absent: unknown.
    pub(crate) depth: Option<u64>,
    /// The time of receipt of the oldest message that a worker holds; absent: none is held.
    pub(crate) oldest: Option<UnixMicros>,
    /// The worker that consumes it, or the number of workers.
    pub(crate) worker: String,
}

/// Draws depth and oldest age of each queue; empty ones are at the end.
#[must_use]
pub(crate) fn queues(queues: &[Queue], now: UnixMicros) -> Markup {
    let max = queues.iter().filter_map(|queue| queue.depth).max().unwrap_or(0).max(1);
    table_card(
        "Queues",
        &html! {},
        &html! {
            @if queues.is_empty() { (empty("No queues", "Ordered triggers, and triggers with a concurrency limit, have separate queues. All other triggers use the shared queues.", &html! {})) }
            @else {
                div.table.folds {
                    table {
                        (head(&["Queue", "Queued", "Oldest", "Active worker"], None))
                        tbody {
                            @for queue in queues {
                                tr {
                                    th scope="row" { @if queue.href.is_empty() { (queue.name) } @else { a.row-link href=(queue.href) { (queue.name) } } }
                                    td data-label="Queued" {
                                        @match queue.depth {
                                            None => span.muted { "unknown" },
                                            Some(depth) => span.row { (depth) (share(depth, max)) },
                                        }
                                    }
                                    td.nowrap data-label="Oldest" { @if let Some(oldest) = queue.oldest { (between(oldest, now)) } }
                                    td data-label="Active worker" { @if queue.worker.is_empty() { span.muted { "none" } } @else { (queue.worker) } }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn share(depth: u64, max: u64) -> Markup {
    let width = depth as f64 / max as f64 * 100.0;
    html! { svg width="100" height="8" viewBox="0 0 100 8" aria-hidden="true" { rect.bar.tone-busy width=(width.max(if depth > 0 { 2.0 } else { 0.0 })) height="8" rx="2" {} } }
}

fn needs_attention(count: usize) -> String {
    if count == 1 { "1 needs attention".to_owned() } else { format!("{count} need attention") }
}

/// Draws the halted triggers, with the reason of each, and the possible decisions.
#[must_use]
pub(crate) fn halted(triggers: &[TriggerRow], may_decide: bool) -> Markup {
    let halted: Vec<&TriggerRow> = triggers.iter().filter(|trigger| trigger.since.is_some()).collect();
    html! {
        @if !halted.is_empty() {
            section.card id="halted-triggers" {
                header { h2 { "Halted triggers" } (badge(Tone::Bad, &needs_attention(halted.len()))) }
                div.body { @for trigger in halted { (halt(trigger, may_decide)) } }
            }
        }
    }
}

fn halt(trigger: &TriggerRow, may_decide: bool) -> Markup {
    let path = format!("{}/{}", trigger.tenant, trigger.name);
    notice(
        Tone::Bad,
        &path,
        html! {
            div.stack.tight {
                p { (trigger.error.as_deref().unwrap_or("The execution failed after its last attempt.")) }
                p.small {
                    @if let Some(since) = trigger.since { "Halted " (ago(since)) ". " }
                    @if let Some(id) = &trigger.execution_id { a href={ "/executions/" (id) } { "The failed execution" } ". " }
                    "The following executions are queued in order."
                }
                @if may_decide {
                    div.actions {
                        form method="post" action={ "/triggers/" (path) "/resume" } { button.button.small.main type="submit" { "Retry and resume" } }
                        form method="post" action={ "/triggers/" (path) "/skip" } {
                            (asking("small", "Skip", &format!("Skip the failed execution of {path}? It stays failed, and the following executions run.")))
                        }
                    }
                }
            }
        },
    )
}

/// Draws the live workers.
#[must_use]
pub(crate) fn workers(workers: &[WorkerRow]) -> Markup {
    table_card(
        "Workers",
        &html! {},
        &html! {
            @if workers.is_empty() {
                (notice(Tone::Bad, "No live worker", "Calls are received and queued. Start a worker with `forebay worker`."))
            } @else {
                div.table.folds {
                    table {
                        (head(&["Worker", "Version", "Running", "Own queues", "Started", "Last heartbeat"], None))
                        tbody {
                            @for worker in workers {
                                tr {
                                    th scope="row" { (worker.name) }
                                    td data-label="Version" { code { (worker.version) } }
                                    td data-label="Running" { (worker.running) " of " (worker.concurrency) }
                                    td data-label="Own queues" { (worker.queues.len()) }
                                    td data-label="Started" { (at(worker.started_at)) }
                                    td data-label="Last heartbeat" { (ago(worker.last_seen)) }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// A message that no worker could read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnreadableMessage {
    /// To return or discard it.
    pub(crate) id: String,
    /// The reason.
    pub(crate) reason: String,
    /// The queue that it came from.
    pub(crate) queue: String,
    /// The time at which it was sent; absent: unknown.
    pub(crate) at: Option<UnixMicros>,
    /// Its size in bytes.
    pub(crate) size: usize,
}

/// Draws the unreadable messages.
#[must_use]
pub(crate) fn unreadable(messages: &[UnreadableMessage], may_decide: bool) -> Markup {
    table_card(
        "Unreadable messages",
        &html! {},
        &html! {
            @if messages.is_empty() { (empty("No unreadable messages", "This list shows messages that no worker can read. You can return them to their queue or discard them.", &html! {})) }
            @else {
                div.table.folds {
                    table {
                        (head(&["Message", "Reason", "Queue", "Since", "Size"], Some("Actions")))
                        tbody {
                            @for message in messages {
                                tr {
                                    th.break scope="row" { code { (message.id) } }
                                    td data-label="Reason" { (message.reason) }
                                    td data-label="Queue" { code { (message.queue) } }
                                    td data-label="Since" { @if let Some(time) = message.at { (at(time)) } }
                                    td.nowrap data-label="Size" { (message.size) " bytes" }
                                    td {
                                        @if may_decide {
                                            div.actions {
                                                form method="post" action={ "/unreadable/" (message.id) "/return" } { button.button.small type="submit" { "Return to queue" } }
                                                form method="post" action={ "/unreadable/" (message.id) "/discard" } { (asking("small danger", "Discard", "Discard this message? Its execution will not run.")) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charts_show_totals_and_the_latest_percentile() {
        let shown = Statistics {
            times: vec![UnixMicros::default(), UnixMicros::new(60_000_000)],
            minutes: 1,
            succeeded: vec![9.0, 0.0],
            failed: vec![0.0, 1.0],
            p50: vec![Some(1000.0), None],
            p95: vec![Some(12_000.0), None],
        };
        let html = statistics(&shown).into_string();
        for words in ["10 total", "10.0 %", "12 ms p95"] {
            assert!(html.contains(words), "{words}\n{html}");
        }
    }

    #[test]
    fn a_cluster_without_workers_says_what_to_do() {
        assert!(workers(&[]).into_string().contains("forebay worker"));
    }
}
