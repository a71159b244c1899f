//! docs/your-data.md, row by row: each row of its tables on numbers and dates is executed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use forebay_contract::definition::{Definition, Trigger, documents};
use forebay_contract::outcome::{StepRecord, StepStatus};
use forebay_contract::{Label, UnixMicros, read_query};
use forebay_fairness::CountingAllocator;
use forebay_mapping::{Limits, Mapping, parse_json, to_json};
use serde_json::Value as Json;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const PAGE: &str = include_str!("../../../docs/your-data.md");
const OF_MAPPINGS: &str = "| input | mapping | result |";
const OF_PLACES: &str = "| where | written | shown |";

/// Returns the rows of the tables in `## section` with this head, each as its cells.
fn rows(section: &str, head: &str) -> Vec<[String; 3]> {
    let text = PAGE.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let (mut rows, mut is_in_table) = (Vec::new(), false);
    for line in text.lines() {
        is_in_table = line == head || is_in_table && line.starts_with('|');
        if !is_in_table || line == head || line.starts_with("|---") {
            continue;
        }
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        let [_, first, second, third, _] = cells.try_into().unwrap();
        rows.push([first, second, third]);
    }
    rows
}

fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or_else(|| panic!("{cell} stands in backticks"))
}

fn check(what: &str, given: Result<String, String>, shown: &str) {
    match (given, shown.strip_prefix("error: ")) {
        (Ok(given), None) => assert_eq!(given, shown, "{what}"),
        (Err(message), Some(expected)) => assert!(message.contains(expected), "{what}: {message}"),
        (given, _) => panic!("{what}: {given:?}, not {shown}"),
    }
}

fn mapped(input: &str, program: &str) -> Result<String, String> {
    let mapping = Mapping::compile(program).map_err(|error| error.to_string())?;
    let output = mapping.run(&parse_json(input.as_bytes()).unwrap(), &Limits::default()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(to_json(&output)).unwrap())
}

fn query(kind: &str, text: &str) -> Result<String, String> {
    let definition =
        format!("tenant: t\nname: n\ntrigger: {{ webhook: {{ query: {{ n: {{ type: {kind} }} }} }} }}\nsteps: [{{ id: a, set: . }}]\n");
    let definition = Definition::from_value(&documents(&definition).unwrap()[0]).unwrap();
    let Trigger::Webhook(webhook) = &definition.trigger else { panic!("a webhook") };
    let read = read_query(&format!("n={}", text.replace(',', "%2C")), &webhook.query);
    read.map(|values| values["n"].to_string()).map_err(|errors| errors[0].to_string())
}

fn labelled(text: &str) -> String {
    Label::all_of(&Json::from(&parse_json(text.as_bytes()).unwrap())).unwrap()[0].value().to_owned()
}

/// Stores and reads a text with the record of a worker.
fn in_history(text: &str) -> String {
    let output = Some(Json::from(&parse_json(text.as_bytes()).unwrap()));
    let record = StepRecord {
        id: "a".into(),
        status: StepStatus::Succeeded,
        started_at: UnixMicros::default(),
        duration: 0,
        output,
        error: None,
        note: None,
    };
    let stored = serde_json::to_vec(&[record]).unwrap();
    let read: Vec<StepRecord> = serde_json::from_slice(&stored).unwrap();
    read[0].output.as_ref().unwrap().to_string()
}

#[test]
fn every_row_on_numbers_and_dates_is_what_a_mapping_gives() {
    let rows = [rows("Numbers", OF_MAPPINGS), rows("Dates", OF_MAPPINGS)].concat();
    assert!(rows.len() > 50, "{}", rows.len());
    for [input, program, shown] in &rows {
        let (input, program, shown) = (code(input), code(program), code(shown));
        check(&format!("{input} | {program}"), mapped(input, program), shown);
    }
}

#[test]
fn every_row_on_a_place_is_what_the_place_shows() {
    let rows = rows("Numbers", OF_PLACES);
    assert!(rows.len() > 8, "{}", rows.len());
    for [place, written, shown] in &rows {
        let (written, shown) = (code(written), code(shown));
        let given = match place.as_str() {
            "a query parameter of the type number" => query("number", written),
            "a query parameter of the type integer" => query("integer", written),
            "a query parameter of the type string" => query("string", written),
            "a label" => Ok(labelled(written)),
            "the output of a step in the history" => Ok(in_history(written)),
            other => panic!("no test knows {other}"),
        };
        check(&format!("{place}: {written}"), given, shown);
    }
}

/// A table with another head would not be executed.
#[test]
fn no_table_on_numbers_and_dates_is_left_out() {
    for section in ["Numbers", "Dates"] {
        let text = PAGE.split("\n## ").find(|part| part.starts_with(section)).unwrap();
        let written = text.lines().filter(|line| line.starts_with("| ")).count();
        let heads = text.lines().filter(|line| [OF_MAPPINGS, OF_PLACES].contains(line)).count();
        assert_eq!(written, heads + rows(section, OF_MAPPINGS).len() + rows(section, OF_PLACES).len(), "{section}");
    }
}
