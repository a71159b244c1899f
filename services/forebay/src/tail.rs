//! `forebay tail`: executions as they end.

use crate::api::Api;
use crate::args::Tail;
use crate::error::Error;
use crate::events::{Event, Events};
use crate::output::{Output, json_line, note, write_while_open};
use crate::shown::{duration, failure, labels};
use forebay_admin_api::Time;
use forebay_admin_api::executions::{Execution, ExecutionFilter};
use forebay_contract::outcome::ExecutionStatus;
use std::io::IsTerminal;
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(15);

/// Follows executions until a signal ends the process or the reader closes the output.
///
/// # Errors
/// The console cannot be reached at first, or refuses the request. A connection that is lost later is opened again.
pub(crate) async fn tail(output: &Output, api: &Api, tail: Tail) -> Result<(), Error> {
    let filter = ExecutionFilter {
        tenant: tail.tenant.as_ref().map(Into::into),
        integration: tail.integration.as_ref().map(Into::into),
        status: tail.status.map(Into::into),
        label: tail.label,
        ..ExecutionFilter::default()
    };
    let has_colour = has_colour();
    let (mut pause, mut was_open) = (FIRST_DELAY, false);
    loop {
        match api.follow_executions(&filter).await.map_err(Error::from) {
            Ok(mut response) => {
                if was_open {
                    note("connected again: executions that ended in between are not shown; see `forebay executions list`");
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
                note("the connection was lost: reconnecting");
            }
            Err(error) if was_open && error.is_temporary() => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_DELAY);
    }
}

/// Prints an event; returns false if nobody reads the output.
fn show(output: Output, event: &Event, has_colour: bool) -> Result<bool, Error> {
    match event.name.as_str() {
        "missed" => note("some executions may be missing here; see `forebay executions list`"),
        "executions" => {
            let executions: Vec<Execution> = serde_json::from_str(&event.data).map_err(|error| {
                Error::Failed(format!(
                    "this version of the command cannot read the console's executions ({error}): use the version of the console"
                ))
            })?;
            for execution in executions.iter().filter(|execution| execution.ended_at.is_some()) {
                let line = if output.is_json() { json_line(execution)? } else { line(execution, has_colour) };
                if !write_while_open(&line)? {
                    return Ok(false);
                }
            }
        }
        _ => {}
    }
    Ok(true)
}

fn line(execution: &Execution, has_colour: bool) -> String {
    let ended = execution.ended_at.as_ref().map(Time::as_str).unwrap_or_default();
    let clock = ended.get(11..19).unwrap_or_default();
    let colour = match execution.status {
        ExecutionStatus::Succeeded => "32",
        ExecutionStatus::Failed => "31",
        ExecutionStatus::Queued | ExecutionStatus::Running | ExecutionStatus::Expired => "33",
    };
    let padded = format!("{:<9}", execution.status.as_str());
    let status = if has_colour { format!("\x1b[{colour}m{padded}\x1b[0m") } else { padded };
    let labels = labels(&execution.labels).join(" ");
    let failure = failure(execution.error.as_ref());
    let line = format!("{}  {:>11}  {}  {labels}  {failure}", execution.path(), duration(execution), execution.id);
    // Control characters of foreign texts must not move the cursor of the terminal.
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{clock}  {status}  {}", line.trim_end())
}

/// Returns true if standard output is a terminal whose user wants colours (no-color.org).
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
            "id": "x1", "tenant": "t", "integration": "n", "integrationId": "i", "version": 1, "trigger": "webhook", "status": "failed",
            "attempts": 1, "receivedAt": "2026-11-24T10:00:00Z", "acceptedAt": "2026-11-24T10:00:00Z",
            "startedAt": "2026-11-24T10:00:00Z", "endedAt": "2026-11-24T10:00:00.002Z", "worker": "w",
            "error": { "code": "remote", "step": "s", "message": "no\nway", "transient": false }, "labels": { "order": "7\u{1b}[2J" },
            "responseStatus": null, "redeliveries": 0, "halted": false, "skipped": false, "traceId": null,
        });
        let execution: Execution = serde_json::from_value(execution).unwrap();
        assert_eq!(line(&execution, false), "10:00:00  failed     t/n       2.0 ms  x1  order=7 [2J  s: no way");
        assert!(line(&execution, true).contains("\u{1b}[31mfailed   \u{1b}[0m"));
    }
}
