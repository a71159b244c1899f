//! `forebay try`: runs a definition, or one mapping, on an example, without any service.

use std::path::Path;

use forebay_contract::IntegrationPath;
use forebay_contract::definition::{Definition, Place};
use forebay_contract::envelope::Envelope;
use forebay_contract::json::{object_of, read_json};
use forebay_workflow::trial::{Example, ExampleError, Fault, FaultPlace, Tried, TriedStep, try_definition, try_mapping};
use serde_json::{Map, Value, json};

use crate::args::Try;
use crate::documents::{Written, read_one};
use crate::error::Error;
use crate::invoke::read_example;
use crate::output::{Output, pretty, write};

/// The indentation of the caret.
const INDENT: &str = "    ";

/// `forebay try`.
///
/// # Errors
/// The first fault of the definition or the mapping; what was reached before it is the output.
pub(crate) async fn perform(output: &Output, tried: &Try) -> Result<(), Error> {
    let read = tried.file.as_deref().map(|file| read_one(file, tried.integration.as_ref())).transpose()?;
    let envelope = envelope(tried, read.as_ref().map(|read| &read.definition))?;
    let (result, place) = match (&tried.mapping, &read) {
        (Some(source), _) => (of_mapping(source, &envelope, output).await?, None),
        (None, Some(read)) => {
            let outputs = given_outputs(tried.steps.as_deref())?;
            let result = try_definition(&read.definition, &envelope, &outputs).await;
            let place = result.fault.as_ref().and_then(|fault| place_in_file(read, fault));
            show(output, &result, place)?;
            (result.fault, place)
        }
        // The command line requires one of them.
        (None, None) => return Err(Error::Usage("give a file or --mapping".to_owned())),
    };
    match result {
        Some(fault) => Err(Error::Failed(described(&fault, tried.file.as_deref().filter(|_| tried.mapping.is_none()), place))),
        None => Ok(()),
    }
}

async fn of_mapping(source: &str, envelope: &Envelope, output: &Output) -> Result<Option<Fault>, Error> {
    match try_mapping(source, envelope).await {
        Ok(value) => write(&pretty(&value)).map(|()| None),
        Err(fault) => {
            if output.is_json() {
                write(&pretty(&json!({ "error": error_object(&fault, None) })))?;
            }
            Ok(Some(fault))
        }
    }
}

fn envelope(tried: &Try, definition: Option<&Definition>) -> Result<Envelope, Error> {
    let input = tried.input.as_deref().map(read_example).transpose()?;
    let (body, guessed) = input.map_or((None, None), |(body, kind)| (Some(body), Some(kind)));
    let path: IntegrationPath = match definition {
        Some(definition) => definition.path(),
        None => "try/mapping".parse().map_err(|_| Error::Usage("--mapping needs a file".to_owned()))?,
    };
    let example = Example {
        method: tried.method.clone(),
        query_string: form_urlencoded(&tried.query),
        headers: tried.header.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
        content_type: tried.content_type.as_deref().or(guessed).map(str::to_owned),
        body,
    };
    example.envelope(path, definition.map(|definition| &definition.trigger)).map_err(|error| match error {
        ExampleError::Query(_) => Error::Failed(format!("{error}; give parameters as --query NAME=VALUE")),
        error => Error::Failed(error.to_string()),
    })
}

