//! Retries by search, which run in the background of this process.

use crate::view::badge::Tone;
use crate::view::notice::notice;
use forebay_contract::{ExecutionId, UnixMicros};
use forebay_operations::{Actor, Operations, RetryOptions};
use forebay_store::Filter;
use maud::{Markup, html};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Maximum executions that are counted.
pub(crate) const MAX_EXECUTIONS: u32 = 10_000;
/// Maximum retries by search that run in this process.
const MAX_RUNNING: usize = 4;
/// Maximum finished retries by search that are shown.
const MAX_SHOWN: usize = 8;
/// Time for which a finished retry by search is shown.
const SHOW_DURATION: Duration = Duration::from_secs(5 * 60);

/// One retry by search.
struct Job {
    by: String,
    found: u32,
    retried: u32,
    refused: u32,
    last_refusal: String,
    /// The time at which it ended, and the reason if it did not complete; empty: it completed.
    ended: Option<(UnixMicros, String)>,
    stop: CancellationToken,
}

/// The retries by search of this process.
#[derive(Clone, Default)]
pub(crate) struct Bulk(Arc<Mutex<Vec<Arc<Mutex<Job>>>>>);

impl Bulk {
    fn jobs(&self) -> Vec<Arc<Mutex<Job>>> {
        self.0.lock().clone()
    }

    /// Stops the retries by search of a user.
    pub(crate) fn stop(&self, actor: &Actor) {
        for job in self.jobs() {
            let job = job.lock();
            if job.by == actor.name() {
                job.stop.cancel();
            }
        }
    }

    /// Returns the state of a user's retries by search; `None`: there are none.
    pub(crate) fn notice(&self, actor: &Actor) -> Option<Markup> {
        let now = UnixMicros::now();
        let mut shown = Vec::new();
        for job in self.jobs() {
            let job = job.lock();
            if job.by == actor.name() && job.ended.as_ref().is_none_or(|(at, _)| now.since(*at) < SHOW_DURATION) {
                shown.push(message(&job));
            }
        }
        (!shown.is_empty()).then(|| html! { @for one in &shown { (one) } })
    }

    /// Starts a retry by search in the background; returns false if too many run already.
    pub(crate) fn begin(&self, actor: Actor, operations: Arc<Operations>, filter: Filter, options: RetryOptions, found: u32) -> bool {
        let mut jobs = self.0.lock();
        let is_running = |job: &Arc<Mutex<Job>>| job.lock().ended.is_none();
        if jobs.iter().filter(|job| is_running(job)).count() >= MAX_RUNNING {
            return false;
        }
        while jobs.len() >= MAX_SHOWN {
            let Some(place) = jobs.iter().position(|job| !is_running(job)) else { break };
            jobs.remove(place);
        }
        let stop = CancellationToken::new();
        let job = Arc::new(Mutex::new(Job {
            by: actor.name().to_owned(),
            found,
            retried: 0,
            refused: 0,
            last_refusal: String::new(),
            ended: None,
            stop: stop.clone(),
        }));
        jobs.push(job.clone());
        tokio::spawn(async move {
            let ended = run(&job, &actor, &operations, filter, options, &stop).await;
            job.lock().ended = Some((UnixMicros::now(), ended.err().unwrap_or_default()));
        });
        true
    }
}

async fn run(
    job: &Mutex<Job>,
    actor: &Actor,
    operations: &Operations,
    filter: Filter,
    options: RetryOptions,
    stop: &CancellationToken,
) -> Result<(), String> {
    let mut after: Option<ExecutionId> = None;
    loop {
        if stop.is_cancelled() {
            return Err("it was stopped".to_owned());
        }
        let part = operations.retry_found(actor, filter.clone(), options, after.as_ref()).await.map_err(|error| error.to_string())?;
        let mut job = job.lock();
        job.retried += part.retried;
        job.refused += u32::try_from(part.refused.len()).unwrap_or(u32::MAX);
        if let Some((_, reason)) = part.refused.last() {
            job.last_refusal.clone_from(reason);
        }
        match part.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

fn message(job: &Job) -> Markup {
    let refused = html! { @if job.refused > 0 { " " (job.refused) " could not be retried. The last reason: " (job.last_refusal) } };
    match &job.ended {
        None => notice(
            Tone::Busy,
            &format!("Retrying: {} of {}", job.retried + job.refused, job.found),
            html! {
                div.stack.tight {
                    progress value=(job.retried + job.refused) max=(job.found.max(1)) aria-label="Retried" {}
                    p { "In the order of their receipt, at most 50 per second." (refused) }
                    form method="post" action="/executions/retry/stop" { button.button.small type="submit" { "Stop" } }
                }
            },
        ),
        Some((_, reason)) if reason.is_empty() => notice(Tone::Good, &format!("{} executions retried", job.retried), refused),
        Some((_, reason)) => notice(
            Tone::Warn,
            &format!("{} of {} executions retried", job.retried, job.found),
            html! { "The retry ended early: " (reason) "." (refused) },
        ),
    }
}
