//! What runs, what waits, what is stuck.

use super::paging::{Page, Paged, name, rfc3339, time};
use super::{ApiResult, Deleted, ok};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::web;
use forebay_broker::{UnreadableAction, UnreadableMessage};
use forebay_contract::{IntegrationPath, UnixMicros, parse_duration};
use forebay_operations::QueueState;
use forebay_store::{StatisticsPoint, StatisticsQuery, StatisticsScope, WorkerRow};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// Maximum unreadable messages that are looked at.
const MAX_UNREADABLE: usize = 100;
/// Maximum points of a chart.
const MAX_POINTS: u128 = 2000;
/// How long the broker has to say how many messages wait.
const DEPTH_TIMEOUT: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Which figures are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    integration: Option<String>,
    from: Option<String>,
    to: Option<String>,
    step: Option<String>,
}

/// What ended in a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsPoint)]
pub(super) struct Point {
    /// When it begins.
    at: String,
    succeeded: u32,
    failed: u32,
    expired: u32,
    /// Half took no longer; null: none ran.
    p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    p95_ms: Option<f64>,
}

fn point(point: &StatisticsPoint) -> Point {
    let millis = |quantile| point.counts.durations.quantile(quantile).map(|took: Duration| took.as_secs_f64() * 1000.0);
    let counts = &point.counts;
    Point {
        at: rfc3339(point.at),
        succeeded: counts.succeeded,
        failed: counts.failed,
        expired: counts.expired,
        p50_ms: millis(0.5),
        p95_ms: millis(0.95),
    }
}

/// `GET /monitor/traffic`: points where something ended, over the last hour by minutes unless asked otherwise.
pub(super) async fn traffic(caller: Caller, asked: web::Query<Asked>) -> ApiResult {
    let tenant = asked.tenant.as_deref().map(name).transpose()?;
    let to = asked.to.as_deref().map(|text| time("to", text)).transpose()?.unwrap_or_else(UnixMicros::now);
    let from = asked.from.as_deref().map(|text| time("from", text)).transpose()?.unwrap_or(to - HOUR);
    let step = asked.step.as_deref().map(parse_duration).transpose().map_err(|error| Failure::bad_request(format!("step: {error}")))?;
    let step = step.unwrap_or(Duration::from_secs(60));
    if step < Duration::from_secs(60) || to <= from || to.since(from).as_micros() / step.as_micros() > MAX_POINTS {
        let why = format!("from must be before to, step at least 1m, and at most {MAX_POINTS} steps between them");
        return Err(Failure::bad_request(why).into());
    }
    let of = match (&tenant, &asked.integration) {
        (Some(tenant), Some(integration)) => {
            let path = IntegrationPath { tenant: tenant.clone(), name: name(integration)? };
            caller.state.operations.integration(&caller.actor, &path).await?;
            StatisticsScope::Integrations(vec![caller.state.operations.store().integration(&path).await?.id])
        }
        (Some(tenant), None) => StatisticsScope::Tenants(vec![tenant.clone()]),
        (None, None) => StatisticsScope::All,
        (None, Some(_)) => return Err(Failure::bad_request("integration: needs its tenant too").into()),
    };
    let query = StatisticsQuery { of, from, to, step, each: false };
    let points = caller.state.operations.statistics(&caller.actor, tenant.as_ref(), query).await?;
    ok(Page { items: points.iter().map(point).collect(), next: None })
}

/// A queue at the broker.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    /// Its name at the broker.
    queue: String,
    /// Null: a lane, which many share.
    tenant: Option<String>,
    integration: Option<String>,
    /// Messages that wait, as of at most a few seconds ago; null: the broker did not say.
    ready: Option<u32>,
    consumers: Option<u32>,
    /// When the oldest that a worker has in hand was accepted.
    oldest_at: Option<String>,
    /// The active consumer.
    worker: Option<String>,
}

fn queue(state: QueueState) -> Queue {
    let (tenant, integration) = state.integration.map(|(tenant, name)| (tenant.to_string(), name.to_string())).unzip();
    let (ready, consumers, worker) = (state.ready, state.consumers, state.worker);
    Queue { queue: state.name, tenant, integration, ready, consumers, oldest_at: state.oldest.map(rfc3339), worker }
}

/// `GET /monitor/queues`.
pub(super) async fn queues(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let (tenant, operations) = (asked.tenant()?, &caller.state.operations);
    let triggers = operations.list_triggers(&caller.actor, tenant.as_ref()).await?;
    let rows = operations.list_queues(&caller.actor, tenant.as_ref(), &triggers, DEPTH_TIMEOUT).await?;
    ok(asked.cut(rows, |row| row.name.clone(), queue)?)
}

/// A worker that lives.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Worker {
    id: Uuid,
    name: String,
    version: String,
    /// Executions now.
    running: i32,
    /// Maximum executions at once.
    concurrency: i32,
    /// Exclusive queues of which it is the active consumer.
    queues: usize,
    started_at: String,
    last_seen_at: String,
}

fn worker(row: WorkerRow) -> Worker {
    Worker {
        id: row.id,
        name: row.name,
        version: row.version,
        running: row.running,
        concurrency: row.concurrency,
        queues: row.queues.len(),
        started_at: rfc3339(row.started_at),
        last_seen_at: rfc3339(row.last_seen),
    }
}

/// `GET /monitor/workers`.
pub(super) async fn workers(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_workers(&caller.actor).await?;
    ok(asked.cut(rows, |row| format!("{} {}", row.name, row.id), worker)?)
}

/// A message that no worker could read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnreadableMessage)]
pub(super) struct Unreadable {
    id: String,
    reason: String,
    /// The queue that it came from; null: it is not known, and it can only be discarded.
    queue: Option<String>,
    message_id: Option<String>,
    content_type: Option<String>,
    /// Bytes.
    size: usize,
}

fn unreadable(message: UnreadableMessage) -> Unreadable {
    Unreadable {
        size: message.body.len(),
        id: message.id,
        reason: message.reason,
        queue: message.from,
        message_id: message.message_id,
        content_type: message.content_type,
    }
}

/// `GET /unreadable`: the oldest, at most 100.
pub(super) async fn list_unreadable(caller: Caller) -> ApiResult {
    let messages = caller.state.operations.list_unreadable(&caller.actor, MAX_UNREADABLE).await?;
    ok(Page { items: messages.into_iter().map(unreadable).collect(), next: None })
}

/// What became of an unreadable message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReturnedMessage)]
pub(super) struct Returned {
    id: String,
    returned: bool,
}

/// `POST /unreadable/{id}/return`.
pub(super) async fn return_unreadable(caller: Caller, id: web::Path<String>) -> ApiResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &id, UnreadableAction::Return).await?;
    ok(Returned { id: id.into_inner(), returned: true })
}

/// `POST /unreadable/{id}/discard`.
pub(super) async fn discard_unreadable(caller: Caller, id: web::Path<String>) -> ApiResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &id, UnreadableAction::Discard).await?;
    ok(Deleted { deleted: true })
}
