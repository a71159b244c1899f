//! The parts of the page that are drawn from a text during editing: its problems with their places, its form, its diagram, and the result
//! of an example.

use super::trigger_form;
use crate::view::badge::Tone;
use crate::view::diagram::{Beside, diagram};
use crate::view::editor::{Example, Located};
use crate::view::notice::notice;
use crate::view::trial::trial;
use forebay_contract::connection::Connection;
use forebay_contract::definition::{Definition, DefinitionError, Places, Problem, documents};
use forebay_contract::json::read_json;
use forebay_store::NewDefinition;
use forebay_workflow::Program;
use forebay_workflow::trial::{Example as Call, try_definition};
use maud::{Markup, html};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

/// A text that could be read.
pub(crate) struct Read {
    pub(crate) document: Value,
    pub(crate) definition: Definition,
    pub(crate) places: Places,
}

/// The parts of the page that are drawn from a text.
pub(crate) struct Parts {
    pub(crate) problems: Vec<Located>,
    pub(crate) form: Option<Markup>,
    pub(crate) diagram: Option<Markup>,
    pub(crate) trial: Markup,
}

/// Reads a text that contains one definition.
///
/// # Errors
/// All problems of the text, with their places.
pub(crate) fn read(source: &str) -> Result<Read, Vec<Located>> {
    read_by(source, Definition::from_value)
}

/// Reads a text as [`read`] does, of a stored version.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_stored(source: &str) -> Result<Read, Vec<Located>> {
    read_by(source, Definition::from_stored)
}

fn read_by(source: &str, read_definition: impl Fn(&Value) -> Result<Definition, DefinitionError>) -> Result<Read, Vec<Located>> {
    let whole = |message: String| vec![Located { line: 0, column: 0, path: String::new(), message }];
    let mut read = documents(source)
        .map_err(|error| vec![Located { line: error.line, column: error.column, path: String::new(), message: error.message }])?;
    let Some(document) = read.pop() else { return Err(whole("the text is empty: begin with tenant, name and trigger".to_owned())) };
    if !read.is_empty() {
        return Err(whole("the text contains several documents: write one integration, and use a separate page for each".to_owned()));
    }
    if Connection::is_document(&document) {
        return Err(whole("this is a connection: save it on the page of connections".to_owned()));
    }
    let places = Places::of_documents(source).into_iter().next().unwrap_or_default();
    let definition = read_definition(&document).map_err(|error| located(error.problems, &places))?;
    Ok(Read { document, definition, places })
}

fn located(problems: Vec<Problem>, places: &Places) -> Vec<Located> {
    problems.iter().map(|problem| Located::new(problem, places.find(&problem.path))).collect()
}

/// Draws all parts of the page from a text.
pub(crate) async fn draw_parts(source: &str, example: &Example) -> Parts {
    let read = match read(source) {
        Ok(read) => read,
        Err(problems) => {
            let trial = html! { p.muted { "The text has problems. Fix them to run the example." } };
            return Parts { problems, form: None, diagram: None, trial };
        }
    };
    let form = trigger_form::form(&read.definition, &read.document, source);
    let diagram = diagram(&read.definition, Beside { states: None, places: Some(&read.places) });
    let places = read.places.clone();
    let (compiled, trial) = run(read, example.clone()).await;
    Parts { problems: located(compiled, &places), form: Some(form), diagram: Some(diagram), trial }
}

/// Returns the form of a text; `drawn` is the text that the submitted form was drawn from. `None` if the text has problems.
pub(crate) fn form_of(source: &str, drawn: &str) -> Option<Markup> {
    read(source).ok().map(|read| trigger_form::form(&read.definition, &read.document, drawn))
}

/// Compiles and runs the definition on another thread than the server's: both may take as long as the limits of mappings allow.
async fn run(read: Read, example: Example) -> (Vec<Problem>, Markup) {
    let handle = Handle::current();
    let work = move || {
        let problems = Program::check(&read.definition).err().unwrap_or_default();
        (problems, handle.block_on(run_example(&read, example)))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| (Vec::new(), html! {}))
}

async fn run_example(read: &Read, example: Example) -> Markup {
    let outputs: Map<String, Value> = match read_json(example.steps.trim().as_bytes()) {
        Ok(Value::Object(outputs)) => outputs,
        _ if example.steps.trim().is_empty() => Map::new(),
        _ => return notice(Tone::Bad, "Outputs of other systems", "Write a JSON object with step ids as fields and outputs as values."),
    };
    let is_json = serde_json::from_str::<Value>(&example.body).is_ok();
    let content_type = match example.content_type.trim() {
        "" if example.body.is_empty() => None,
        "" if is_json => Some("application/json".to_owned()),
        "" => Some("text/plain".to_owned()),
        named => Some(named.to_owned()),
    };
    let body = (!example.body.is_empty()).then(|| example.body.into_bytes());
    let call = Call { query_string: example.query.trim().trim_start_matches('?').to_owned(), content_type, body, ..Call::default() };
    match call.envelope(read.definition.path(), Some(&read.definition.trigger)) {
        Ok(envelope) => trial(&try_definition(&read.definition, &envelope, &outputs).await, Some(&read.places)),
        Err(refused) => notice(Tone::Warn, "The ingress would refuse this call", refused.to_string().as_str()),
    }
}

/// Returns the definition of a text that may be saved.
pub(super) async fn checked(source: &str) -> Result<NewDefinition, Vec<Located>> {
    let read = read(source)?;
    let definition = read.definition.clone();
    let compiled = tokio::task::spawn_blocking(move || Program::check(&definition).err().unwrap_or_default()).await;
    match compiled.unwrap_or_default() {
        problems if problems.is_empty() => {
            Ok(NewDefinition { definition: read.definition, document: read.document, source: source.to_owned() })
        }
        problems => Err(located(problems, &read.places)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Orders\ntenant: t1\nname: Orders\ntrigger:\n  webhook:\n    methods: [POST]\ninput: '{ id: .body.id }'\n";

    #[tokio::test]
    async fn a_fault_of_the_example_is_shown_with_its_place() {
        let source = TEXT.replace(".body.id", ".body.id | tonumber");
        let example = Example { body: "{\"id\": \"x\"}".to_owned(), ..Example::default() };
        let parts = draw_parts(&source, &example).await;
        let html = parts.trial.into_string();
        assert_eq!(parts.problems, []);
        assert!(html.contains("Error in input") && html.contains("data-line=\"7\"") && html.contains("^^^^^^^^"), "{html}");
    }

    #[tokio::test]
    async fn every_problem_of_a_text_has_its_line() {
        let parts = draw_parts(&TEXT.replace("methods", "method"), &Example::default()).await;
        assert_eq!((parts.problems[0].line, parts.form.is_none()), (6, true), "{:?}", parts.problems);
        let parts = draw_parts(&TEXT.replace(".body.id", ".body.("), &Example::default()).await;
        assert_eq!((parts.problems[0].line, parts.form.is_some()), (7, true), "{:?}", parts.problems);
        let parts = draw_parts("a: [", &Example::default()).await;
        assert!(parts.problems[0].line > 0, "{:?}", parts.problems);
    }
}
