//! The lines of one frame.

use crate::output::table;
use crate::shown::{duration, failure, or_empty, second_or_empty};
use forebay_admin_api::Time;
use forebay_admin_api::executions::Execution;
use forebay_admin_api::monitor::{Queue, StatisticsPoint, Worker};
use forebay_admin_api::triggers::Trigger;
use jiff::Timestamp;

/// Minutes of statistics in the first row, including the current one.
const RECENT: usize = 5;
/// Maximum queues, those with the most messages.
const QUEUES: usize = 15;

/// The contents of one frame; for a part that the person may not see, the reason.
pub(crate) struct Contents {
    pub(crate) statistics: Result<Vec<StatisticsPoint>, String>,
    pub(crate) queues: Result<Vec<Queue>, String>,
    pub(crate) workers: Result<Vec<Worker>, String>,
    pub(crate) triggers: Result<Vec<Trigger>, String>,
    pub(crate) latest: Result<Vec<Execution>, String>,
}

pub(crate) fn lines(contents: &Contents, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!("forebay  {}", now.strftime("%Y-%m-%d %H:%M:%S UTC")), String::new()];
    part(&mut lines, "THROUGHPUT", &contents.statistics, |points| statistics(points, now));
    part(&mut lines, "HALTED TRIGGERS", &contents.triggers, halted);
    part(&mut lines, "QUEUES", &contents.queues, |queues| self::queues(queues, now));
    part(&mut lines, "WORKERS", &contents.workers, workers);
    part(&mut lines, "LATEST EXECUTIONS", &contents.latest, latest);
    lines
}

fn part<T>(lines: &mut Vec<String>, title: &str, found: &Result<Vec<T>, String>, show: impl FnOnce(&[T]) -> Vec<String>) {
    lines.push(title.to_owned());
    match found {
        Ok(items) => lines.extend(show(items).into_iter().map(|line| format!("  {line}"))),
        Err(reason) => lines.push(format!("  {reason}")),
    }
    lines.push(String::new());
}

fn rows(columns: &[&str], rows: Vec<Vec<String>>, none: &str) -> Vec<String> {
    if rows.is_empty() { vec![none.to_owned()] } else { table(columns, &rows).lines().map(str::to_owned).collect() }
}

/// Returns the executions that ended in the last minutes and in the last hour. Percentiles are those of the worst minute, since they cannot
/// be summed.
fn statistics(points: &[StatisticsPoint], now: Timestamp) -> Vec<String> {
    let since = now.as_second() - i64::try_from(RECENT).unwrap_or_default() * 60;
    let is_recent = |point: &&StatisticsPoint| point.at.timestamp().is_some_and(|at| at.as_second() >= since);
    let recent: Vec<&StatisticsPoint> = points.iter().filter(is_recent).collect();
    let all: Vec<&StatisticsPoint> = points.iter().collect();
    let shown = vec![statistics_row("5 minutes", &recent, RECENT as f64), statistics_row("1 hour", &all, 60.0)];
    rows(&["last", "per minute", "succeeded", "failed", "expired", "worst p50", "worst p95"], shown, "")
}

fn statistics_row(title: &str, points: &[&StatisticsPoint], minutes: f64) -> Vec<String> {
    let sum = |count: fn(&StatisticsPoint) -> u64| points.iter().map(|point| count(point)).sum::<u64>();
    let worst = |percentile: fn(&StatisticsPoint) -> Option<f64>| {
        let worst = points.iter().filter_map(|point| percentile(point)).reduce(f64::max);
        worst.map(|ms| format!("{ms:.1} ms")).unwrap_or_default()
    };
    let (succeeded, failed, expired) = (sum(|point| point.succeeded), sum(|point| point.failed), sum(|point| point.expired));
    let rate = (succeeded + failed + expired) as f64 / minutes;
    vec![
        title.to_owned(),
        format!("{rate:.1}"),
        succeeded.to_string(),
        failed.to_string(),
        expired.to_string(),
        worst(|point| point.p50_ms),
        worst(|point| point.p95_ms),
    ]
}

