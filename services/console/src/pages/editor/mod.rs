//! The editor of definitions. The parts of the page, and how they stay consistent:
//!
//! - The text is the definition. The form is another view of it. A check and a save apply the changes of the form to the text ([`merge`]).
//! - The response of a check ([`check`]) is for one state of the text and the form. The script of the page (`editor-form.js`) ignores the
//!   response if the user has changed the text since then, and never replaces a field that has the focus.
//! - The reasons of a failed save are in a separate part of the page, until the text is saved. If another user has saved a change, the page
//!   shows both texts and the merged text ([`super::conflict`]).
//! - Drafts are stored in the browser (`drafts.js`).

pub(crate) mod form;
pub(crate) mod merge;
pub(crate) mod parts;
pub(crate) mod text;
mod trigger_form;

use self::merge::merge_form;
use self::parts::{checked, draw_parts, form_of};
use super::conflict::{Choice, unresolved};
use super::error::{PageError, PageResult, see_other};
use super::frame::{Framed, did_nothing};
use super::saved::saved_address;
use crate::auth::Caller;
use crate::failure::Failure;
use crate::pages::sent::{Sent, name};
use crate::view::badge::Tone;
use crate::view::conflict::{Conflict, conflict};
use crate::view::editor::{Editor, Example, diagram_or_reason, editor, form_or_reason, problems};
use crate::view::integrations;
use crate::view::notice::notice;
use crate::view::page::Section;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use forebay_contract::{ExecutionId, IntegrationPath};
use forebay_operations::OperationError;
use forebay_store::{Role, StoreError, StoredVersion};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const NEW_WEBHOOK: &str = "tenant: TENANT\nname: NewIntegration\ntrigger:\n  webhook:\n    methods: [POST]\nsteps:\n  - id: result\n    set: '{ received: .input }'\n";
const NEW_SCHEDULE: &str =
    "tenant: TENANT\nname: NewSchedule\ntrigger:\n  schedule:\n    every: 1h\nsteps:\n  - id: result\n    set: '{ ran: true }'\n";

/// Reads the example from the form.
fn example(sent: &Sent) -> Example {
    Example {
        body: sent.text("example_body").to_owned(),
        content_type: sent.text("example_type").to_owned(),
        query: sent.text("example_query").to_owned(),
        steps: sent.text("example_steps").to_owned(),
    }
}

/// `POST /editor/check`: the parts of the page for the present text and form, as JSON. Nothing is stored.
pub(crate) async fn check(_: Caller, body: web::Bytes) -> HttpResponse {
    let sent = Sent::read(&body);
    let merged = merge_form(&sent);
    let page_parts = draw_parts(&merged.source, &example(&sent)).await;
    let mut parts = Map::new();
    let mut part = |id: &str, html: Markup| parts.insert(id.to_owned(), json!(html.into_string()));
    part("problems", problems(&page_parts.problems));
    part("trial", page_parts.trial);
    // The last form and diagram stay while the text has a problem.
    if page_parts.form.is_some() {
        part("trigger-form", form_or_reason(page_parts.form.as_ref()));
        part("drawing", diagram_or_reason(page_parts.diagram.as_ref()));
    }
    did_nothing(HttpResponse::Ok().json(json!({
        "source": merged.source, "drawn": merged.drawn, "written": merged.is_written,
        "said": (!merged.notice.is_empty()).then(|| notice(Tone::Warn, "The text was changed", merged.notice.as_str()).into_string()),
        "problems": page_parts.problems, "parts": parts,
    })))
}

/// `GET /integrations/new`.
pub(crate) async fn new(caller: Caller, query: web::Query<EditorQuery>) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let tenant = tenants.first().map_or("my-tenant", |tenant| tenant.as_str());
    let source = if query.kind == "schedule" { NEW_SCHEDULE } else { NEW_WEBHOOK };
    show(&caller, StatusCode::OK, &Page { source: source.replace("TENANT", tenant), ..Page::default() }).await
}

