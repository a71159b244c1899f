//! Compatibility with jq: the examples of jq's manual are run, and its functions are looked up; docs/jq.md has the results.
//!
//! With `FOREBAY_WRITE_DOCS=1` the table is written instead of compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use forebay_fairness::CountingAllocator;
use forebay_fairness::STACK_BYTES;
use forebay_mapping::{Limits, Mapping, parse_json, to_json};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// The manual of jq 1.8: see jq/README.md.
const MANUAL: &str = include_str!("jq/manual.json");
/// Programs with known different results, and the results of jq.
const DIFFERENCES: &str = include_str!("jq/differences.json");
/// Names of jq's functions with their number of arguments, and its formats.
const FUNCTIONS: &str = include_str!("jq/functions.json");
const GENERATED: &str = "<!-- From here on written by shared/mapping/tests/jq.rs. -->";

/// The place in the manual, the program, its input, and the outputs of jq.
type Example = (String, String, String, Vec<String>);

/// A program with a different result.
struct Difference {
    program: String,
    input: String,
    /// The outputs of jq; absent if jq's manual has the example.
    jq: Option<Vec<String>>,
    why: String,
}

fn differences() -> Vec<Difference> {
    let read: Vec<Json> = serde_json::from_str(DIFFERENCES).unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let texts = |value: &Json| value.as_array().map(|outputs| outputs.iter().map(text).collect());
    let difference = |one: &Json| {
        let (program, input, why) = (text(&one["program"]), text(&one["input"]), text(&one["why"]));
        Difference { program, input, jq: texts(&one["jq"]), why }
    };
    read.iter().map(difference).collect()
}

/// Returns the outputs as an array, or the error.
fn run(program: &str, input: &str) -> Result<String, String> {
    // Compiled alone first: an error must not refer to the added bracket.
    let mapping = Mapping::compile(program).and_then(|_| Mapping::compile(&format!("[{program}\n]")));
    let mapping = mapping.map_err(|error| error.message)?;
    let input = parse_json(input.as_bytes()).map_err(|error| error.to_string())?;
    let output = mapping.run(&input, &Limits::default()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(to_json(&output)).unwrap())
}

fn is_same(given: &Result<String, String>, outputs: &[String]) -> bool {
    let expected = parse_json(format!("[{}]", outputs.join(",")).as_bytes()).unwrap();
    given.as_ref().is_ok_and(|given| parse_json(given.as_bytes()).unwrap() == expected)
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn of_jq(outputs: &[String]) -> String {
    if outputs.is_empty() { "an error".to_owned() } else { code(&outputs.join(",")) }
}

fn shown(given: Result<String, String>) -> String {
    match given {
        Ok(outputs) => code(&outputs[1..outputs.len() - 1]),
        Err(message) => format!("error: {}", message.replace('|', "\\|")),
    }
}

/// Returns the generated part of docs/jq.md.
fn table() -> String {
    let examples: Vec<Example> = serde_json::from_str(MANUAL).unwrap();
    let differences = differences();
    let mut same: BTreeMap<usize, (String, usize, usize)> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut explained = 0;
    for (title, program, input, outputs) in &examples {
        let place = same.len().checked_sub(1).filter(|last| same[last].0 == *title).unwrap_or(same.len());
        let section = same.entry(place).or_insert_with(|| (title.clone(), 0, 0));
        section.2 += 1;
        let given = run(program, input);
        if is_same(&given, outputs) {
            section.1 += 1;
            continue;
        }
        let known = differences.iter().find(|known| known.program == *program && known.input == *input && known.jq.is_none());
        let known = known
            .unwrap_or_else(|| panic!("{title}: `{program}` of {input} gives {given:?}, jq {outputs:?}: differences.json must say why"));
        explained += 1;
        rows.push(format!("| {} | {} | {} | {} | {} |", code(program), code(input), of_jq(outputs), shown(given), known.why));
    }
    for Difference { program, input, jq, why } in &differences {
        let Some(outputs) = jq else { continue };
        let given = run(program, input);
        assert!(!is_same(&given, outputs), "`{program}` gives what jq gives: take it out of differences.json");
        explained += 1;
        rows.push(format!("| {} | {} | {} | {} | {why} |", code(program), code(input), of_jq(outputs), shown(given)));
    }
    assert_eq!(explained, differences.len(), "differences.json explains what is no difference");

    let functions: Vec<String> = serde_json::from_str(FUNCTIONS).unwrap();
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for function in &functions {
        let (name, count) = function.split_once('/').unwrap_or((function, "0"));
        let arguments = vec!["."; count.parse().unwrap()].join("; ");
        let call = if arguments.is_empty() { name.to_owned() } else { format!("{name}({arguments})") };
        match Mapping::compile(&call) {
            Ok(_) => there.push(format!("`{function}`")),
            Err(error) => {
                absent.push(format!("| `{function}` | {} |", error.message.replace(&format!("`{name}` does not exist here: "), "")))
            }
        }
    }
    let sections: Vec<String> =
        same.values().map(|(title, same, all)| format!("| {} | {same} of {all} |", title.replace('|', "\\|"))).collect();
    let total: usize = same.values().map(|(_, same, _)| same).sum();
    format!(
        "## Differences\n\n| program | input | jq gives | Forebay gives | |\n|---|---|---|---|---|\n{}\n\n\
         ## Functions\n\nOf jq's {} functions and formats these {} are there:\n\n{}.\n\nThese are not:\n\n| | why |\n|---|---|\n{}\n\n\
         ## The manual\n\n{total} of the {} examples of the manual give the same.\n\n| section | the same |\n|---|---|\n{}\n",
        rows.join("\n"),
        functions.len(),
        there.len(),
        there.join(", "),
        absent.join("\n"),
        examples.len(),
        sections.join("\n"),
    )
}

#[test]
fn the_documentation_says_exactly_what_there_is_of_jq() {
    let table = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(table).unwrap().join().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/jq.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (words, documented) = written.split_once(GENERATED).expect("docs/jq.md has a line before which a person writes");
    if std::env::var_os("FOREBAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{words}{GENERATED}\n\n{table}")).unwrap();
        return;
    }
    assert_eq!(documented.trim(), table.trim(), "run this test with FOREBAY_WRITE_DOCS=1, and read what changed");
}
