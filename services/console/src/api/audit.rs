//! The audit log.

use super::paging::{limit, name, optional_time};
use super::response::{ApiResult, ok};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use forebay_admin_api::audit::{AuditEntry, AuditFilter, AuditQuery};
use forebay_admin_api::{Page, Time};
use forebay_store::{AuditEntry as StoredEntry, AuditFilter as StoredFilter};
use futures_util::stream;
use serde_json::json;

/// Entries that one query of an export reads.
const EXPORT_PART: u32 = 500;

fn entry(row: StoredEntry) -> AuditEntry {
    AuditEntry {
        id: row.id,
        at: Time::from(row.at),
        by: row.principal.name,
        by_kind: row.principal.kind.as_str().to_owned(),
        address: row.principal.address.map(|address| address.to_string()),
        tenant: row.tenant.map(|tenant| tenant.to_string()),
        action: row.action,
        target: row.target,
        before: row.before.unwrap_or_default(),
        after: row.after.unwrap_or_default(),
    }
}

/// Returns the filter of the store; `before` limits it to entries older than this one.
fn stored(filter: &AuditFilter, before: Option<i64>, limit: u32) -> Result<StoredFilter, Failure> {
    Ok(StoredFilter {
        tenants: filter.tenant.as_ref().map(name).transpose()?.map(|tenant| vec![tenant]),
        by: filter.by.clone(),
        action: filter.action.clone(),
        target: filter.target.clone(),
        since: optional_time("since", filter.since.as_ref())?,
        until: optional_time("until", filter.until.as_ref())?,
        before,
        limit,
    })
}

/// `GET /audit`.
pub(super) async fn list(caller: Caller, query: web::Query<AuditQuery>) -> ApiResult {
    let limit = limit(query.limit)?;
    let broken = |_| Failure::bad_request("cursor: is not valid: send the value of `next` in the previous page");
    let before = query.cursor.as_deref().map(str::parse).transpose().map_err(broken)?;
    let mut rows = caller.state.operations.list_audit(&caller.actor, stored(&query.filter(), before, limit + 1)?).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    ok(Page { items: rows.into_iter().map(entry).collect(), next })
}

/// `GET /audit/export`: every entry that the filter finds, the newest first, as JSON lines. If the database goes away, the response ends
/// early, without the last line break.
pub(super) async fn export(caller: Caller, query: web::Query<AuditFilter>) -> ApiResult {
    let filter = stored(&query, None, EXPORT_PART)?;
    // The first part is read before the response begins, so that a refusal is a problem.
    let first = caller.state.operations.list_audit(&caller.actor, filter.clone()).await?;
    let parts = stream::unfold(Some(first), move |rows| {
        let (caller, filter) = (caller.clone(), filter.clone());
        async move {
            let rows = rows?;
            let last = rows.last().map(|row| row.id).filter(|_| rows.len() == EXPORT_PART as usize);
            let text: String = rows.into_iter().map(|row| format!("{}\n", json!(entry(row)))).collect();
            let next = match last {
                None => Ok(None),
                Some(id) => caller.state.operations.list_audit(&caller.actor, StoredFilter { before: Some(id), ..filter }).await.map(Some),
            };
            match next {
                Ok(next) => Some((Ok(Bytes::from(text)), next)),
                Err(error) => Some((Err(actix_web::error::ErrorInternalServerError(error.to_string())), None)),
            }
        }
    });
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/jsonl")).streaming(parts))
}
