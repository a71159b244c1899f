//! Writing a definition: what is made of a text while it is written, by form, text, picture and example.

pub(crate) mod form;
pub(crate) mod text;
mod trigger_form;

use super::{Framed, PageError, PageResult, name, see_other};
use crate::auth::Caller;
use crate::pages::sent::Sent;
use crate::view::badge::Tone;
use crate::view::diagram::{Beside, diagram};
use crate::view::editor::{Editor, Example, Located, drawing_or_why, editor, form_or_why, problems};
use crate::view::integrations;
use crate::view::notice::notice;
use crate::view::page::Section;
use crate::view::trial::trial;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use forebay_contract::connection::Connection;
use forebay_contract::definition::{Definition, Places, Problem, documents, to_yaml};
use forebay_contract::json::read_json;
use forebay_contract::{ExecutionId, IntegrationPath};
use forebay_operations::OperationError;
use forebay_store::{NewDefinition, Role, StoreError};
use forebay_workflow::Program;
use forebay_workflow::trial::{Example as Call, try_definition};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

const NEW_WEBHOOK: &str = "tenant: TENANT\nname: NewIntegration\ntrigger:\n  webhook:\n    methods: [POST]\nsteps:\n  - id: result\n    set: '{ received: .input }'\n";
const NEW_SCHEDULE: &str =
    "tenant: TENANT\nname: NewSchedule\ntrigger:\n  schedule:\n    every: 1h\nsteps:\n  - id: result\n    set: '{ ran: true }'\n";

/// A text, as far as it can be read.
pub(crate) struct Read {
    pub(crate) document: Value,
    pub(crate) definition: Definition,
    pub(crate) places: Places,
}

/// What is made of a text.
pub(crate) struct Made {
    pub(crate) problems: Vec<Located>,
    pub(crate) form: Option<Markup>,
    pub(crate) diagram: Option<Markup>,
    pub(crate) trial: Markup,
}

/// Reads a text that holds one definition.
///
/// # Errors
/// Everything that is wrong with it, with its place.
pub(crate) fn read(source: &str) -> Result<Read, Vec<Located>> {
    let whole = |message: String| vec![Located { line: 0, column: 0, path: String::new(), message }];
    let mut read = documents(source)
        .map_err(|error| vec![Located { line: error.line, column: error.column, path: String::new(), message: error.message }])?;
    let Some(document) = read.pop() else { return Err(whole("the text is empty: begin with tenant, name and trigger".to_owned())) };
    if !read.is_empty() {
        return Err(whole("the text holds more than one document; each integration has a page of its own".to_owned()));
    }
    if Connection::is_document(&document) {
        return Err(whole("this is a connection: it is written on the page of connections".to_owned()));
    }
    let places = Places::of_documents(source).into_iter().next().unwrap_or_default();
    let definition = Definition::from_value(&document).map_err(|error| located(error.problems, &places))?;
    Ok(Read { document, definition, places })
}

fn located(problems: Vec<Problem>, places: &Places) -> Vec<Located> {
    problems.iter().map(|problem| Located::new(problem, places.find(&problem.path))).collect()
}

/// Everything that the page shows of a text.
pub(crate) async fn make(source: &str, example: &Example) -> Made {
    let read = match read(source) {
        Ok(read) => read,
        Err(problems) => {
            let trial = html! { p.muted { "The example is run as soon as the text has no problem." } };
            return Made { problems, form: None, diagram: None, trial };
        }
    };
    let form = trigger_form::form(&read.definition, &read.document, &mark(source));
    let diagram = diagram(&read.definition, Beside { states: None, places: Some(&read.places) });
    let places = read.places.clone();
    let (compiled, trial) = run(read, example.clone()).await;
    Made { problems: located(compiled, &places), form: Some(form), diagram: Some(diagram), trial }
}

/// Compiling and running may take as long as the bounds of mappings allow, so both are done beside the server's own threads.
async fn run(read: Read, example: Example) -> (Vec<Problem>, Markup) {
    let handle = Handle::current();
    let work = move || {
        let problems = Program::check(&read.definition).err().unwrap_or_default();
        (problems, handle.block_on(tried(&read, example)))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| (Vec::new(), html! {}))
}

