//! Triggers, schedules and diagnostics.

use super::paging::{cut, path, tenant};
use super::pauses;
use super::response::{ApiResult, ok};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::web;
use forebay_admin_api::diagnostics::{Diagnosis, DiagnosticsDisabled, DiagnosticsEnabled, EnableDiagnosticsRequest};
use forebay_admin_api::schedules::Schedule;
use forebay_admin_api::triggers::{DecidedTrigger, DecisionEffect, Trigger, TriggerDecision};
use forebay_admin_api::{ListQuery, NamePath, Time};
use forebay_contract::IntegrationPath;
use forebay_operations::Resumed;
use forebay_store::{Decision, DiagnosisRow, SHARED_QUEUE_POLICY, ScheduleRow, TriggerRow};

fn trigger(row: TriggerRow) -> Trigger {
    Trigger {
        tenant: row.tenant,
        integration: row.name,
        integration_id: row.integration_id,
        kind: row.kind.as_str().to_owned(),
        dispatch_policy: dispatch_policy(&row.policy),
        policy: row.policy,
        enabled: row.enabled,
        state: row.state.as_str().to_owned(),
        pause: row.paused.map(pauses::shown),
        since: row.since.map(Time::from),
        execution_id: row.execution_id.map(|id| id.to_string()),
        error: row.error,
        worker: row.worker,
    }
}

/// Returns the standard term for a stored policy.
fn dispatch_policy(stored: &str) -> String {
    let (kind, limit) = stored.split_once(' ').unwrap_or((stored, ""));
    match kind {
        SHARED_QUEUE_POLICY => "parallel".to_owned(),
        "serial" => "ordered".to_owned(),
        "by" => format!("ordered by {limit}"),
        "parallel" => format!("concurrency limit {limit}"),
        _ => stored.to_owned(),
    }
}

/// `GET /triggers`.
pub(super) async fn list(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let rows = caller.state.operations.list_triggers(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, rows, |row| format!("{}/{}", row.tenant, row.name), trigger)?)
}

async fn decided(caller: &Caller, path: &IntegrationPath, decision: TriggerDecision, effect: DecisionEffect) -> ApiResult {
    let triggers = caller.state.operations.list_triggers(&caller.actor, Some(&path.tenant)).await?;
    let worker = triggers.into_iter().find(|row| row.name == path.name.as_str()).and_then(|row| row.worker);
    let (tenant, integration) = (path.tenant.to_string(), path.name.to_string());
    ok(DecidedTrigger { tenant, integration, decision, effect, worker })
}

fn shown_effect(effect: forebay_store::DecisionEffect) -> DecisionEffect {
    match effect {
        forebay_store::DecisionEffect::Pending => DecisionEffect::Pending,
        forebay_store::DecisionEffect::Cleared => DecisionEffect::Cleared,
    }
}

/// `POST /triggers/{tenant}/{name}/resume`.
pub(super) async fn resume(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let effect = match caller.state.operations.resume(&caller.actor, &path).await? {
        Resumed::PauseEnded => DecisionEffect::Unpaused,
        Resumed::Decided(effect) => shown_effect(effect),
    };
    decided(&caller, &path, TriggerDecision::Resume, effect).await
}

/// `POST /triggers/{tenant}/{name}/skip`.
pub(super) async fn skip(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let effect = caller.state.operations.decide(&caller.actor, &path, Decision::Skip).await?;
    decided(&caller, &path, TriggerDecision::Skip, shown_effect(effect)).await
}

fn schedule(row: ScheduleRow) -> Schedule {
    Schedule {
        tenant: row.tenant,
        integration: row.name,
        integration_id: row.integration_id,
        timing: row.timing.to_string(),
        timezone: row.timing.timezone().to_owned(),
        enabled: row.enabled,
        next_due_at: row.next_due_at.map(Time::from),
        last_due_at: row.last_due_at.map(Time::from),
        last_execution_id: row.last_execution.map(|id| id.to_string()),
        last_status: row.last_status.map(|status| status.as_str().to_owned()),
    }
}

/// `GET /schedules`.
pub(super) async fn schedules(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let rows = caller.state.operations.list_schedules(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, rows, |row| format!("{}/{}", row.tenant, row.name), schedule)?)
}

fn diagnosis(row: DiagnosisRow) -> Diagnosis {
    Diagnosis { tenant: row.tenant, integration: row.integration, until: Time::from(row.until), since: Time::from(row.since), by: row.by }
}

/// `GET /diagnostics`.
pub(super) async fn diagnoses(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let rows = caller.state.operations.list_diagnoses(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, rows, |row| format!("{}/{}", row.tenant, row.integration), diagnosis)?)
}

/// `PUT /diagnostics/{tenant}/{name}`.
pub(super) async fn diagnose(caller: Caller, at: web::Path<NamePath>, request: web::Json<EnableDiagnosticsRequest>) -> ApiResult {
    let path = path(&at)?;
    let time = request.duration.parse().map_err(|error| Failure::invalid(format!("for: {error}")))?;
    let until = caller.state.operations.diagnose(&caller.actor, &path, time).await?;
    ok(DiagnosticsEnabled { tenant: path.tenant.to_string(), integration: path.name.to_string(), until: Time::from(until) })
}

/// `DELETE /diagnostics/{tenant}/{name}`.
pub(super) async fn end_diagnosis(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let was_on = caller.state.operations.end_diagnosis(&caller.actor, &path).await?;
    ok(DiagnosticsDisabled { tenant: path.tenant.to_string(), integration: path.name.to_string(), was_on })
}
