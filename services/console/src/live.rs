//! Server-sent events: a page is told that something changed, and fetches itself again.

use crate::auth::Caller;
use crate::pages::PageResult;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use forebay_contract::{ExecutionId, Name};
use forebay_operations::{Actor, Visible};
use forebay_store::{Filter, Follow, Followed, Role};
use futures_util::stream;
use serde::Deserialize;
use std::time::Duration;

/// A comment as often, so that proxies keep the connection and a browser that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
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
    let follow = caller.state.outcomes.follow(filter_of(&caller.actor, filter));
    let pause = if asked.clock { LOOK_AGAIN } else { HEARTBEAT };
    let shutdown = caller.state.shutdown.clone();
    let events = stream::unfold((follow, true), move |(mut follow, is_first)| {
        let shutdown = shutdown.clone();
        async move {
            if is_first {
                return Some((event(": following\n\n"), (follow, false)));
            }
            let text = tokio::select! {
                () = shutdown.cancelled() => return None,
                text = next(&mut follow, pause) => text?,
            };
            Some((event(text), (follow, false)))
        }
    });
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/event-stream")).insert_header((CACHE_CONTROL, "no-store")).streaming(events))
}

fn event(text: &'static str) -> Result<Bytes, actix_web::Error> {
    Ok(Bytes::from_static(text.as_bytes()))
}

const CHANGED: &str = "event: changed\ndata: {}\n\n";

async fn next(follow: &mut Follow, pause: Duration) -> Option<&'static str> {
    match tokio::time::timeout(pause, follow.next()).await {
        Ok(Some(Followed::Rows { .. } | Followed::Interrupted)) => Some(CHANGED),
        Ok(None) => None,
        Err(_) if pause == LOOK_AGAIN => Some(CHANGED),
        Err(_) => Some(": still here\n\n"),
    }
}