async fn tried(read: &Read, example: Example) -> Markup {
    let given: Map<String, Value> = match read_json(example.steps.trim().as_bytes()) {
        Ok(Value::Object(given)) => given,
        _ if example.steps.trim().is_empty() => Map::new(),
        _ => return notice(Tone::Bad, "Outputs of other systems", "must be a JSON object: the id of each step with its output"),
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
        Ok(envelope) => trial(&try_definition(&read.definition, &envelope, &given).await, Some(&read.places)),
        Err(refused) => notice(Tone::Warn, "The example is refused", refused.to_string().as_str()),
    }
}

/// What a form was drawn from: whether the text has been changed since.
fn mark(source: &str) -> String {
    let mut text = data_encoding::HEXLOWER.encode(&Sha256::digest(source));
    text.truncate(16);
    text
}

/// The example of a form.
pub(crate) fn example(sent: &Sent) -> Example {
    Example {
        body: sent.text("example_body").to_owned(),
        content_type: sent.text("example_type").to_owned(),
        query: sent.text("example_query").to_owned(),
        steps: sent.text("example_steps").to_owned(),
    }
}

/// Puts the form's fields into the text. A text that cannot be read stays as it is; its problems tell.
pub(crate) fn written(sent: &Sent) -> (String, String) {
    let source = sent.text("source");
    let Ok(read) = read(source) else { return (source.to_owned(), String::new()) };
    if !sent.has("form") {
        return (source.to_owned(), String::new());
    }
    match text::with_fields(source, &form::changes(&read.document, sent)) {
        Ok(edited) if edited.lost.is_empty() => (edited.source, String::new()),
        Ok(edited) => {
            let said = format!("Written anew, so that comments inside are gone: {}.", edited.lost.join(", "));
            (edited.source, said)
        }
        Err(why) => (source.to_owned(), why),
    }
}

/// `POST /editor/check`: the parts of the page for a text under work, as JSON.
pub(crate) async fn check(_: Caller, body: web::Bytes) -> HttpResponse {
    let sent = Sent::read(&body);
    let (source, said) = if sent.text("action") == "write" { written(&sent) } else { (sent.text("source").to_owned(), String::new()) };
    let made = make(&source, &example(&sent)).await;
    let mut parts = Map::new();
    let mut part = |id: &str, html: Markup| parts.insert(id.to_owned(), json!(html.into_string()));
    let told = html! {
        @if !said.is_empty() { (notice(Tone::Warn, "The text was changed", said.as_str())) }
        (problems(&made.problems))
    };
    part("problems", told);
    part("trial", made.trial);
    // The last form and picture stay while the text has a problem.
    if made.form.is_some() {
        part("trigger-form", form_or_why(made.form.as_ref()));
        part("drawing", drawing_or_why(made.diagram.as_ref()));
    }
    HttpResponse::Ok().json(json!({ "source": source, "problems": made.problems, "parts": parts, "form": mark(&source) }))
}

/// `GET /integrations/new`.
pub(crate) async fn new(caller: Caller, asked: web::Query<Asked>) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let tenant = tenants.first().map_or("my-tenant", |tenant| tenant.as_str());
    let source = if asked.kind == "schedule" { NEW_SCHEDULE } else { NEW_WEBHOOK };
    let page = Page { path: None, source: source.replace("TENANT", tenant), version: 0, said: String::new(), example: Example::default() };
    show(&caller, StatusCode::OK, page, Vec::new()).await
}

/// What a page of the editor is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// `schedule`, else a webhook.
    kind: String,
    /// The execution whose call is the example.
    like: String,
}