/// The query of a page of the editor.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct EditorQuery {
    /// `schedule`; otherwise a webhook.
    kind: String,
    /// The execution whose call is the example.
    like: String,
}

/// `GET /integrations/{tenant}/{name}/edit`.
pub(crate) async fn edit(caller: Caller, at: web::Path<(String, String)>, query: web::Query<EditorQuery>) -> PageResult {
    let (tenant, integration) = at.into_inner();
    let path = IntegrationPath { tenant: name(&tenant)?, name: name(&integration)? };
    let current = caller.state.operations.integration(&caller.actor, &path).await?;
    let example = match query.like.parse() {
        Ok(id) => example_like(&caller, &id).await?,
        Err(_) => Example::default(),
    };
    let page = Page { path: Some(path.to_string()), source: current.text(), version: current.version, example, ..Page::default() };
    show(&caller, StatusCode::OK, &page).await
}

/// Returns the call of an execution as an example, with the outputs of its steps.
async fn example_like(caller: &Caller, id: &ExecutionId) -> Result<Example, PageError> {
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

/// The state of the page.
#[derive(Default)]
struct Page {
    /// `tenant/name`; absent: a new one.
    path: Option<String>,
    source: String,
    /// The text that the form was drawn from, where the present text cannot be read.
    drawn: String,
    /// A text with the changes of the form, if they could not be applied to the text.
    pending: Option<String>,
    /// The version that the text was made from; 0: a new one.
    version: i32,
    /// A message about the last action; empty: none.
    notice: String,
    example: Example,
    /// The reason for which it was not saved.
    refused: Option<Markup>,
    /// True if the text differs from the stored one.
    is_unsaved: bool,
}

/// `POST /editor`: saves the text. Its other actions store nothing and are for browsers without scripts.
pub(crate) async fn submit(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let merged = merge_form(&sent);
    let mut page = Page {
        path: sent.given("path").map(str::to_owned),
        source: merged.source,
        drawn: merged.drawn,
        pending: merged.pending,
        version: sent.number("version"),
        notice: merged.notice,
        example: example(&sent),
        is_unsaved: true,
        ..Page::default()
    };
    if let Some(choice) = Choice::read(sent.text("action")) {
        choose(&caller, &mut page, choice, sent.number("over")).await?;
        return show(&caller, StatusCode::OK, &page).await.map(did_nothing);
    }
    if sent.text("action") != "save" {
        return show(&caller, StatusCode::OK, &page).await.map(did_nothing);
    }
    save(&caller, page).await
}

async fn save(caller: &Caller, mut page: Page) -> PageResult {
    let refuse = |reason: &str| Some(notice(Tone::Bad, "Could not save", reason));
    if let Some(line) = unresolved(&page.source) {
        page.refused = refuse(&format!("Line {line} marks a conflict of the merge: keep one of the two texts, and remove the marks."));
        return show(caller, StatusCode::UNPROCESSABLE_ENTITY, &page).await;
    }
    let new = match checked(&page.source).await {
        Ok(new) => new,
        Err(problems) => {
            let reason = match problems.len() {
                1 => "The text has a problem.".to_owned(),
                count => format!("The text has {count} problems."),
            };
            page.refused = refuse(&reason);
            return show(caller, StatusCode::UNPROCESSABLE_ENTITY, &page).await;
        }
    };
    let path = new.definition.path();
    if page.path.as_ref().is_some_and(|opened| *opened != path.to_string()) {
        let reason = format!(
            "This page cannot change the tenant or the name. To create the integration {path}, open the page of a new integration."
        );
        page.refused = refuse(&reason);
        return show(caller, StatusCode::UNPROCESSABLE_ENTITY, &page).await;
    }
    match caller.state.operations.save(&caller.actor, &new, page.version).await {
        Ok(applied) => Ok(see_other(&saved_address(&applied))),
        Err(OperationError::Store(StoreError::Changed { .. })) => {
            page.refused = Some(conflict(&against(caller, &path, &page, None).await?));
            show(caller, StatusCode::CONFLICT, &page).await
        }
        // The text stays on the page after any error.
        Err(error) => {
            let failure = Failure::from(error);
            page.refused = refuse(&failure.detail);
            show(caller, failure.status, &page).await
        }
    }
}

/// Compares the text of a page with another version: the current one, or the one that the page has shown.
async fn against(caller: &Caller, path: &IntegrationPath, page: &Page, over: Option<i32>) -> Result<Conflict, PageError> {
    let mut all = caller.state.operations.versions(&caller.actor, path).await?;
    let base = all.iter().find(|version| version.version == page.version).map(StoredVersion::text).unwrap_or_default();
    let place = over.map_or(Some(0), |over| all.iter().position(|version| version.version == over)).filter(|place| *place < all.len());
    let place = place.ok_or_else(|| Failure::not_found(format!("{path} has no version {}.", over.unwrap_or_default())))?;
    let theirs = all.swap_remove(place);
    let change = match page.version {
        0 => format!("{} saved an integration {path}", theirs.created_by),
        _ => format!("{} saved version {} of {path}", theirs.created_by, theirs.version),
    };
    Ok(Conflict::new(base, theirs.text(), page.source.clone(), theirs.version, "version").with_other_change(change))
}

/// Continues with one of the texts, based on the version with which it was compared.
async fn choose(caller: &Caller, page: &mut Page, choice: Choice, over: i32) -> Result<(), PageError> {
    let path: Option<IntegrationPath> = match &page.path {
        Some(path) => path.parse().ok(),
        None => text::document(&page.source).and_then(|document| {
            let field = |name: &str| document.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
            Some(IntegrationPath { tenant: field("tenant")?, name: field("name")? })
        }),
    };
    let path = path.ok_or_else(|| Failure::bad_request("The text must have a tenant and a name."))?;
    let conflict = against(caller, &path, page, Some(over)).await?;
    let (source, notice) = choice.text(&conflict);
    page.drawn.clone_from(&source);
    (page.source, page.notice, page.version, page.path) = (source, notice, over, Some(path.to_string()));
    Ok(())
}

async fn show(caller: &Caller, status: StatusCode, page: &Page) -> PageResult {
    let mut parts = draw_parts(&page.source, &page.example).await;
    if parts.form.is_none() && !page.drawn.is_empty() {
        // Changes of the form that could not be applied to the text yet stay in the form.
        parts.form = form_of(page.pending.as_deref().unwrap_or(&page.drawn), &page.drawn);
    }
    let may_save = match page.path.as_deref().and_then(|path| path.parse::<IntegrationPath>().ok()) {
        Some(path) => caller.actor.has(&path.tenant, Role::Developer),
        None => caller.actor.grants().strongest() >= Some(Role::Developer),
    };
    let content = editor(&Editor {
        path: page.path.as_deref(),
        source: &page.source,
        version: page.version,
        refused: page.refused.clone(),
        draft: format!("{} {}", caller.actor.name().replace(' ', "_"), page.path.as_deref().unwrap_or("new")),
        problems: &parts.problems,
        notice: &page.notice,
        form: parts.form,
        diagram: parts.diagram,
        example: &page.example,
        trial: parts.trial,
        is_saved: !page.is_unsaved,
        may_save,
    });
    let mut above = vec![("/integrations".to_owned(), "Integrations".to_owned())];
    let title = page.path.as_deref().unwrap_or("New integration");
    let tabs = match title.split_once('/') {
        Some((tenant, name)) => {
            above.push((integrations::address(tenant, name), title.to_owned()));
            let is_webhook =
                caller.state.snapshot.current().integration(tenant, name).is_none_or(|one| one.definition.trigger.webhook().is_some());
            integrations::integration_tabs(tenant, name, "Edit", is_webhook)
        }
        None => html! {},
    };
    let framed = Framed::new(caller, Section::Integrations, title).above(&above[..1]).with_editor();
    Ok(framed.show_as(status, &html! {}, &html! { (tabs) (content) }))
}
