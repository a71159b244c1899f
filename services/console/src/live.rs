//! Server-sent events: a page is notified of a change and fetches itself again.

use crate::auth::Caller;
use crate::pages::error::PageResult;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use forebay_contract::{ExecutionId, Name};
use forebay_operations::{Actor, Visible};
use forebay_store::{Filter, Followed, Role};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval_at};

/// Interval of a comment, so that proxies keep the connection, a closed browser is noticed, and the stream ends when the caller's rights
/// change.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Interval at which a page is notified whose content changes without executions.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// The subject of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Followable {
    tenant: String,
    integration: String,
    id: String,
    /// True if the page is notified at intervals too.
    clock: bool,
}

/// Narrows a filter to the executions that the caller may see.
pub(crate) fn filter_of(actor: &Actor, filter: Filter) -> Filter {
    match actor.tenants(Role::Viewer) {
        Visible::All => filter,
        Visible::Only(visible) => {
            let tenants = match filter.tenants {
                Some(mut tenants) => {
                    tenants.retain(|name| visible.contains(name));
                    tenants
                }
                None => visible,
            };
            Filter { tenants: Some(tenants), ..filter }
        }
    }
}

/// `GET /live`.
pub(crate) async fn live(caller: Caller, query: web::Query<Followable>) -> PageResult {
    let filter = Filter {
        tenants: query.tenant.parse::<Name>().ok().map(|tenant| vec![tenant]),
        integration: query.integration.parse().ok(),
        id: query.id.parse::<ExecutionId>().ok(),
        ..Filter::default()
    };
    let (interval, heartbeat) = if query.clock { (REFRESH_INTERVAL, CHANGED) } else { (HEARTBEAT, STILL_HERE) };
    Ok(stream(caller, filter, interval, heartbeat, |_| CHANGED.to_owned()))
}

const CHANGED: &str = "event: changed\ndata: {}\n\n";
/// The comment that keeps a stream open.
pub(crate) const STILL_HERE: &str = ": still here\n\n";

/// Streams what a caller may see, until the shutdown, or until the credential or rights of the caller change; these are checked at each
/// heartbeat. `heartbeat` is the text that is sent at each `interval`; `show` writes the events of recorded executions.
pub(crate) fn stream(
    caller: Caller,
    filter: Filter,
    interval: Duration,
    heartbeat: &'static str,
    show: impl Fn(Followed) -> String + 'static,
) -> HttpResponse {
    let follow = caller.state.outcomes.follow(filter_of(&caller.actor, filter));
    let beats = interval_at(Instant::now() + interval, interval);
    let first = stream::once(async { Ok::<_, actix_web::Error>(Bytes::from_static(b": following\n\n")) });
    let show = Arc::new(show);
    let events = stream::unfold((caller, follow, beats), move |(caller, mut follow, mut beats)| {
        let show = show.clone();
        async move {
            let text = tokio::select! {
                () = caller.state.shutdown.cancelled() => None,
                _ = beats.tick() => caller.is_unchanged().await.then(|| heartbeat.to_owned()),
                followed = follow.next() => followed.map(|followed| show(followed)),
            };
            Some((Ok(Bytes::from(text?)), (caller, follow, beats)))
        }
    });
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/event-stream")).insert_header((CACHE_CONTROL, "no-store")).streaming(first.chain(events))
}