/// `GET /integrations/{tenant}/{name}/edit`.
pub(crate) async fn edit(caller: Caller, at: web::Path<(String, String)>, asked: web::Query<Asked>) -> PageResult {
    let (tenant, integration) = at.into_inner();
    let path = IntegrationPath { tenant: name(&tenant)?, name: name(&integration)? };
    let current = caller.state.operations.integration(&caller.actor, &path).await?;
    let example = match asked.like.parse() {
        Ok(id) => like(&caller, &id).await?,
        Err(_) => Example::default(),
    };
    let source = if current.source.trim().is_empty() { to_yaml(&current.document) } else { current.source };
    let page = Page { path: Some(path.to_string()), source, version: current.version, said: String::new(), example };
    show(&caller, StatusCode::OK, page, Vec::new()).await
}

/// The call of an execution as an example, with what its steps gave.
async fn like(caller: &Caller, id: &ExecutionId) -> Result<Example, PageError> {
    let detail = caller.state.operations.execution(&caller.actor, id).await?;
    let Some(input) = detail.input else { return Ok(Example::default()) };
    let steps: Map<String, Value> = detail.steps.into_iter().filter_map(|step| Some((step.id, step.output?))).collect();
    Ok(Example {
        body: String::from_utf8_lossy(&input.body).into_owned(),
        content_type: input.content_type.unwrap_or_default(),
        query: input.request.query_string,
        steps: if steps.is_empty() { String::new() } else { format!("{:#}", Value::Object(steps)) },
    })
}

struct Page {
    path: Option<String>,
    source: String,
    version: i32,
    said: String,
    example: Example,
}

