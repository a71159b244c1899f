//! Alert rules.

use super::conflict::{Choice, unresolved};
use super::error::{PageError, PageResult, see_other};
use super::flash::{Flash, Shown};
use super::frame::{Framed, did_nothing};
use super::integrations::{At, path};
use super::sent::Sent;
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

const EXAMPLE: &str = "tenant: TENANT\nalert: Failing\ndescription: Too many executions fail\nwhen:\n  failure_rate: { over: 10, window: 15m, at_least: 20 }\nsend:\n  webhook: { url: 'https://chat.example/hook' }\nrepeat: 4h\n";

/// `GET /alerts`.
pub(super) async fn list(caller: Caller, shown: web::Query<Shown>) -> PageResult {
    let tested = match caller.flash(&shown).await? {
        Some(Flash::Tested(tested)) => Some(tested),
        _ => None,
    };
    page(&caller, tested.as_ref()).await
}

async fn page(caller: &Caller, tested: Option<&Tested>) -> PageResult {
    let rows = caller.state.operations.list_alerts(&caller.actor, None).await?;
    let strongest = caller.actor.grants().strongest();
    let (may_test, may_change) = (strongest >= Some(Role::Operator), strongest >= Some(Role::Developer));
    let new = html! { @if may_change && !rows.is_empty() { a.button.main href="/alerts/new" { "New alert" } } };
    let framed = Framed::new(caller, Section::Alerts, "Alerts")
        .lead("Rules that send notifications when something needs attention.")
        .live("/live?clock=true");
    Ok(framed.show(&new, &view::alerts::list(&rows, tested, may_test, may_change)))
}

/// `GET /alerts/new`.
pub(super) async fn new(caller: Caller) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let source = EXAMPLE.replace("TENANT", tenants.first().map_or("my-tenant", |tenant| tenant.as_str()));
    Ok(form(&caller, StatusCode::OK, &WrittenText { source, ..WrittenText::default() }))
}

/// `GET /alerts/{tenant}/{name}`.
pub(super) async fn edit(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let (source, revision) = current(&caller, &path).await?;
    Ok(form(&caller, StatusCode::OK, &WrittenText::stored(path.to_string(), source, revision)))
}

/// Returns the stored text, without secrets, and its revision.
async fn current(caller: &Caller, path: &IntegrationPath) -> Result<(String, i32), PageError> {
    let row = caller.state.operations.alert(&caller.actor, path).await?;
    Ok((to_yaml(&row.document), row.revision))
}

fn form(caller: &Caller, status: StatusCode, text: &WrittenText) -> actix_web::HttpResponse {
    let title = if text.path.is_empty() { "New alert" } else { text.path.as_str() };
    let above = [("/alerts".to_owned(), "Alerts".to_owned())];
    let hint = "The field when has one of failure_rate, oldest_age, halted, silent. An alert sends one notification when it is raised, and repeats it at the interval of the field repeat.";
    let editor = TextEditor {
        address: "/alerts",
        label: "Alert",
        hint,
        path: &text.path,
        source: &text.source,
        base: &text.base,
        revision: text.revision,
        refused: text.refused.clone(),
        notice: &text.notice,
        may_save: caller.actor.grants().strongest() >= Some(Role::Developer),
    };
    Framed::new(caller, Section::Alerts, title).above(&above).with_editor().show_as(status, &html! {}, &editor.draw())
}

/// `POST /alerts`. If it is not saved, the text stays on the page.
pub(super) async fn save(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let text = WrittenText::sent(&sent);
    let refuse = |text: WrittenText, status: StatusCode, reason: &str| Ok(form(&caller, status, &text.refuse(reason)));
    if let Some(choice) = Choice::read(sent.text("action")) {
        let path = text.names("alert")?;
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
        Ok(_) => return refuse(text, StatusCode::UNPROCESSABLE_ENTITY, "The text must contain one alert rule."),
        Err(error) => return refuse(text, StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match caller.state.operations.save_alert(&caller.actor, &document, Some(text.revision)).await {
        Ok(_) => Ok(see_other("/alerts")),
        Err(OperationError::Store(StoreError::Changed { .. })) => {
            let (theirs, revision) = current(&caller, &text.names("alert")?).await?;
            Ok(form(&caller, StatusCode::CONFLICT, &text.refuse_changed(theirs, revision)))
        }
        Err(error) => {
            let failure = Failure::from(error);
            refuse(text, failure.status, &failure.detail)
        }
    }
}

/// `POST /alerts/{tenant}/{name}/delete`.
pub(super) async fn delete(caller: Caller, at: At) -> PageResult {
    caller.state.operations.delete_alert(&caller.actor, &path(at)?, None).await?;
    Ok(see_other("/alerts"))
}

/// `POST /alerts/{tenant}/{name}/test`.
pub(super) async fn test(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let tested = |is_good: bool, text: String| Tested { path: path.to_string(), is_good, text };
    let tested = match caller.state.operations.test_alert(&caller.actor, &path).await {
        Ok(notifiers) => tested(true, format!("Sent a test notification by {}.", notifiers.join(" and "))),
        Err(OperationError::Refused(reason)) => tested(false, reason),
        Err(error) => return Err(error.into()),
    };
    caller.redirect_with("/alerts", &Flash::Tested(tested)).await
}
