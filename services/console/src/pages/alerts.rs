//! Rules of who is told when.

use super::integrations::{At, path};
use super::sent::Sent;
use super::{Framed, PageResult, see_other};
use crate::auth::Caller;
use crate::view;
use crate::view::connections::Tested;
use crate::view::page::Section;
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::definition::{documents, to_yaml};
use forebay_operations::OperationError;
use forebay_store::{Role, StoreError};
use maud::html;

const EXAMPLE: &str = "tenant: TENANT\nalert: Failing\ndescription: Too many executions fail\nwhen:\n  failure_rate: { over: 10, window: 15m, at_least: 20 }\nsend:\n  webhook: { url: 'https://chat.example/hook' }\nrepeat: 4h\n";

/// `GET /alerts`.
pub(super) async fn list(caller: Caller) -> PageResult {
    page(&caller, None).await
}

async fn page(caller: &Caller, tested: Option<&Tested>) -> PageResult {
    let rows = caller.state.operations.list_alerts(&caller.actor, None).await?;
    let strongest = caller.actor.grants().strongest();
    let (may_test, may_change) = (strongest >= Some(Role::Operator), strongest >= Some(Role::Developer));
    let new = html! { @if may_change && !rows.is_empty() { a.button.main href="/alerts/new" { "New alert" } } };
    let framed = Framed::new(caller, Section::Alerts, "Alerts").lead("Who is told when something needs a person.").live("/live?clock=true");
    Ok(framed.show(&new, &view::alerts::list(&rows, tested, may_test, may_change)))
}

/// `GET /alerts/new`.
pub(super) async fn new(caller: Caller) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let source = EXAMPLE.replace("TENANT", tenants.first().map_or("my-tenant", |tenant| tenant.as_str()));
    Ok(form(&caller, StatusCode::OK, None, &source, "", 0))
}

/// `GET /alerts/{tenant}/{name}`.
pub(super) async fn edit(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let row = caller.state.operations.alert(&caller.actor, &path).await?;
    Ok(form(&caller, StatusCode::OK, Some(&path.to_string()), &to_yaml(&row.document), "", row.revision))
}

fn form(caller: &Caller, status: StatusCode, path: Option<&str>, source: &str, wrong: &str, revision: i32) -> actix_web::HttpResponse {
    let above = [("/alerts".to_owned(), "Alerts".to_owned())];
    let may_save = caller.actor.grants().strongest() >= Some(Role::Developer);
    let framed = Framed::new(caller, Section::Alerts, path.unwrap_or("New alert")).above(&above).with_editor();
    framed.show_as(status, &html! {}, &view::alerts::editor(path, source, wrong, revision, may_save))
}

/// `POST /alerts`.
pub(super) async fn save(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (source, revision) = (sent.text("source"), sent.number("revision"));
    let again = |status: StatusCode, why: &str| Ok(form(&caller, status, sent.given("path"), source, why, revision));
    let document = match documents(source) {
        Ok(mut read) if read.len() == 1 => read.remove(0),
        Ok(_) => return again(StatusCode::UNPROCESSABLE_ENTITY, "The text must hold one alert."),
        Err(error) => return again(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match caller.state.operations.save_alert(&caller.actor, &document, Some(revision)).await {
        Ok(_) => Ok(see_other("/alerts")),
        Err(error @ (OperationError::Problems(_) | OperationError::Invalid(_))) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        Err(OperationError::Store(error @ StoreError::Changed { .. })) => again(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => Err(error.into()),
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
        Ok(ways) => tested(true, format!("It went by {}, and is marked as a test.", ways.join(" and "))),
        Err(OperationError::Refused(why)) => tested(false, why),
        Err(error) => return Err(error.into()),
    };
    page(&caller, Some(&tested)).await
}
