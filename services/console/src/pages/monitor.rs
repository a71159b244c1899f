//! Execution statistics, halted and paused triggers, queues, workers and unreadable messages.

use super::error::{PageError, PageResult, see_other};
use super::frame::Framed;
use super::sent::{Sent, name};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::integrations::address;
use crate::view::monitor::{Queue, Statistics, UnreadableMessage};
use crate::view::page::Section;
use actix_web::web;
use forebay_broker::UnreadableAction;
use forebay_contract::{IntegrationPath, Name, UnixMicros, parse_duration};
use forebay_operations::OperationError;
use forebay_store::{Decision, PauseTarget, Role, StatisticsPoint, StatisticsQuery, StatisticsScope};
use maud::html;
use serde::Deserialize;
use std::time::Duration;

/// Maximum unreadable messages on the page.
const MAX_UNREADABLE: usize = 50;
/// Maximum queues on the page: those with the most messages.
const QUEUES: usize = 100;
/// Maximum wait of the page for the number of queued messages from the broker.
const DEPTH_TIMEOUT: Duration = Duration::from_millis(40);

/// Spans of the charts: name, minutes in total, minutes of a point. Points are as wide as the sums in the store.
const SPANS: [(&str, u32, u32); 4] = [("1h", 60, 1), ("24h", 1440, 15), ("7d", 10_080, 60), ("30d", 43_200, 360)];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MonitorQuery {
    over: String,
    tenant: String,
}

/// `GET /monitor`.
pub(super) async fn show(caller: Caller, query: web::Query<MonitorQuery>) -> PageResult {
    let (actor, operations) = (&caller.actor, &caller.state.operations);
    let tenant = Some(query.tenant.trim()).filter(|text| !text.is_empty()).map(name).transpose()?;
    let (over, minutes, step) = SPANS.into_iter().find(|(word, ..)| *word == query.over).unwrap_or(SPANS[0]);
    let now = UnixMicros::now();
    let queues = async {
        let triggers = operations.list_triggers(actor, tenant.as_ref()).await?;
        let queues = operations.list_queues(actor, tenant.as_ref(), &triggers, DEPTH_TIMEOUT).await?;
        Ok::<_, OperationError>((triggers, queues))
    };
    let (statistics, queues) = tokio::join!(statistics(&caller, tenant.as_ref(), None, now, minutes, step), queues);
    let (statistics, (triggers, mut queues)) = (statistics?, queues?);
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.ready, queue.oldest.map(std::cmp::Reverse))));
    let shown: Vec<Queue> = queues.iter().take(QUEUES).map(queue).collect();
    let is_of_all = actor.may_everywhere(Role::Viewer).is_ok() && tenant.is_none();
    let (workers, messages) = match is_of_all {
        true => (Some(operations.list_workers(actor).await?), operations.list_unreadable(actor, MAX_UNREADABLE).await.ok()),
        false => (None, None),
    };
    let may_decide = actor.grants().strongest() >= Some(Role::Operator);
    let may_decide_unreadable = actor.may_everywhere(Role::Operator).is_ok();
    let tenants: Vec<String> = caller.state.tenants(&actor.tenants(Role::Viewer)).iter().map(Name::to_string).collect();
    let messages: Option<Vec<UnreadableMessage>> = messages.map(|messages| messages.into_iter().map(unreadable).collect());
    let content = html! {
        (view::monitor::choice(over, &SPANS.map(|(word, ..)| word), &query.tenant, &tenants))
        div.stack id="halted" data-live { (view::monitor::halted(&triggers, may_decide)) (view::pauses::list(&triggers, may_decide)) }
        div.stack id="statistics" data-live { (view::monitor::statistics(&statistics)) }
        div.stack id="queues" data-live { (view::monitor::queues(&shown, now)) }
        @if let Some(workers) = &workers { div.stack id="workers" data-live { (view::monitor::workers(workers)) } }
        @match &messages {
            Some(messages) => div.stack id="unreadable" data-live { (view::monitor::unreadable(messages, may_decide_unreadable)) },
            None if is_of_all => (view::notice::notice(view::badge::Tone::Warn, "The broker does not respond", "The unreadable messages and the numbers of queued messages are unknown.")),
            None => {}
        }
    };
    let framed = Framed::new(&caller, Section::Monitor, "Monitor").live("/live?clock=true");
    Ok(framed.show(&html! {}, &content))
}

