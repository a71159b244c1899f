//! docs/your-data.md, section "Definitions": each row of its tables is read as a definition.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use forebay_contract::definition::{Action, Definition, Trigger, documents};

const PAGE: &str = include_str!("../../../docs/your-data.md");
const HEAD: &str = "| part of a definition | is read as |";

fn rows() -> Vec<(String, String)> {
    let section = PAGE.split("\n## ").find(|part| part.starts_with("Definitions")).unwrap();
    assert!(section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| `")).all(|line| line == HEAD));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let row = |line: &str| <[String; 2]>::try_from(cells(line)).unwrap().into();
    section.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

/// Returns the value of a row: the headers of its step, the default of its query parameter, its schedule's input, or its fields.
fn read(part: &str) -> Result<String, String> {
    let trigger = if part.starts_with("trigger:") { "" } else { "trigger: { webhook: {} }\n" };
    let document = documents(&format!("tenant: t\nname: n\n{trigger}{part}\n")).map_err(|error| error.to_string())?.remove(0);
    let definition = Definition::from_value(&document).map_err(|error| error.to_string())?;
    if let Some(step) = definition.steps.first() {
        let Action::Http(call) = &step.action else { panic!("{part}: an http step") };
        return Ok(call.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", "));
    }
    match &definition.trigger {
        Trigger::Schedule(schedule) => Ok(schedule.input.to_string()),
        Trigger::Webhook(webhook) => match webhook.query.first() {
            Some(parameter) => Ok(parameter.default.as_ref().unwrap().to_string()),
            None => Ok(document.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ")),
        },
    }
}

#[test]
fn every_row_on_definitions_is_what_the_reader_gives() {
    let rows = rows();
    assert!(rows.len() >= 17, "{}", rows.len());
    for (part, expected) in rows {
        match (read(&part), expected.strip_prefix("error: ")) {
            (Ok(given), None) => assert_eq!(given, expected, "{part}"),
            (Err(message), Some(expected)) => assert!(message.contains(expected), "{part}: {message}"),
            (given, _) => panic!("{part}: {given:?}, not {expected}"),
        }
    }
}
