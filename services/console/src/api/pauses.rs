//! Pauses of triggers, connections and tenants.

use super::paging::{name_in_path, path};
use super::response::{ApiResult, ok, optional};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::web;
use forebay_admin_api::triggers::{Pause, PauseRequest, PausedTarget, ResumedTarget};
use forebay_admin_api::{NamePath, TenantPath, Time};
use forebay_contract::UnixMicros;
use forebay_store::{PauseCause, PauseTarget, Paused};

/// Returns a pause as the API shows it.
pub(super) fn shown(paused: Paused) -> Pause {
    let (cause, connection) = match paused.cause {
        PauseCause::Trigger => ("trigger", None),
        PauseCause::Connection(name) => ("connection", Some(name.to_string())),
        PauseCause::Tenant => ("tenant", None),
        PauseCause::Definition => ("definition", None),
        PauseCause::Disabled => ("disabled", None),
    };
    let pause = paused.pause;
    Pause {
        cause: cause.to_owned(),
        connection,
        reason: pause.as_ref().map(|pause| pause.reason.clone()),
        since: pause.as_ref().map(|pause| Time::from(pause.since)),
        until: pause.as_ref().and_then(|pause| pause.until).map(Time::from),
        by: pause.map(|pause| pause.by),
    }
}

async fn pause(caller: &Caller, target: &PauseTarget, body: &[u8]) -> ApiResult {
    let request: PauseRequest = optional(body)?;
    let until = request.until.as_ref().map(until).transpose()?;
    caller.state.operations.pause(&caller.actor, target, &request.reason, until).await?;
    let (kind, tenant, name) = parts(target);
    ok(PausedTarget { kind, tenant, name, until: until.map(Time::from) })
}

async fn resume(caller: &Caller, target: &PauseTarget) -> ApiResult {
    let was_paused = caller.state.operations.end_pause(&caller.actor, target).await?;
    let (kind, tenant, name) = parts(target);
    ok(ResumedTarget { kind, tenant, name, was_paused })
}

fn until(text: &Time) -> Result<UnixMicros, Failure> {
    let invalid = || Failure::invalid(format!("until: '{text}' is no date and time, such as 2026-12-24T08:00:00Z"));
    Ok(UnixMicros::new(text.timestamp().ok_or_else(invalid)?.as_microsecond()))
}

fn parts(target: &PauseTarget) -> (String, String, Option<String>) {
    let (kind, name) = match target {
        PauseTarget::Trigger(path) => ("trigger", Some(path.name.to_string())),
        PauseTarget::Connection(path) => ("connection", Some(path.name.to_string())),
        PauseTarget::Tenant(_) => ("tenant", None),
    };
    (kind.to_owned(), target.tenant().to_string(), name)
}

/// `POST /triggers/{tenant}/{name}/pause`.
pub(super) async fn pause_trigger(caller: Caller, at: web::Path<NamePath>, body: web::Bytes) -> ApiResult {
    pause(&caller, &PauseTarget::Trigger(path(&at)?), &body).await
}

/// `POST /connections/{tenant}/{name}/pause`.
pub(super) async fn pause_connection(caller: Caller, at: web::Path<NamePath>, body: web::Bytes) -> ApiResult {
    pause(&caller, &PauseTarget::Connection(path(&at)?), &body).await
}

/// `POST /connections/{tenant}/{name}/resume`.
pub(super) async fn resume_connection(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    resume(&caller, &PauseTarget::Connection(path(&at)?)).await
}

/// `POST /tenants/{tenant}/pause`.
pub(super) async fn pause_tenant(caller: Caller, at: web::Path<TenantPath>, body: web::Bytes) -> ApiResult {
    pause(&caller, &PauseTarget::Tenant(name_in_path(&at.tenant)?), &body).await
}

/// `POST /tenants/{tenant}/resume`.
pub(super) async fn resume_tenant(caller: Caller, at: web::Path<TenantPath>) -> ApiResult {
    resume(&caller, &PauseTarget::Tenant(name_in_path(&at.tenant)?)).await
}