/// Returns the statistics of a chart, with a point for each step, also where no execution ended.
pub(super) async fn statistics(
    caller: &Caller,
    tenant: Option<&Name>,
    integrations: Option<Vec<uuid::Uuid>>,
    now: UnixMicros,
    minutes: u32,
    step: u32,
) -> Result<Statistics, PageError> {
    const MINUTE: Duration = Duration::from_secs(60);
    let width = step * MINUTE;
    let to = begin_of_slice(now, width) + width;
    let from = to - minutes * MINUTE;
    let of = integrations.map_or(StatisticsScope::All, StatisticsScope::Integrations);
    let query = StatisticsQuery { of, from, to, step: Duration::from_secs(u64::from(step) * 60), each: false };
    let points = caller.state.operations.statistics(&caller.actor, tenant, query).await?;
    let count = minutes / step;
    let mut statistics = Statistics { minutes: step, ..Statistics::default() };
    for place in 0..count {
        let at = from + place * width;
        let counts = points.iter().find(|point| point.at == at).map(|point| point.counts).unwrap_or_default();
        statistics.times.push(at);
        statistics.succeeded.push(counts.succeeded as f64);
        statistics.failed.push((counts.failed + counts.expired) as f64);
        statistics.p50.push(micros(&counts, 0.5));
        statistics.p95.push(micros(&counts, 0.95));
    }
    Ok(statistics)
}

fn micros(counts: &forebay_store::Counts, quantile: f64) -> Option<f64> {
    counts.durations.quantile(quantile).map(|duration| duration.as_micros() as f64)
}

/// Returns the begin of the slice of this width that contains a time; slices are aligned to Unix time.
pub(super) fn begin_of_slice(time: UnixMicros, width: Duration) -> UnixMicros {
    let since_begin = time.since(UnixMicros::default()).as_micros() % width.as_micros().max(1);
    time - Duration::from_micros(u64::try_from(since_begin).unwrap_or_default())
}

/// Returns a value for each slice since `from`.
pub(super) fn slices(points: &[&StatisticsPoint], from: UnixMicros, width: Duration, count: usize) -> Vec<f64> {
    let mut slices = vec![0.0; count];
    for point in points {
        let place = usize::try_from(point.at.since(from).as_micros() / width.as_micros()).unwrap_or(usize::MAX);
        if let Some(slice) = slices.get_mut(place) {
            *slice += point.counts.total() as f64;
        }
    }
    slices
}

fn queue(state: &forebay_operations::QueueState) -> Queue {
    let (name, href) = match &state.integration {
        Some((tenant, integration)) => (format!("{tenant}/{integration}"), address(tenant.as_str(), integration.as_str())),
        None => (state.name.clone(), String::new()),
    };
    let consumers = state
        .consumers
        .filter(|count| *count > 0)
        .map(|count| if count == 1 { "1 consumer".to_owned() } else { format!("{count} consumers") })
        .unwrap_or_default();
    let worker = match &state.integration {
        Some(_) => state.worker.clone().unwrap_or_default(),
        None => consumers,
    };
    Queue { name, href, depth: state.ready.map(u64::from), oldest: state.oldest, worker }
}

fn unreadable(message: forebay_broker::UnreadableMessage) -> UnreadableMessage {
    UnreadableMessage {
        queue: message.from.unwrap_or_default(),
        id: message.id,
        reason: message.reason,
        at: None,
        size: message.body.len(),
    }
}

type At = web::Path<(String, String)>;

fn target(at: At) -> Result<IntegrationPath, PageError> {
    let (tenant, integration) = at.into_inner();
    Ok(IntegrationPath { tenant: name(&tenant)?, name: name(&integration)? })
}

/// `POST /triggers/{tenant}/{name}/pause`.
pub(super) async fn pause(caller: Caller, at: At, body: web::Bytes) -> PageResult {
    let (path, sent) = (target(at)?, Sent::read(&body));
    let page = address(path.tenant.as_str(), path.name.as_str());
    let until = match sent.given("for").map(parse_duration).transpose() {
        Ok(duration) => duration.map(|duration| UnixMicros::now() + duration),
        Err(error) => return Err(Failure::invalid(format!("Pause for: {error}. Give a duration such as 2h, or nothing.")).into()),
    };
    caller.state.operations.pause(&caller.actor, &PauseTarget::Trigger(path), sent.text("reason"), until).await?;
    Ok(see_other(&page))
}

/// `POST /triggers/{tenant}/{name}/resume`.
pub(super) async fn resume(caller: Caller, at: At, body: web::Bytes) -> PageResult {
    let path = target(at)?;
    caller.state.operations.resume(&caller.actor, &path).await?;
    let is_of_integration = Sent::read(&body).has(view::pauses::OF_INTEGRATION);
    Ok(see_other(&if is_of_integration { address(path.tenant.as_str(), path.name.as_str()) } else { "/monitor".to_owned() }))
}

/// `POST /triggers/{tenant}/{name}/skip`.
pub(super) async fn skip(caller: Caller, at: At) -> PageResult {
    let path = target(at)?;
    caller.state.operations.decide(&caller.actor, &path, Decision::Skip).await?;
    Ok(see_other("/monitor"))
}

/// `POST /unreadable/{id}/return`.
pub(super) async fn return_unreadable(caller: Caller, id: web::Path<String>) -> PageResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &id, UnreadableAction::Return).await?;
    Ok(see_other("/monitor"))
}

/// `POST /unreadable/{id}/discard`.
pub(super) async fn discard_unreadable(caller: Caller, id: web::Path<String>) -> PageResult {
    caller.state.operations.resolve_unreadable(&caller.actor, &id, UnreadableAction::Discard).await?;
    Ok(see_other("/monitor"))
}