fn halted(triggers: &[Trigger]) -> Vec<String> {
    let shown = triggers.iter().filter(|trigger| trigger.is_halted()).map(|one| {
        vec![one.path(), second_or_empty(one.since.as_ref()), or_empty(one.execution_id.as_ref()), or_empty(one.error.as_ref())]
    });
    rows(&["trigger", "since", "execution", "error"], shown.collect(), "none")
}

fn queues(queues: &[Queue], now: Timestamp) -> Vec<String> {
    let mut all: Vec<&Queue> = queues.iter().collect();
    all.sort_by_key(|queue| std::cmp::Reverse(queue.ready));
    let left_out = all.len().saturating_sub(QUEUES);
    let shown = all.into_iter().take(QUEUES).map(|queue| {
        let name = match (&queue.tenant, &queue.integration) {
            (Some(tenant), Some(integration)) => format!("{tenant}/{integration}"),
            _ => queue.queue.clone(),
        };
        let ready = queue.ready.map_or_else(|| "unknown".to_owned(), |ready| ready.to_string());
        let oldest = queue.oldest_at.as_ref().and_then(Time::timestamp);
        let oldest = oldest.map(|at| format!("{} s", (now.as_second() - at.as_second()).max(0))).unwrap_or_default();
        vec![name, ready, oldest, or_empty(queue.consumers), or_empty(queue.worker.as_ref())]
    });
    let mut lines = rows(&["queue", "queued", "oldest", "consumers", "worker"], shown.collect(), "none");
    if left_out > 0 {
        lines.push(format!("{left_out} more queues with fewer messages"));
    }
    lines
}

fn workers(workers: &[Worker]) -> Vec<String> {
    let shown = workers.iter().map(|worker| {
        let busy = format!("{} of {}", worker.running, worker.concurrency);
        vec![worker.name.clone(), worker.version.clone(), busy, worker.queues.to_string(), worker.started_at.to_second()]
    });
    rows(&["worker", "version", "running", "own queues", "started"], shown.collect(), "none: no execution runs")
}

fn latest(executions: &[Execution]) -> Vec<String> {
    let shown = executions.iter().map(|execution| {
        vec![
            execution.received_at.to_second(),
            execution.path(),
            execution.status.to_string(),
            duration(execution),
            execution.id.clone(),
            failure(execution.error.as_ref()),
        ]
    });
    rows(&["received", "integration", "status", "duration", "execution", "error"], shown.collect(), "none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: serde::de::DeserializeOwned>(objects: serde_json::Value) -> Result<Vec<T>, String> {
        Ok(serde_json::from_value(objects).unwrap())
    }

    #[test]
    fn a_frame_shows_what_is_there_and_says_what_may_not_be_seen() {
        let now: Timestamp = "2026-11-24T10:10:00Z".parse().unwrap();
        let contents = Contents {
            statistics: read(json!([
                { "at": "2026-11-24T09:30:00Z", "succeeded": 50, "failed": 0, "expired": 0, "p50Ms": 1.0, "p95Ms": 9.0 },
                { "at": "2026-11-24T10:08:00Z", "succeeded": 8, "failed": 2, "expired": 0, "p50Ms": 2.0, "p95Ms": 4.5 },
            ])),
            queues: read(json!([{ "queue": "work.0", "tenant": null, "ready": 3, "consumers": 1, "oldestAt": "2026-11-24T10:09:18Z" }])),
            workers: Err("only for who sees every tenant".to_owned()),
            triggers: read(json!([{
                "tenant": "t", "integration": "n", "integrationId": "00000000-0000-0000-0000-000000000001", "kind": "webhook",
                "dispatchPolicy": "ordered", "policy": "serial", "enabled": true, "state": "halted",
                "since": "2026-11-24T10:00:00Z", "error": "no",
            }])),
            latest: Ok(Vec::new()),
        };
        let text = lines(&contents, now).join("\n");
        assert!(text.contains("5 minutes  2.0         8          2       0        2.0 ms     4.5 ms"), "{text}");
        assert!(text.contains("1 hour     1.0         58         2       0        2.0 ms     9.0 ms"), "{text}");
        assert!(text.contains("work.0  3       42 s"), "{text}");
        assert!(text.contains("t/n      2026-11-24T10:00:00Z"), "{text}");
        assert!(text.contains("WORKERS\n  only for who sees every tenant"), "{text}");
    }
}
