//! Retries all executions that a search finds: they are counted first, then retried in the background, with the progress on the page.

use super::error::{PageResult, see_other};
use super::executions::{Counted, filter_of, page};
use super::sent::Sent;
use crate::auth::Caller;
use crate::bulk_retry::MAX_EXECUTIONS;
use crate::view::badge::Tone;
use crate::view::executions::{Choices, SearchQuery};
use crate::view::notice::notice;
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::UnixMicros;
use forebay_operations::RetryOptions;
use forebay_store::Filter;

/// Executions that are read at once.
const PART: u32 = 100;

/// `POST /executions/retry`.
pub(super) async fn submit(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let field = |name: &str| sent.text(name).to_owned();
    let query = SearchQuery {
        tenant: field("tenant"),
        integration: field("integration"),
        status: field("status"),
        since: field("since"),
        search: field("search"),
        error: field("error"),
        before: String::new(),
    };
    let filter = Filter { limit: PART, ..filter_of(&query)? };
    let options = RetryOptions { latest: sent.has("latest"), from_start: sent.text("from") == "start" };
    let choices = Choices { count: true, latest: options.latest, from_start: options.from_start };
    let found = caller.state.operations.count_retryable(&caller.actor, filter.clone(), MAX_EXECUTIONS).await?;
    if sent.text("action") != "retry" || found == 0 {
        // Counting changes nothing, so it has an address.
        return Ok(see_other(&format!("/executions?{}{}", query.query_string(), choices.query_string())));
    }
    // Retries only executions received until now, each once and in order, so that one that fails again is not retried twice.
    let filter = Filter { until: Some(UnixMicros::now()), ..filter };
    if !caller.state.bulk.begin(caller.actor.clone(), caller.state.operations.clone(), filter, options, found) {
        let notice = notice(
            Tone::Warn,
            "Retry not started",
            "Too many retries by search run at the moment. Wait until one has ended, then try again.",
        );
        return page(&caller, &query, StatusCode::TOO_MANY_REQUESTS, &notice, &Counted { found: Some(found), choices }).await;
    }
    Ok(see_other(&format!("/executions?{}", query.query_string())))
}

/// `POST /executions/retry/stop`: stops the caller's own.
pub(super) async fn stop(caller: Caller) -> PageResult {
    caller.state.bulk.stop(&caller.actor);
    Ok(see_other("/executions"))
}
