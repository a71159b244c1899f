//! Alert rules.

use super::connections::is_of;
use super::paging::{cut, etag, expected, must_expect, path, tenant};
use super::response::{ApiResult, ok, ok_tagged};
use crate::auth::Caller;
use actix_web::{HttpRequest, web};
use forebay_admin_api::alerts::{Alert, AlertState, RaisedAlert, TestedAlert};
use forebay_admin_api::connections::PutDocumentRequest;
use forebay_admin_api::{Deleted, ListQuery, NamePath, Time};
use forebay_contract::format_duration;
use forebay_store::AlertRow;

fn shown(row: AlertRow) -> Alert {
    let raised = row.raised.iter().map(|raised| RaisedAlert {
        integration: raised.integration.to_string(),
        since: Time::from(raised.since),
        notified_at: raised.notified_at.map(Time::from),
        told_at: raised.notified_at.map(Time::from),
        detail: raised.detail.clone(),
    });
    let state = AlertState {
        id: row.id,
        tenant: row.alert.tenant.to_string(),
        name: row.alert.name.to_string(),
        description: row.alert.description.clone(),
        enabled: row.alert.enabled,
        when: row.alert.when.as_str().to_owned(),
        revision: row.revision,
        updated_at: Time::from(row.updated_at),
        repeat: format_duration(row.alert.repeat),
        raised: raised.collect(),
        notifications: row.messages,
        messages: row.messages,
        sent_at: row.sent_at.map(Time::from),
        pending: row.is_pending,
        attempts: row.attempts,
        retry_at: row.try_at.map(Time::from),
        try_at: row.try_at.map(Time::from),
        error: row.error,
        error_at: row.error_at.map(Time::from),
    };
    Alert { state, document: row.document }
}

/// `GET /alerts`.
pub(super) async fn list(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let rows = caller.state.operations.list_alerts(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, rows, |row| row.alert.path().to_string(), shown)?)
}

/// `GET /alerts/{tenant}/{name}`.
pub(super) async fn get(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let row = caller.state.operations.alert(&caller.actor, &path(&at)?).await?;
    ok_tagged(&etag(row.revision), shown(row))
}

/// `PUT /alerts/{tenant}/{name}`.
pub(super) async fn put(caller: Caller, http: HttpRequest, at: web::Path<NamePath>, request: web::Json<PutDocumentRequest>) -> ApiResult {
    let path = path(&at)?;
    is_of(&request.document, "alert", &path)?;
    caller.state.operations.save_alert(&caller.actor, &request.document, must_expect(&http)?).await?;
    let row = caller.state.operations.alert(&caller.actor, &path).await?;
    ok_tagged(&etag(row.revision), shown(row))
}

/// `DELETE /alerts/{tenant}/{name}`.
pub(super) async fn delete(caller: Caller, http: HttpRequest, at: web::Path<NamePath>) -> ApiResult {
    caller.state.operations.delete_alert(&caller.actor, &path(&at)?, expected(&http)?).await?;
    ok(Deleted { deleted: true })
}

/// `POST /alerts/{tenant}/{name}/test`.
pub(super) async fn test(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let sent_by = caller.state.operations.test_alert(&caller.actor, &path).await?;
    ok(TestedAlert { alert: path.to_string(), sent_by: sent_by.into_iter().map(str::to_owned).collect() })
}
