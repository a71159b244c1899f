//! Connections and alerts: documents with a name, of which secrets are never shown.

use super::integrations::{At, path};
use super::paging::{Paged, etag, expected, must_expect, rfc3339};
use super::{ApiResult, Deleted, ok, ok_tagged};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_contract::{IntegrationPath, format_duration};
use forebay_store::{AlertRow, ConnectionRow, Rotation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A connection, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection {
    id: Uuid,
    tenant: String,
    name: String,
    /// Such as `http`, `postgres`, `smtp`.
    kind: String,
    enabled: bool,
    description: String,
    updated_at: String,
    /// As it was written, without its secrets; of one connection only.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
}

fn shown(row: ConnectionRow, document: Option<Value>) -> Connection {
    Connection {
        id: row.id,
        tenant: row.tenant.to_string(),
        name: row.name.to_string(),
        kind: row.kind,
        enabled: row.enabled,
        description: row.description,
        updated_at: rfc3339(row.updated_at),
        document,
    }
}

/// `GET /connections`.
pub(super) async fn list(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_connections(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(rows, |row| format!("{}/{}", row.tenant, row.name), |row| shown(row, None))?)
}

/// `GET /connections/{tenant}/{name}`.
pub(super) async fn get(caller: Caller, at: At) -> ApiResult {
    let (row, document) = caller.state.operations.connection(&caller.actor, &path(at)?).await?;
    ok_tagged(&etag(row.revision), shown(row, Some(document)))
}

/// A document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NamedDocument)]
pub(super) struct Document {
    /// As JSON. A secret that is left out of a connection stays as it is, as long as it is sent to the same place.
    #[serde(deserialize_with = "forebay_contract::json::document")]
    document: Value,
}

fn is_of(document: &Value, field: &str, path: &IntegrationPath) -> Result<(), Failure> {
    let named = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (tenant, name) = (named("tenant"), named(field));
    if tenant == path.tenant.as_str() && name == path.name.as_str() {
        return Ok(());
    }
    Err(Failure::invalid(format!("the document is of {tenant}/{name}, and this is the address of {path}")))
}

/// `PUT /connections/{tenant}/{name}`.
pub(super) async fn put(caller: Caller, request: HttpRequest, at: At, written: web::Json<Document>) -> ApiResult {
    let path = path(at)?;
    let document = written.into_inner().document;
    is_of(&document, "connection", &path)?;
    let operations = &caller.state.operations;
    let expected = match must_expect(&request)? {
        Some(expected) => expected,
        None => operations.connection(&caller.actor, &path).await.map_or(0, |(row, _)| row.revision),
    };
    operations.save_connection(&caller.actor, document, expected).await?;
    let (row, document) = operations.connection(&caller.actor, &path).await?;
    ok_tagged(&etag(row.revision), shown(row, Some(document)))
}

/// `DELETE /connections/{tenant}/{name}`.
pub(super) async fn delete(caller: Caller, request: HttpRequest, at: At) -> ApiResult {
    caller.state.operations.delete_connection(&caller.actor, &path(at)?, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}

/// Whether a remote system was reached.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestedConnection)]
pub(super) struct Tested {
    connection: String,
    works: bool,
    /// What was found there.
    reached: String,
}

/// `POST /connections/{tenant}/{name}/test`.
pub(super) async fn test(caller: Caller, at: At) -> ApiResult {
    let path = path(at)?;
    let reached = caller.state.operations.test_connection(&caller.actor, &path).await?;
    ok(Tested { connection: path.to_string(), works: true, reached })
}

/// Whether steps may use a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SwitchedConnection)]
pub(super) struct Switched {
    connection: String,
    enabled: bool,
}

async fn switch(caller: Caller, at: At, enabled: bool) -> ApiResult {
    let path = path(at)?;
    caller.state.operations.enable_connection(&caller.actor, &path, enabled).await?;
    ok(Switched { connection: path.to_string(), enabled })
}

/// `POST /connections/{tenant}/{name}/enable`.
pub(super) async fn enable(caller: Caller, at: At) -> ApiResult {
    switch(caller, at, true).await
}

/// `POST /connections/{tenant}/{name}/disable`.
pub(super) async fn disable(caller: Caller, at: At) -> ApiResult {
    switch(caller, at, false).await
}

/// Connections and keys that were encrypted anew, and how far it is with what executions keep.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rotated {
    /// Connections and keys.
    reencrypted: usize,
    #[serde(flatten)]
    payloads: RotationState,
}

/// How far encrypting anew has come.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rotation)]
pub(super) struct RotationState {
    /// `running`, `finished`, `interrupted` (rotate again: it goes on where it ended) or `none`.
    status: &'static str,
    /// True while something may still be encrypted by a key after the first one.
    old_key_needed: bool,
    /// Connections, keys and payloads that were encrypted anew.
    total: i64,
    /// Payloads that no given key opens.
    unreadable: i64,
    /// Executions accepted before this time have been looked at.
    up_to: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
}

fn rotation_state(rotation: Option<Rotation>) -> RotationState {
    let Some(rotation) = rotation.filter(|rotation| rotation.is_of_this_key) else {
        return RotationState { status: "none", old_key_needed: true, ..RotationState::default() };
    };
    let status = match (rotation.finished_at, rotation.is_running) {
        (Some(_), _) => "finished",
        (None, true) => "running",
        (None, false) => "interrupted",
    };
    RotationState {
        status,
        old_key_needed: rotation.finished_at.is_none() || rotation.unreadable > 0,
        total: rotation.resealed,
        unreadable: rotation.unreadable,
        up_to: rotation.up_to.map(rfc3339),
        started_at: Some(rfc3339(rotation.started_at)),
        finished_at: rotation.finished_at.map(rfc3339),
    }
}

/// `POST /connections/rotate`.
pub(super) async fn rotate(caller: Caller) -> ApiResult {
    let (reencrypted, rotation) = caller.state.operations.rotate(&caller.actor).await?;
    ok(Rotated { reencrypted, payloads: rotation_state(Some(rotation)) })
}

/// `GET /connections/rotate`.
pub(super) async fn rotation(caller: Caller) -> ApiResult {
    ok(rotation_state(caller.state.operations.rotation(&caller.actor).await?))
}

/// A rule of who is told when, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    id: Uuid,
    tenant: String,
    name: String,
    description: String,
    enabled: bool,
    /// `failure_rate`, `oldest_age`, `halted` or `silent`.
    when: String,
    /// Counts changes.
    revision: i32,
    updated_at: String,
    /// After which time it is told again while it lasts, such as `4h`.
    repeat: String,
    /// The integrations for which it is raised: `integration`, `since`, `toldAt`, `detail`.
    raised: Value,
    /// Messages that were written so far.
    messages: i64,
    sent_at: Option<String>,
    /// Whether a message has not arrived everywhere yet.
    pending: bool,
    /// How often that was tried.
    attempts: i32,
    /// When it is tried again.
    try_at: Option<String>,
    /// Why the last attempt failed.
    error: Option<String>,
    error_at: Option<String>,
    document: Value,
}

