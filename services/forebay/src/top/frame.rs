//! The lines of one frame.

use super::Seen;
use crate::output::table;
use crate::shown::{error, path, second, text, took};
use jiff::Timestamp;
use serde_json::Value;

/// Minutes of traffic that the figures of now are of; the last one has not ended yet.
const NOW: usize = 5;
/// Queues that are shown, the fullest first.
const QUEUES: usize = 15;

pub(crate) fn lines(seen: &Seen, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!("forebay  {}", now.strftime("%Y-%m-%d %H:%M:%S UTC")), String::new()];
    part(&mut lines, "THROUGHPUT", &seen.traffic, |points| traffic(points, now));
    part(&mut lines, "HALTED TRIGGERS", &seen.triggers, halted);
    part(&mut lines, "QUEUES", &seen.queues, |queues| self::queues(queues, now));
    part(&mut lines, "WORKERS", &seen.workers, workers);
    part(&mut lines, "LATEST EXECUTIONS", &seen.latest, latest);
    lines
}

fn part(lines: &mut Vec<String>, title: &str, found: &Result<Vec<Value>, String>, show: impl FnOnce(&[Value]) -> Vec<String>) {
    lines.push(title.to_owned());
    match found {
        Ok(items) => lines.extend(show(items).into_iter().map(|line| format!("  {line}"))),
        Err(why) => lines.push(format!("  {why}")),
    }
    lines.push(String::new());
}

fn rows(columns: &[&str], rows: Vec<Vec<String>>, none: &str) -> Vec<String> {
    if rows.is_empty() { vec![none.to_owned()] } else { table(columns, &rows).lines().map(str::to_owned).collect() }
}

/// What ended in the last minutes and in the hour. Percentiles are of the worst minute, since those of several cannot be added.
fn traffic(points: &[Value], now: Timestamp) -> Vec<String> {
    let since = now.as_second() - i64::try_from(NOW).unwrap_or_default() * 60;
    let is_now = |point: &&Value| text(point, "at").parse::<Timestamp>().is_ok_and(|at| at.as_second() >= since);
    let recent: Vec<&Value> = points.iter().filter(is_now).collect();
    let all: Vec<&Value> = points.iter().collect();
    let row = |title: &str, points: &[&Value], minutes: f64| {
        let sum = |field: &str| points.iter().filter_map(|point| point[field].as_u64()).sum::<u64>();
        let worst = |field: &str| {
            points.iter().filter_map(|point| point[field].as_f64()).fold(None, |worst, took| Some(took.max(worst.unwrap_or(took))))
        };
        let took = |field: &str| worst(field).map(|took: f64| format!("{took:.1} ms")).unwrap_or_default();
        let (succeeded, failed, expired) = (sum("succeeded"), sum("failed"), sum("expired"));
        let rate = (succeeded + failed + expired) as f64 / minutes;
        vec![
            title.to_owned(),
            format!("{rate:.1}"),
            succeeded.to_string(),
            failed.to_string(),
            expired.to_string(),
            took("p50Ms"),
            took("p95Ms"),
        ]
    };
    let shown = vec![row("5 minutes", &recent, NOW as f64), row("1 hour", &all, 60.0)];
    rows(&["last", "per minute", "succeeded", "failed", "expired", "worst p50", "worst p95"], shown, "")
}

fn halted(triggers: &[Value]) -> Vec<String> {
    let halted = triggers.iter().filter(|trigger| trigger["state"] == "halted");
    let shown = halted.map(|one| vec![path(one), second(one, "since"), text(one, "executionId"), text(one, "error")]).collect();
    rows(&["trigger", "since", "execution", "error"], shown, "none")
}

fn queues(queues: &[Value], now: Timestamp) -> Vec<String> {
    let mut all: Vec<&Value> = queues.iter().collect();
    all.sort_by_key(|queue| std::cmp::Reverse(queue["ready"].as_u64()));
    let left_out = all.len().saturating_sub(QUEUES);
    let shown = all.into_iter().take(QUEUES).map(|queue| {
        let name = if queue["tenant"].is_string() { path(queue) } else { text(queue, "queue") };
        let depth = if queue["ready"].is_null() { "unknown".to_owned() } else { text(queue, "ready") };
        let oldest = text(queue, "oldestAt").parse::<Timestamp>();
        let oldest = oldest.map(|at| format!("{} s", (now.as_second() - at.as_second()).max(0))).unwrap_or_default();
        vec![name, depth, oldest, text(queue, "consumers"), text(queue, "worker")]
    });
    let mut lines = rows(&["queue", "waiting", "oldest", "consumers", "worker"], shown.collect(), "none");
    if left_out > 0 {
        lines.push(format!("and {left_out} more with less in them"));
    }
    lines
}

fn workers(workers: &[Value]) -> Vec<String> {
    let shown = workers.iter().map(|worker| {
        let busy = format!("{} of {}", text(worker, "running"), text(worker, "concurrency"));
        vec![text(worker, "name"), text(worker, "version"), busy, text(worker, "queues"), second(worker, "startedAt")]
    });
    rows(&["worker", "version", "running", "own queues", "started"], shown.collect(), "none: nothing is executed")
}

fn latest(executions: &[Value]) -> Vec<String> {
    let shown = executions.iter().map(|execution| {
        vec![
            second(execution, "acceptedAt"),
            path(execution),
            text(execution, "status"),
            took(execution),
            text(execution, "id"),
            error(execution),
        ]
    });
    rows(&["received", "integration", "status", "duration", "execution", "error"], shown.collect(), "none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_frame_shows_what_is_there_and_says_what_may_not_be_seen() {
        let now: Timestamp = "2026-11-24T10:10:00Z".parse().unwrap();
        let seen = Seen {
            traffic: Ok(vec![
                json!({ "at": "2026-11-24T09:30:00Z", "succeeded": 50, "failed": 0, "expired": 0, "p50Ms": 1.0, "p95Ms": 9.0 }),
                json!({ "at": "2026-11-24T10:08:00Z", "succeeded": 8, "failed": 2, "expired": 0, "p50Ms": 2.0, "p95Ms": 4.5 }),
            ]),
            queues: Ok(vec![json!({ "queue": "work.0", "tenant": null, "ready": 3, "consumers": 1, "oldestAt": "2026-11-24T10:09:18Z" })]),
            workers: Err("only for who sees every tenant".to_owned()),
            triggers: Ok(vec![
                json!({ "tenant": "t", "integration": "n", "state": "halted", "since": "2026-11-24T10:00:00Z", "error": "no" }),
            ]),
            latest: Ok(Vec::new()),
        };
        let text = lines(&seen, now).join("\n");
        assert!(text.contains("5 minutes  2.0         8          2       0        2.0 ms     4.5 ms"), "{text}");
        assert!(text.contains("1 hour     1.0         58         2       0        2.0 ms     9.0 ms"), "{text}");
        assert!(text.contains("work.0  3        42 s"), "{text}");
        assert!(text.contains("t/n      2026-11-24T10:00:00Z"), "{text}");
        assert!(text.contains("WORKERS\n  only for who sees every tenant"), "{text}");
    }
}
