//! Credentials of other systems.

use super::sent::Sent;
use super::{Framed, PageError, PageResult, name, see_other};
use crate::auth::Caller;
use crate::view;
use crate::view::connections::Tested;
use crate::view::page::Section;
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
pub(super) async fn list(caller: Caller) -> PageResult {
    page(&caller, None).await
}

async fn page(caller: &Caller, tested: Option<&Tested>) -> PageResult {
    let rows = caller.state.operations.list_connections(&caller.actor, None).await?;
    let strongest = caller.actor.grants().strongest();
    let (may_test, may_change) = (strongest >= Some(Role::Operator), strongest >= Some(Role::Developer));
    let new = html! { @if may_change && !rows.is_empty() { a.button.main href="/connections/new" { "New connection" } } };
    let framed = Framed::new(caller, Section::Connections, "Connections").lead("Addresses and credentials of other systems, by name.");
    Ok(framed.show(&new, &view::connections::list(&rows, tested, may_test, may_change)))
}

/// `GET /connections/new`.
pub(super) async fn new(caller: Caller) -> PageResult {
    let tenants = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let source = EXAMPLE.replace("TENANT", tenants.first().map_or("my-tenant", |tenant| tenant.as_str()));
    Ok(form(&caller, StatusCode::OK, None, &source, "", 0))
}

/// `GET /connections/{tenant}/{name}`.
pub(super) async fn edit(caller: Caller, at: At) -> PageResult {
    let path = path(at)?;
    let (row, document) = caller.state.operations.connection(&caller.actor, &path).await?;
    Ok(form(&caller, StatusCode::OK, Some(&path.to_string()), &to_yaml(&document), "", row.revision))
}

fn form(caller: &Caller, status: StatusCode, path: Option<&str>, source: &str, wrong: &str, revision: i32) -> actix_web::HttpResponse {
    let title = path.unwrap_or("New connection");
    let above = [("/connections".to_owned(), "Connections".to_owned())];
    let framed = Framed::new(caller, Section::Connections, title).above(&above).with_editor();
    framed.show_as(status, &html! {}, &view::connections::editor(path, source, wrong, revision))
}

/// `POST /connections`.
pub(super) async fn save(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (source, revision) = (sent.text("source"), sent.number("revision"));
    let again = |status: StatusCode, why: &str| Ok(form(&caller, status, sent.given("path"), source, why, revision));
    let document = match documents(source) {
        Ok(mut read) if read.len() == 1 => read.remove(0),
        Ok(_) => return again(StatusCode::UNPROCESSABLE_ENTITY, "The text must hold one connection."),
        Err(error) => return again(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match caller.state.operations.save_connection(&caller.actor, document, revision).await {
        Ok(_) => Ok(see_other("/connections")),
        Err(error @ (OperationError::Problems(_) | OperationError::Invalid(_) | OperationError::Refused(_))) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        Err(OperationError::Store(error @ StoreError::Changed { .. })) if revision == 0 => {
            again(StatusCode::CONFLICT, &format!("There is a connection of this name already ({error})."))
        }
        Err(OperationError::Store(error @ StoreError::Changed { .. })) => again(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => Err(error.into()),
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
    page(&caller, Some(&tested)).await
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