fn alert(row: AlertRow) -> Alert {
    let raised = row.raised.iter().map(|raised| {
        json!({
            "integration": raised.integration.as_str(),
            "since": rfc3339(raised.since),
            "toldAt": raised.notified_at.map(rfc3339),
            "detail": raised.detail,
        })
    });
    Alert {
        id: row.id,
        tenant: row.alert.tenant.to_string(),
        name: row.alert.name.to_string(),
        description: row.alert.description.clone(),
        enabled: row.alert.enabled,
        when: row.alert.when.as_str().to_owned(),
        revision: row.revision,
        updated_at: rfc3339(row.updated_at),
        repeat: format_duration(row.alert.repeat),
        raised: raised.collect(),
        messages: row.messages,
        sent_at: row.sent_at.map(rfc3339),
        pending: row.is_pending,
        attempts: row.attempts,
        try_at: row.try_at.map(rfc3339),
        error: row.error,
        error_at: row.error_at.map(rfc3339),
        document: row.document,
    }
}

/// `GET /alerts`.
pub(super) async fn list_alerts(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_alerts(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(rows, |row| row.alert.path().to_string(), alert)?)
}

/// `GET /alerts/{tenant}/{name}`.
pub(super) async fn get_alert(caller: Caller, at: At) -> ApiResult {
    let row = caller.state.operations.alert(&caller.actor, &path(at)?).await?;
    ok_tagged(&etag(row.revision), alert(row))
}

/// `PUT /alerts/{tenant}/{name}`.
pub(super) async fn put_alert(caller: Caller, request: HttpRequest, at: At, written: web::Json<Document>) -> ApiResult {
    let path = path(at)?;
    is_of(&written.document, "alert", &path)?;
    caller.state.operations.save_alert(&caller.actor, &written.document, must_expect(&request)?).await?;
    let row = caller.state.operations.alert(&caller.actor, &path).await?;
    ok_tagged(&etag(row.revision), alert(row))
}

/// `DELETE /alerts/{tenant}/{name}`.
pub(super) async fn delete_alert(caller: Caller, request: HttpRequest, at: At) -> ApiResult {
    caller.state.operations.delete_alert(&caller.actor, &path(at)?, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}

/// A test that has arrived.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestedAlert {
    alert: String,
    /// The ways by which it went: `webhook`, `email`.
    sent_by: Vec<&'static str>,
}

/// `POST /alerts/{tenant}/{name}/test`.
pub(super) async fn test_alert(caller: Caller, at: At) -> ApiResult {
    let path = path(at)?;
    let sent_by = caller.state.operations.test_alert(&caller.actor, &path).await?;
    ok(TestedAlert { alert: path.to_string(), sent_by })
}
