//! Connections: named documents whose secrets are not shown.

use super::paging::{cut, etag, expected, must_expect, path, tenant};
use super::response::{ApiResult, ok, ok_tagged};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_admin_api::connections::{
    Connection, ConnectionEnabled, PutDocumentRequest, Rotation, RotationStatus, StartedRotation, TestedConnection,
};
use forebay_admin_api::{Deleted, ListQuery, NamePath, Time};
use forebay_contract::IntegrationPath;
use forebay_store::{ConnectionRow, Rotation as StoredRotation};
use serde_json::Value;

fn shown(row: ConnectionRow, document: Option<Value>) -> Connection {
    Connection {
        id: row.id,
        tenant: row.tenant.to_string(),
        name: row.name.to_string(),
        kind: row.kind,
        enabled: row.enabled,
        description: row.description,
        updated_at: Time::from(row.updated_at),
        document,
    }
}

/// `GET /connections`.
pub(super) async fn list(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let rows = caller.state.operations.list_connections(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, rows, |row| format!("{}/{}", row.tenant, row.name), |row| shown(row, None))?)
}

/// `GET /connections/{tenant}/{name}`.
pub(super) async fn get(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let (row, document) = caller.state.operations.connection(&caller.actor, &path(&at)?).await?;
    ok_tagged(&etag(row.revision), shown(row, Some(document)))
}

/// Refuses a document whose tenant or name is not that of the address. `field` is the field of the name.
pub(super) fn is_of(document: &Value, field: &str, path: &IntegrationPath) -> Result<(), Failure> {
    let named = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (tenant, name) = (named("tenant"), named(field));
    if tenant == path.tenant.as_str() && name == path.name.as_str() {
        return Ok(());
    }
    Err(Failure::invalid(format!("the document has the name {tenant}/{name}, but the address has the name {path}: make them equal")))
}

/// `PUT /connections/{tenant}/{name}`.
pub(super) async fn put(
    caller: Caller,
    request: HttpRequest,
    at: web::Path<NamePath>,
    written: web::Json<PutDocumentRequest>,
) -> ApiResult {
    let path = path(&at)?;
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
pub(super) async fn delete(caller: Caller, request: HttpRequest, at: web::Path<NamePath>) -> ApiResult {
    caller.state.operations.delete_connection(&caller.actor, &path(&at)?, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}

/// `POST /connections/{tenant}/{name}/test`.
pub(super) async fn test(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let reached = caller.state.operations.test_connection(&caller.actor, &path).await?;
    ok(TestedConnection { connection: path.to_string(), works: true, reached })
}

async fn set_enabled(caller: Caller, at: web::Path<NamePath>, enabled: bool) -> ApiResult {
    let path = path(&at)?;
    caller.state.operations.enable_connection(&caller.actor, &path, enabled).await?;
    ok(ConnectionEnabled { connection: path.to_string(), enabled })
}

/// `POST /connections/{tenant}/{name}/enable`.
pub(super) async fn enable(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    set_enabled(caller, at, true).await
}

/// `POST /connections/{tenant}/{name}/disable`.
pub(super) async fn disable(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    set_enabled(caller, at, false).await
}

fn shown_rotation(rotation: Option<StoredRotation>) -> Rotation {
    let Some(rotation) = rotation.filter(|rotation| rotation.is_of_this_key) else {
        return Rotation {
            status: RotationStatus::None,
            old_key_needed: true,
            total: 0,
            unreadable: 0,
            up_to: None,
            started_at: None,
            finished_at: None,
        };
    };
    let status = match (rotation.finished_at, rotation.is_running) {
        (Some(_), _) => RotationStatus::Finished,
        (None, true) => RotationStatus::Running,
        (None, false) => RotationStatus::Interrupted,
    };
    Rotation {
        status,
        old_key_needed: rotation.finished_at.is_none() || rotation.unreadable > 0,
        total: rotation.resealed,
        unreadable: rotation.unreadable,
        up_to: rotation.up_to.map(Time::from),
        started_at: Some(Time::from(rotation.started_at)),
        finished_at: rotation.finished_at.map(Time::from),
    }
}

/// `POST /connections/rotate`.
pub(super) async fn rotate(caller: Caller) -> ApiResult {
    let (reencrypted, rotation) = caller.state.operations.rotate(&caller.actor).await?;
    ok(StartedRotation { reencrypted, payloads: shown_rotation(Some(rotation)) })
}

/// `GET /connections/rotate`.
pub(super) async fn rotation(caller: Caller) -> ApiResult {
    ok(shown_rotation(caller.state.operations.rotation(&caller.actor).await?))
}