fn form_urlencoded(query: &[(String, String)]) -> String {
    let mut url = reqwest::Url::parse("http://forebay").ok();
    if let Some(url) = url.as_mut().filter(|_| !query.is_empty()) {
        url.query_pairs_mut().extend_pairs(query);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// Returns the outputs of the file by the ids of their steps.
fn given_outputs(file: Option<&Path>) -> Result<Map<String, Value>, Error> {
    let Some(file) = file else { return Ok(Map::new()) };
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|source| Error::Io { doing: format!("cannot read {shown}"), source })?;
    match read_json(text.as_bytes()) {
        Ok(Value::Object(given)) => Ok(given),
        Ok(_) => {
            Err(Error::Usage(format!("{shown} is not a JSON object: write an object with step ids as fields and their outputs as values")))
        }
        Err(error) => Err(Error::Usage(format!("{shown} is not JSON: {error}"))),
    }
}

/// Returns the place of the fault in the file of the definition: in the mapping or template, or otherwise that of the field.
fn place_in_file(read: &Written, fault: &Fault) -> Option<Place> {
    let inside = |at: &FaultPlace| read.places.inside(&read.text, &fault.part, &fault.source, at.line, at.column);
    fault.place.as_ref().and_then(inside).or_else(|| read.places.find(&fault.part))
}

fn show(output: &Output, tried: &Tried, place: Option<Place>) -> Result<(), Error> {
    if output.is_json() {
        return write(&pretty(&object_of([
            ("input", tried.input.clone().unwrap_or_default()),
            ("labels", tried.labels.as_deref().map(crate::executions::labels_object).unwrap_or_default()),
            ("steps", tried.steps.iter().map(step_object).collect()),
            ("answer", tried.answer.clone().unwrap_or_default()),
            ("error", tried.fault.as_ref().map(|fault| error_object(fault, place)).unwrap_or_default()),
        ])));
    }
    let mut text = String::new();
    if let Some(input) = &tried.input {
        section(&mut text, "input", input);
    }
    if let Some(labels) = tried.labels.as_deref().filter(|labels| !labels.is_empty()) {
        section(&mut text, "labels", &crate::executions::labels_object(labels));
    }
    for step in &tried.steps {
        let title = format!("{}  {}  {}", step.path, step.kind, step.outcome.as_str());
        match &step.request {
            Some(request) => {
                section(&mut text, &format!("{title}; request, not sent"), request);
                section(&mut text, "  output", &step.output);
            }
            None => section(&mut text, &title, &step.output),
        }
    }
    if let Some(response) = &tried.answer {
        section(&mut text, "response", response);
    }
    if text.is_empty() { Ok(()) } else { write(&text) }
}

fn section(text: &mut String, title: &str, value: &Value) {
    text.push_str(&format!("{title}\n"));
    for line in pretty(value).lines() {
        text.push_str(&format!("{INDENT}{line}\n"));
    }
}

fn step_object(step: &TriedStep) -> Value {
    object_of([
        ("path", step.path.as_str().into()),
        ("kind", step.kind.into()),
        ("outcome", step.outcome.as_str().into()),
        ("output", step.output.clone()),
        ("request", step.request.clone().unwrap_or_default()),
    ])
}

fn error_object(fault: &Fault, place: Option<Place>) -> Value {
    let at = fault.place.as_ref();
    json!({
        "path": fault.part,
        "fileLine": place.map(|place| place.line),
        "fileColumn": place.map(|place| place.column),
        "message": fault.message,
        "line": at.map(|at| at.line),
        "column": at.map(|at| at.column),
        "snippet": at.map(|at| at.snippet.as_str()),
        "value": at.and_then(|at| at.value.as_deref()),
    })
}

/// `FILE:LINE:COLUMN: FIELD: line 1, column 22: MESSAGE`, the line of the program with a caret below the piece, and the value that it was
/// given.
fn described(fault: &Fault, file: Option<&Path>, place: Option<Place>) -> String {
    let mut text = String::new();
    match (file, place) {
        (Some(file), Some(place)) => text.push_str(&format!("{}:{}:{}: ", file.display(), place.line, place.column)),
        (Some(file), None) => text.push_str(&format!("{}: ", file.display())),
        (None, _) => {}
    }
    if !fault.part.is_empty() {
        text.push_str(&format!("{}: ", fault.part));
    }
    let Some(at) = &fault.place else { return text + &fault.message };
    text.push_str(&format!("line {}, column {}: {}", at.line, at.column, fault.message));
    if let Some(line) = fault.source.lines().nth(at.line.saturating_sub(1)) {
        // A tab stays one, so that the caret stands below its piece whatever a tab is wide.
        let before: String = line.chars().take(at.column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(at.snippet.chars().count().max(1));
        text.push_str(&format!("\n{INDENT}{line}\n{INDENT}{before}{carets}"));
    }
    if let Some(value) = &at.value {
        text.push_str(&format!("\n  on {value}"));
    }
    text
}

#[cfg(test)]
mod tests;
