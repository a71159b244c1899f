//! `forebay executions retry`: retries failed executions, given by id or found by a search.

use crate::api::Api;
use crate::args::Retry;
use crate::change::confirmed;
use crate::error::Error;
use crate::output::{Output, note, write, write_json};
use crate::shown::failure;
use forebay_admin_api::executions::{RetriedExecution, RetryFoundRequest, RetryRequest};
use forebay_admin_api::{ExecutionIdText, MomentText};
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{ExecutionId, UnixMicros};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;

/// Interval between two requests for the status of an execution.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The server keeps the order: of receipt for a search, as given for ids.
pub(crate) async fn retry(output: &Output, api: &Api, retry: Retry) -> Result<(), Error> {
    if retry.ids.is_empty() { retry_found(output, api, &retry).await } else { retry_ids(output, api, &retry).await }
}

async fn retry_ids(output: &Output, api: &Api, retry: &Retry) -> Result<(), Error> {
    let (request, mut all) = (RetryRequest { latest: retry.latest, from_start: retry.from_start }, Vec::new());
    let mut first_error = None;
    for id in &retry.ids {
        match api.retry(id, request).await.map_err(Error::from) {
            Ok(retried) => all.push((id, retried)),
            // The retry of the others may succeed. An unavailable server is unavailable for all of them.
            Err(error) if retry.ids.len() > 1 && !error.is_temporary() => {
                note(&format!("{id}: {error}"));
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if output.is_json() {
        let objects: Vec<&RetriedExecution> = all.iter().map(|(_, retried)| retried).collect();
        match objects.as_slice() {
            [one] if retry.ids.len() == 1 => write_json(one)?,
            _ => write_json(&objects)?,
        }
    } else {
        for (id, retried) in &all {
            write(&format!("{id}: retry started (attempt {}, version {})", retried.attempt, retried.version))?;
        }
    }
    if let Some(error) = first_error {
        note(&format!("{} of {} executions were not retried", retry.ids.len() - all.len(), retry.ids.len()));
        return Err(error);
    }
    if retry.wait { wait(api, &all).await } else { Ok(()) }
}

/// Waits until the executions end.
///
/// # Errors
/// One of them did not succeed.
async fn wait(api: &Api, all: &[(&ExecutionId, RetriedExecution)]) -> Result<(), Error> {
    let bar = bar(all.len());
    let mut not_succeeded = Vec::new();
    for (id, retried) in all {
        loop {
            let execution = api.execution(id).await?.execution;
            let has_attempted = i64::from(execution.attempts) >= i64::from(retried.attempt);
            if has_attempted && !matches!(execution.status, ExecutionStatus::Queued | ExecutionStatus::Running) {
                if execution.status != ExecutionStatus::Succeeded {
                    not_succeeded.push(format!("{id} {} {}", execution.status, failure(execution.error.as_ref())));
                }
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if not_succeeded.is_empty() { Ok(()) } else { Err(Error::Failed(not_succeeded.join("\n"))) }
}

async fn retry_found(output: &Output, api: &Api, retry: &Retry) -> Result<(), Error> {
    let request = request(retry);
    let counted = api.retry_found(&RetryFoundRequest { dry_run: true, ..request.clone() }).await?;
    let (count, is_more) = (counted.found.unwrap_or_default(), counted.at_least.unwrap_or_default());
    let executions = format!("{}{count} execution{}", if is_more { "at least " } else { "" }, if count == 1 { "" } else { "s" });
    if retry.dry_run || count == 0 {
        let object = json!({ "found": count, "atLeast": is_more, "retried": 0, "refused": [] });
        return output.one(&format!("{executions} would be retried"), &object);
    }
    if !retry.yes {
        if !std::io::stdin().is_terminal() {
            let text = format!(
                "{executions} would be retried. Nothing was retried, because there is no terminal for the confirmation: add --yes to retry, \
                 or --dry-run to only count"
            );
            return Err(Error::Usage(text));
        }
        if !confirmed(&format!("Retry {executions} in the order of their receipt? [y/N]"))? {
            return Err(Error::Failed("nothing was retried".to_owned()));
        }
    }
    let bar = bar(usize::try_from(count).unwrap_or(usize::MAX));
    let (mut retried, mut refused, mut cursor) = (0, Vec::new(), None);
    loop {
        let part = RetryFoundRequest { cursor: cursor.take(), ..request.clone() };
        let part = api.retry_found(&part).await.inspect_err(|_| note(&format!("{retried} executions were retried before the error")))?;
        retried += u64::from(part.retried);
        refused.extend(part.refused);
        bar.set_position(retried + refused.len() as u64);
        match part.next {
            Some(next) => cursor = Some(ExecutionIdText::new(next)),
            None => break,
        }
    }
    bar.finish_and_clear();
    refused.iter().for_each(|one| note(&one.reason));
    let object = json!({ "found": count, "atLeast": is_more, "retried": retried, "refused": refused });
    output.one(&format!("{retried} retried, {} not retried", refused.len()), &object)?;
    match refused.len() {
        0 => Ok(()),
        count => Err(Error::Failed(format!("{count} executions were not retried"))),
    }
}

fn request(retry: &Retry) -> RetryFoundRequest {
    let mut request = RetryFoundRequest { latest: retry.latest, from_start: retry.from_start, ..retry.filter.to_api().into() };
    // Excludes executions that are received after the count, because the user has not confirmed their retry.
    request.until.get_or_insert_with(|| MomentText::new(UnixMicros::now().rfc3339()));
    request
}

/// Returns a progress bar, which is shown on a terminal only.
fn bar(length: usize) -> ProgressBar {
    let is_shown = std::io::stderr().is_terminal() && length > 1;
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    // Without the template the bar has the default style.
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
