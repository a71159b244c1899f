//! Connections to other systems.

use super::conflict::{Choice, unresolved};
use super::error::{PageError, PageResult, see_other};
use super::flash::{Flash, Shown};
use super::frame::{Framed, did_nothing};
use super::sent::{Sent, name};
use super::written::WrittenText;
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::connections::Tested;
use crate::view::page::Section;
use crate::view::text_editor::TextEditor;
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::IntegrationPath;
use forebay_contract::definition::{documents, to_yaml};
use forebay_operations::OperationError;
use forebay_store::{Role, StoreError};
use maud::html;

const EXAMPLE: &str = "tenant: TENANT\nconnection: erp\ndescription: The ERP system\nhttp:\n  url: https://erp.example\n  authentication:\n    bearer: { token: SECRET }\n";

type At = web::Path<(String, String)>;

fn path(at: At) -> Result<IntegrationPath, PageError> {
    let (tenant, connection) = at.into_inner();
    Ok(IntegrationPath { tenant: name(&tenant)?, name: name(&connection)? })
}

/// `GET /connections`.
pub(super) async fn list(caller: Caller, shown: web::Query<Shown>) -> PageResult {
    let tested = match caller.flash(&shown).await? {
        Some(Flash::Tested(tested)) => Some(tested),
        _ => None,
    };
    page(&caller, tested.as_ref()).await
}

async fn page(caller: &Caller, tested: Option<&Tested>) -> PageResult {
    let rows = caller.state.operations.list_connections(&caller.actor, None).await?;
    let strongest = caller.actor.grants().strongest();
    let (may_test, may_change) = (strongest >= Some(Role::Operator), strongest >= Some(Role::Developer));
    let new = html! { @if may_change && !rows.is_empty() { a.button.main href="/connections/new" { "New connection" } } };
    let framed = Framed::new(caller, Section::Connections, "Connections").lead("Named addresses and credentials of other systems.");
    Ok(framed.show(&new, &view::connections::list(&rows, tested, may_test, may_change)))
}

/// `GET /connections/new`.
pub(super) async fn new(caller: Caller) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let source = EXAMPLE.replace("TENANT", tenants.first().map_or("my-tenant", |tenant| tenant.as_str()));
    Ok(form(&caller, StatusCode::OK, &WrittenText { source, ..WrittenText::default() }))
}

/// `GET /connections/{tenant}/{name}`.
pub(super) async fn edit(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let (source, revision) = current(&caller, &path).await?;
    Ok(form(&caller, StatusCode::OK, &WrittenText::stored(path.to_string(), source, revision)))
}

/// Returns the stored text, without secrets, and its revision.
async fn current(caller: &Caller, path: &IntegrationPath) -> Result<(String, i32), PageError> {
    let (row, document) = caller.state.operations.connection(&caller.actor, path).await?;
    Ok((to_yaml(&document), row.revision))
}

fn form(caller: &Caller, status: StatusCode, text: &WrittenText) -> actix_web::HttpResponse {
    let title = if text.path.is_empty() { "New connection" } else { text.path.as_str() };
    let above = [("/connections".to_owned(), "Connections".to_owned())];
    let hint = if text.path.is_empty() {
        "Forebay encrypts the secrets and does not show them again."
    } else {
        "Secrets are not shown. A secret that the text does not have stays unchanged, if the address to which it is sent does not change."
    };
    let editor = TextEditor {
        address: "/connections",
        label: "Connection",
        hint,
        path: &text.path,
        source: &text.source,
        base: &text.base,
        revision: text.revision,
        refused: text.refused.clone(),
        notice: &text.notice,
        may_save: caller.actor.grants().strongest() >= Some(Role::Developer),
    };
    Framed::new(caller, Section::Connections, title).above(&above).with_editor().show_as(status, &html! {}, &editor.draw())
}

/// `POST /connections`. If it is not saved, the text stays on the page.
pub(super) async fn save(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let text = WrittenText::sent(&sent);
    let refuse = |text: WrittenText, status: StatusCode, reason: &str| Ok(form(&caller, status, &text.refuse(reason)));
    if let Some(choice) = Choice::read(sent.text("action")) {
        let path = text.names("connection")?;
        let (theirs, revision) = current(&caller, &path).await?;
        let text = text.choose(choice, path.to_string(), theirs, revision);
        return Ok(did_nothing(form(&caller, StatusCode::OK, &text)));
    }
    if let Some(line) = unresolved(&text.source) {
        return refuse(
            text,
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("Line {line} marks a conflict of the merge: keep one of the two texts, and remove the marks."),
        );
    }
    let document = match documents(&text.source) {
        Ok(mut read) if read.len() == 1 => read.remove(0),
        Ok(_) => return refuse(text, StatusCode::UNPROCESSABLE_ENTITY, "The text must contain one connection."),
        Err(error) => return refuse(text, StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match caller.state.operations.save_connection(&caller.actor, document, text.revision).await {
        Ok(_) => Ok(see_other("/connections")),
        Err(OperationError::Store(StoreError::Changed { .. })) => {
            let (theirs, revision) = current(&caller, &text.names("connection")?).await?;
            Ok(form(&caller, StatusCode::CONFLICT, &text.refuse_changed(theirs, revision)))
        }
        Err(error) => {
            let failure = Failure::from(error);
            refuse(text, failure.status, &failure.detail)
        }
    }
}

/// `POST /connections/{tenant}/{name}/test`.
pub(super) async fn test(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let tested = match caller.state.operations.test_connection(&caller.actor, &path).await {
        Ok(text) => Tested { path: path.to_string(), is_good: true, text },
        Err(OperationError::Refused(text)) => Tested { path: path.to_string(), is_good: false, text },
        Err(error) => return Err(error.into()),
    };
    caller.redirect_with("/connections", &Flash::Tested(tested)).await
}

/// `POST /connections/{tenant}/{name}/enable`.
pub(super) async fn enable(caller: Caller, at: At) -> PageResult {
    caller.state.operations.enable_connection(&caller.actor, &path(at)?, true).await?;
    Ok(see_other("/connections"))
}

/// `POST /connections/{tenant}/{name}/disable`.
pub(super) async fn disable(caller: Caller, at: At) -> PageResult {
    caller.state.operations.enable_connection(&caller.actor, &path(at)?, false).await?;
    Ok(see_other("/connections"))
}

/// `POST /connections/{tenant}/{name}/delete`.
pub(super) async fn delete(caller: Caller, at: At) -> PageResult {
    caller.state.operations.delete_connection(&caller.actor, &path(at)?, None).await?;
    Ok(see_other("/connections"))
}
