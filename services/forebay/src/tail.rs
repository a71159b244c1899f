//! `forebay tail`: executions as they end.

use crate::api::Api;
use crate::args::Tail;
use crate::error::Error;
use crate::events::{Event, Events};
use crate::output::{Output, is_read, note};
use crate::shown::{error, path, text, took};
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(15);

/// Until it is ended, or nobody reads any more.
///
/// # Errors
/// It could not begin, or may not go on. A connection that is lost later is made again.
pub(crate) async fn tail(output: &Output, api: &Api, tail: Tail) -> Result<(), Error> {
    let query = [
        ("tenant", tail.tenant.map(|tenant| tenant.to_string())),
        ("integration", tail.integration.map(|name| name.to_string())),
        ("status", tail.status.map(|status| status.to_string())),
        ("label", tail.label),
    ];
    let has_colour = has_colour();
    let (mut pause, mut was_open) = (FIRST_DELAY, false);
    loop {
        match api.follow("executions/live", &query).await {
            Ok(mut response) => {
                if was_open {
                    note("following again: executions that ended meanwhile are not shown, `forebay executions list` has them");
                }
                (was_open, pause) = (true, FIRST_DELAY);
                let mut events = Events::default();
                while let Ok(Some(piece)) = response.chunk().await {
                    events.push(&piece);
                    while let Some(event) = events.next() {
                        if !show(*output, &event, has_colour)? {
                            return Ok(());
                        }
                    }
                }
                note("the connection was lost: trying again");
            }
            Err(error) if was_open && error.is_passing() => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_DELAY);
    }
}

/// Whether somebody reads on.
fn show(output: Output, event: &Event, has_colour: bool) -> Result<bool, Error> {
    match event.name.as_str() {
        "missed" => note("some executions may be missing here: `forebay executions list` has them"),
        "executions" => {
            let executions: Vec<Value> = serde_json::from_str(&event.data).unwrap_or_default();
            for execution in executions.iter().filter(|execution| execution["endedAt"].is_string()) {
                let line = if output.is_json() { execution.to_string() } else { line(execution, has_colour) };
                if !is_read(&line)? {
                    return Ok(false);
                }
            }
        }
        _ => {}
    }
    Ok(true)
}

fn line(execution: &Value, has_colour: bool) -> String {
    let ended = text(execution, "endedAt");
    let clock = ended.get(11..19).unwrap_or_default();
    let status = text(execution, "status");
    let colour = match status.as_str() {
        "succeeded" => "32",
        "failed" => "31",
        _ => "33",
    };
    let padded = format!("{status:<9}");
    let status = if has_colour { format!("\x1b[{colour}m{padded}\x1b[0m") } else { padded };
    let labels: Vec<String> = execution["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("{name}={}", text(&execution["labels"], name)))
        .collect();
    let line =
        format!("{}  {:>11}  {}  {}  {}", path(execution), took(execution), text(execution, "id"), labels.join(" "), error(execution));
    // What others wrote must not move the cursor of a terminal.
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{clock}  {status}  {}", line.trim_end())
}

/// Whether standard output is a terminal whose user wants colours (no-color.org).
fn has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_no_colours_unless_they_are_wanted_and_moves_no_cursor() {
        let execution = json!({
            "id": "x1", "tenant": "t", "integration": "n", "status": "failed", "startedAt": "2026-11-24T10:00:00Z",
            "endedAt": "2026-11-24T10:00:00.002Z", "labels": { "order": "7\u{1b}[2J" }, "error": { "step": "s", "message": "no\nway" },
        });
        assert_eq!(line(&execution, false), "10:00:00  failed     t/n       2.0 ms  x1  order=7 [2J  s: no way");
        assert!(line(&execution, true).contains("\u{1b}[31mfailed   \u{1b}[0m"));
    }
}