/// `POST /editor`: saves, or does for who has no script what the script does.
pub(crate) async fn submit(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (path, version) = (sent.given("path").map(str::to_owned), sent.number("version"));
    let is_save = sent.text("action") == "save";
    // The form is newer than the text where the text is still the one that it was drawn from.
    let is_form_newer = sent.has("form") && sent.text("form") == mark(sent.text("source"));
    let takes_form = sent.text("action") == "write" || is_save && is_form_newer;
    let (source, said) = if takes_form { written(&sent) } else { (sent.text("source").to_owned(), String::new()) };
    let page = Page { path: path.clone(), source, version, said, example: example(&sent) };
    if !is_save {
        return show(&caller, StatusCode::OK, page, Vec::new()).await;
    }
    let refuse = |message: String| vec![Located { line: 0, column: 0, path: String::new(), message }];
    let new = match checked(&page.source).await {
        Ok(new) => new,
        Err(problems) => return show(&caller, StatusCode::UNPROCESSABLE_ENTITY, page, problems).await,
    };
    let now = new.definition.path();
    if path.as_ref().is_some_and(|path| *path != now.to_string()) {
        let problems =
            refuse(format!("tenant and name cannot be changed here: {now} would be another integration, with executions of its own"));
        return show(&caller, StatusCode::UNPROCESSABLE_ENTITY, page, problems).await;
    }
    match caller.state.operations.save(&caller.actor, &new, version).await {
        Ok(_) => Ok(see_other(&integrations::address(now.tenant.as_str(), now.name.as_str()))),
        Err(OperationError::Store(error @ StoreError::Changed { .. })) => {
            let why = if version == 0 { format!("there is an integration {now} already: open it to change it") } else { error.to_string() };
            show(&caller, StatusCode::CONFLICT, page, refuse(why)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// A text that may be saved.
async fn checked(source: &str) -> Result<NewDefinition, Vec<Located>> {
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

async fn show(caller: &Caller, status: StatusCode, page: Page, refused: Vec<Located>) -> PageResult {
    let made = make(&page.source, &page.example).await;
    let problems = if made.problems.is_empty() { refused } else { made.problems };
    let may_save = match page.path.as_deref().and_then(|path| path.parse::<IntegrationPath>().ok()) {
        Some(path) => caller.actor.has(&path.tenant, Role::Developer),
        None => caller.actor.grants().strongest() >= Some(Role::Developer),
    };
    let content = editor(&Editor {
        path: page.path.as_deref(),
        source: &page.source,
        version: page.version,
        problems: &problems,
        said: &page.said,
        form: made.form,
        diagram: made.diagram,
        example: &page.example,
        trial: made.trial,
        is_saved: status == StatusCode::OK && page.said.is_empty(),
        may_save,
    });
    let mut above = vec![("/integrations".to_owned(), "Integrations".to_owned())];
    let title = page.path.as_deref().unwrap_or("New integration");
    let tabs = match title.split_once('/') {
        Some((tenant, name)) => {
            above.push((integrations::address(tenant, name), title.to_owned()));
            let is_webhook =
                caller.state.snapshot.current().integration(tenant, name).is_none_or(|known| known.definition.trigger.webhook().is_some());
            integrations::integration_tabs(tenant, name, "Edit", is_webhook)
        }
        None => html! {},
    };
    let framed = Framed::new(caller, Section::Integrations, title).above(&above[..1]).with_editor();
    Ok(framed.show_as(status, &html! {}, &html! { (tabs) (content) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Orders\ntenant: t1\nname: Orders\ntrigger:\n  webhook:\n    methods: [POST]\ninput: '{ id: .body.id }'\n";

    fn sent(fields: &[(&str, &str)]) -> Sent {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Sent::read(body.as_bytes())
    }

    const UNCHANGED: [(&str, &str); 8] = [
        ("form", "1"),
        ("source", TEXT),
        ("enabled", "true"),
        ("kind", "webhook"),
        ("methods", "POST"),
        ("authentication", "api_key"),
        ("delivery", "lane"),
        ("input", "{ id: .body.id }"),
    ];

    #[test]
    fn a_form_that_was_not_touched_leaves_the_text_as_it_is() {
        assert_eq!(written(&sent(&UNCHANGED)), (TEXT.to_owned(), String::new()));
    }

    #[test]
    fn the_form_writes_what_a_person_would() {
        let mut fields = UNCHANGED.to_vec();
        fields[6] = ("delivery", "serial");
        fields.extend([
            ("waits", "true"),
            ("wait", "10s"),
            ("rate_calls", "100"),
            ("rate_per", "1m"),
            ("rate_scope", "key"),
            ("parameter_name_0", "customerid"),
            ("parameter_type_0", "integer"),
            ("parameter_required_0", "true"),
            ("parameter_name_1", "customername"),
            ("parameter_type_1", "string"),
            ("parameter_default_1", "TheCompany"),
            ("parameter_name_2", ""),
        ]);
        let (source, said) = written(&sent(&fields));
        assert_eq!(said, "");
        assert!(source.starts_with("# Orders\n") && source.contains("input: '{ id: .body.id }'\n"), "{source}");
        let read = read(&source).map_err(|problems| format!("{problems:?}")).unwrap();
        let expected = json!({ "webhook": {
            "methods": ["POST"],
            "query": { "customerid": { "type": "integer", "required": true }, "customername": { "default": "TheCompany" } },
            "ordered": true,
            "response": { "wait": "10s" },
            "rate": { "calls": 100, "per": "1m", "scope": "key" },
        } });
        assert_eq!(read.document["trigger"], expected);
    }

    #[tokio::test]
    async fn a_fault_of_the_example_is_shown_with_its_place() {
        let source = TEXT.replace(".body.id", ".body.id | tonumber");
        let example = Example { body: "{\"id\": \"x\"}".to_owned(), ..Example::default() };
        let made = make(&source, &example).await;
        let html = made.trial.into_string();
        assert_eq!(made.problems, []);
        assert!(html.contains("Wrong in input") && html.contains("data-line=\"7\"") && html.contains("^^^^^^^^"), "{html}");
    }

    #[tokio::test]
    async fn every_problem_of_a_text_has_its_line() {
        let made = make(&TEXT.replace("methods", "method"), &Example::default()).await;
        assert_eq!((made.problems[0].line, made.form.is_none()), (6, true), "{:?}", made.problems);
        let made = make(&TEXT.replace(".body.id", ".body.("), &Example::default()).await;
        assert_eq!((made.problems[0].line, made.form.is_some()), (7, true), "{:?}", made.problems);
        let made = make("a: [", &Example::default()).await;
        assert!(made.problems[0].line > 0, "{:?}", made.problems);
    }
}
