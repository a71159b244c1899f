//! Triggers, schedules and diagnostics.

use super::integrations::{At, path};
use super::paging::{Paged, rfc3339};
use super::{ApiResult, ok};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::web;
use forebay_contract::parse_duration;
use forebay_store::{Decision, DiagnosisRow, ScheduleRow, TriggerRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The trigger of an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trigger {
    tenant: String,
    integration: String,
    integration_id: Uuid,
    /// `webhook` or `schedule`.
    kind: String,
    /// `lane`, `serial`, `by key (N)` or `parallel N`.
    policy: String,
    enabled: bool,
    /// `running` or `halted`.
    state: String,
    /// When it halted.
    since: Option<String>,
    /// The execution at which it halted.
    execution_id: Option<String>,
    /// Why that failed.
    error: Option<String>,
    /// The worker that holds its exclusive queue.
    worker: Option<String>,
}

fn trigger(row: TriggerRow) -> Trigger {
    Trigger {
        tenant: row.tenant,
        integration: row.name,
        integration_id: row.integration_id,
        kind: row.kind,
        policy: row.policy,
        enabled: row.enabled,
        state: row.state,
        since: row.since.map(rfc3339),
        execution_id: row.execution_id.map(|id| id.to_string()),
        error: row.error,
        worker: row.worker,
    }
}

/// `GET /triggers`.
pub(super) async fn list(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_triggers(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(rows, |row| format!("{}/{}", row.tenant, row.name), trigger)?)
}

/// What was decided of a halted trigger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Decided {
    tenant: String,
    integration: String,
    /// `resume` or `skip`.
    decision: &'static str,
    /// `pending`: the worker that holds the trigger's queue carries it out. `cleared`: the execution has succeeded or was skipped meanwhile,
    /// so the trigger runs already.
    effect: &'static str,
    /// The live worker that holds the trigger's queue.
    worker: Option<String>,
}

async fn decide(caller: Caller, at: At, decision: Decision) -> ApiResult {
    let path = path(at)?;
    let effect = caller.state.operations.decide(&caller.actor, &path, decision).await?;
    let triggers = caller.state.operations.list_triggers(&caller.actor, Some(&path.tenant)).await?;
    let worker = triggers.into_iter().find(|row| row.name == path.name.as_str()).and_then(|row| row.worker);
    let (tenant, integration) = (path.tenant.to_string(), path.name.to_string());
    ok(Decided { tenant, integration, decision: decision.as_str(), effect: effect.as_str(), worker })
}

/// `POST /triggers/{tenant}/{name}/resume`.
pub(super) async fn resume(caller: Caller, at: At) -> ApiResult {
    decide(caller, at, Decision::Resume).await
}

/// `POST /triggers/{tenant}/{name}/skip`.
pub(super) async fn skip(caller: Caller, at: At) -> ApiResult {
    decide(caller, at, Decision::Skip).await
}

/// A schedule: what is due next, and how the last run went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schedule {
    tenant: String,
    integration: String,
    integration_id: Uuid,
    timing: String,
    timezone: String,
    enabled: bool,
    next_due_at: Option<String>,
    last_due_at: Option<String>,
    last_execution_id: Option<String>,
    last_status: Option<String>,
}

fn schedule(row: ScheduleRow) -> Schedule {
    Schedule {
        tenant: row.tenant,
        integration: row.name,
        integration_id: row.integration_id,
        timing: row.timing.to_string(),
        timezone: row.timing.timezone().to_owned(),
        enabled: row.enabled,
        next_due_at: row.next_due_at.map(rfc3339),
        last_due_at: row.last_due_at.map(rfc3339),
        last_execution_id: row.last_execution.map(|id| id.to_string()),
        last_status: row.last_status,
    }
}

/// `GET /schedules`.
pub(super) async fn schedules(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_schedules(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(rows, |row| format!("{}/{}", row.tenant, row.name), schedule)?)
}

/// Where everything is recorded for a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Diagnosis {
    tenant: String,
    integration: String,
    until: String,
    since: String,
    by: String,
}

fn diagnosis(row: DiagnosisRow) -> Diagnosis {
    Diagnosis { tenant: row.tenant, integration: row.integration, until: rfc3339(row.until), since: rfc3339(row.since), by: row.by }
}

/// `GET /diagnostics`.
pub(super) async fn diagnoses(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_diagnoses(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(rows, |row| format!("{}/{}", row.tenant, row.integration), diagnosis)?)
}

/// How long to record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DiagnosticsFor)]
pub(super) struct Wanted {
    /// From now, such as `1h`; at most `7d`.
    #[serde(rename = "for")]
    time: String,
}

/// Until when is recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiagnosticsOn)]
pub(super) struct On {
    tenant: String,
    integration: String,
    until: String,
}

/// `PUT /diagnostics/{tenant}/{name}`.
pub(super) async fn diagnose(caller: Caller, at: At, wanted: web::Json<Wanted>) -> ApiResult {
    let path = path(at)?;
    let time = parse_duration(&wanted.time).map_err(|error| Failure::invalid(format!("for: {error}")))?;
    let until = caller.state.operations.diagnose(&caller.actor, &path, time).await?;
    ok(On { tenant: path.tenant.to_string(), integration: path.name.to_string(), until: rfc3339(until) })
}

/// Whether it was on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DiagnosticsOff)]
pub(super) struct Off {
    tenant: String,
    integration: String,
    was_on: bool,
}

/// `DELETE /diagnostics/{tenant}/{name}`.
pub(super) async fn end_diagnosis(caller: Caller, at: At) -> ApiResult {
    let path = path(at)?;
    let was_on = caller.state.operations.end_diagnosis(&caller.actor, &path).await?;
    ok(Off { tenant: path.tenant.to_string(), integration: path.name.to_string(), was_on })
}
