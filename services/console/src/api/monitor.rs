//! Execution statistics, queues, workers and unreadable messages.

use super::paging::{cut, name, optional_time, tenant};
use super::response::{ApiResult, ok};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::web;
use forebay_admin_api::monitor::{Queue, StatisticsPoint, StatisticsQuery, Worker};
use forebay_admin_api::unreadable::{ReturnedMessage, UnreadableMessage};
use forebay_admin_api::{Deleted, DurationText, ListQuery, MessagePath, Page, PageQuery, Time};
use forebay_broker::{UnreadableAction, UnreadableMessage as BrokerMessage};
use forebay_contract::{IntegrationPath, UnixMicros};
use forebay_operations::QueueState;
use forebay_store::{StatisticsPoint as StoredPoint, StatisticsQuery as StoredQuery, StatisticsScope, WorkerRow};
use std::time::Duration;

/// Maximum unreadable messages in a response.
const MAX_UNREADABLE: usize = 100;
/// Maximum points of a chart.
const MAX_POINTS: u128 = 2000;
/// Maximum wait for the number of queued messages from the broker.
const DEPTH_TIMEOUT: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

fn point(point: &StoredPoint) -> StatisticsPoint {
    let millis = |quantile| point.counts.durations.quantile(quantile).map(|duration: Duration| duration.as_secs_f64() * 1000.0);
    let counts = &point.counts;
    StatisticsPoint {
        at: Time::from(point.at),
        succeeded: counts.succeeded,
        failed: counts.failed,
        expired: counts.expired,
        p50_ms: millis(0.5),
        p95_ms: millis(0.95),
    }
}

/// `GET /monitor/statistics`: the points in which executions ended; by default of the last hour, by minutes.
pub(super) async fn statistics(caller: Caller, query: web::Query<StatisticsQuery>) -> ApiResult {
    let tenant = tenant(query.tenant.as_ref())?;
    let to = optional_time("to", query.to.as_ref())?.unwrap_or_else(UnixMicros::now);
    let from = optional_time("from", query.from.as_ref())?.unwrap_or(to - HOUR);
    let step = query.step.as_ref().map(DurationText::parse).transpose().map_err(|error| Failure::bad_request(format!("step: {error}")))?;
    let step = step.unwrap_or(Duration::from_secs(60));
    if step < Duration::from_secs(60) || to <= from || to.since(from).as_micros() / step.as_micros() > MAX_POINTS {
        let reason =
            format!("from: must be before `to`; step: must be at least 1m, with at most {MAX_POINTS} steps between `from` and `to`");
        return Err(Failure::bad_request(reason).into());
    }
    let of = match (&tenant, &query.integration) {
        (Some(tenant), Some(integration)) => {
            let path = IntegrationPath { tenant: tenant.clone(), name: name(integration)? };
            caller.state.operations.integration(&caller.actor, &path).await?;
            StatisticsScope::Integrations(vec![caller.state.operations.store().integration(&path).await?.id])
        }
        (Some(tenant), None) => StatisticsScope::Tenants(vec![tenant.clone()]),
        (None, None) => StatisticsScope::All,
        (None, Some(_)) => return Err(Failure::bad_request("integration: also send `tenant`").into()),
    };
    let stored = StoredQuery { of, from, to, step, each: false };
    let points = caller.state.operations.statistics(&caller.actor, tenant.as_ref(), stored).await?;
    ok(Page { items: points.iter().map(point).collect(), next: None })
}

fn queue(state: QueueState) -> Queue {
    let (tenant, integration) = state.integration.map(|(tenant, name)| (tenant.to_string(), name.to_string())).unzip();
    let (ready, consumers, worker) = (state.ready, state.consumers, state.worker);
    Queue { queue: state.name, tenant, integration, ready, consumers, oldest_at: state.oldest.map(Time::from), worker }
}

/// `GET /monitor/queues`.
pub(super) async fn queues(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let tenant = tenant(query.tenant.as_ref())?;
    let operations = &caller.state.operations;
    let triggers = operations.list_triggers(&caller.actor, tenant.as_ref()).await?;
    let rows = operations.list_queues(&caller.actor, tenant.as_ref(), &triggers, DEPTH_TIMEOUT).await?;
    ok(cut(&*query, rows, |row| row.name.clone(), queue)?)
}

fn worker(row: WorkerRow) -> Worker {
    Worker {
        id: row.id,
        name: row.name,
        version: row.version,
        running: row.running,
        concurrency: row.concurrency,
        queues: row.queues.len(),
        started_at: Time::from(row.started_at),
        last_seen_at: Time::from(row.last_seen),
    }
}

/// `GET /monitor/workers`.
pub(super) async fn workers(caller: Caller, query: web::Query<PageQuery>) -> ApiResult {
    let rows = caller.state.operations.list_workers(&caller.actor).await?;
    ok(cut(&*query, rows, |row| format!("{} {}", row.name, row.id), worker)?)
}

fn unreadable(message: BrokerMessage) -> UnreadableMessage {
    UnreadableMessage {
        size: message.body.len(),
        id: message.id,
        reason: message.reason,
        queue: message.from,
        message_id: message.message_id,
        content_type: message.content_type,
    }
}

/// `GET /unreadable`: the oldest messages, at most 100.
pub(super) async fn list_unreadable(caller: Caller) -> ApiResult {
    let messages = caller.state.operations.list_unreadable(&caller.actor, MAX_UNREADABLE).await?;
    ok(Page { items: messages.into_iter().map(unreadable).collect(), next: None })
}

/// `POST /unreadable/{id}/return`.
pub(super) async fn return_unreadable(caller: Caller, at: web::Path<MessagePath>) -> ApiResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &at.id, UnreadableAction::Return).await?;
    ok(ReturnedMessage { id: at.into_inner().id, returned: true })
}

/// `POST /unreadable/{id}/discard`.
pub(super) async fn discard_unreadable(caller: Caller, at: web::Path<MessagePath>) -> ApiResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &at.id, UnreadableAction::Discard).await?;
    ok(Deleted { deleted: true })
}
