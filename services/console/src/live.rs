//! Server-sent events: a page is told that something changed, and fetches itself again.

use crate::auth::Caller;
use crate::pages::PageResult;
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

/// A comment as often, so that proxies keep the connection and a browser that is gone is noticed, and so that it ends with the rights of who
/// follows.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// A page whose figures change without an execution is told to look again as often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What a page follows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Followable {
    tenant: String,
    integration: String,
    id: String,
    /// Whether to tell it every few seconds as well.
    clock: bool,
}

/// What somebody follows of the executions that they see.
pub(crate) fn filter_of(actor: &Actor, filter: Filter) -> Filter {
    match actor.tenants(Role::Viewer) {
        Visible::All => filter,
        Visible::Only(seen) => {
            let tenants = match filter.tenants {
                Some(mut asked) => {
                    asked.retain(|name| seen.contains(name));
                    asked
                }
                None => seen,
            };
            Filter { tenants: Some(tenants), ..filter }
        }
    }
}

/// `GET /live`.
pub(crate) async fn live(caller: Caller, asked: web::Query<Followable>) -> PageResult {
    let filter = Filter {
        tenants: asked.tenant.parse::<Name>().ok().map(|tenant| vec![tenant]),
        integration: asked.integration.parse().ok(),
        id: asked.id.parse::<ExecutionId>().ok(),
        ..Filter::default()
    };
    let (beat, said) = if asked.clock { (LOOK_AGAIN, CHANGED) } else { (HEARTBEAT, STILL_HERE) };
    Ok(stream(caller, filter, beat, said, |_| CHANGED.to_owned()))
}

const CHANGED: &str = "event: changed\ndata: {}\n\n";
/// A comment.
pub(crate) const STILL_HERE: &str = ": still here\n\n";

/// Follows what a caller sees, until the shutdown, or until the caller's credential or rights are others: that is looked at with each beat,
/// whatever happens between them. `said`: what a beat says; `show`: what is said of what was recorded.
pub(crate) fn stream(
    caller: Caller,
    filter: Filter,
    beat: Duration,
    said: &'static str,
    show: impl Fn(Followed) -> String + 'static,
) -> HttpResponse {
    let follow = caller.state.outcomes.follow(filter_of(&caller.actor, filter));
    let beats = interval_at(Instant::now() + beat, beat);
    let first = stream::once(async { Ok::<_, actix_web::Error>(Bytes::from_static(b": following\n\n")) });
    let show = Arc::new(show);
    let events = stream::unfold((caller, follow, beats), move |(caller, mut follow, mut beats)| {
        let show = show.clone();
        async move {
            let text = tokio::select! {
                () = caller.state.shutdown.cancelled() => None,
                _ = beats.tick() => caller.is_unchanged().await.then(|| said.to_owned()),
                followed = follow.next() => followed.map(|followed| show(followed)),
            };
            Some((Ok(Bytes::from(text?)), (caller, follow, beats)))
        }
    });
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/event-stream")).insert_header((CACHE_CONTROL, "no-store")).streaming(first.chain(events))
}
