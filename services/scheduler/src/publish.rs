//! Publishes due times as messages, on the same queues and in the same envelope as calls.

use crate::measure;
use crate::plan::{Plan, jitter, plan};
use forebay_broker::{Broker, PublishError, Publisher};
use forebay_contract::definition::Schedule;
use forebay_contract::envelope::Envelope;
use forebay_contract::{IdIssuer, UnixMillis};
use forebay_store::{DueSchedule, ScheduleStep, SnapshotHandle};
use futures_util::future::join_all;
use std::time::{Duration, Instant};

/// The part of the id of a due run that distinguishes it from other ids that are derived for the same time.
const ID_NAME: &str = "schedule";
/// Time after which no further run of a schedule begins in a claim.
const MAX_CLAIM: Duration = Duration::from_secs(5);
/// Interval at which a paused schedule that is due is looked at again.
const PAUSED_INTERVAL: Duration = Duration::from_secs(1);

/// Publishes due runs.
#[derive(Clone)]
pub(crate) struct Publishing {
    pub(crate) publisher: Publisher,
    pub(crate) broker: Broker,
    pub(crate) ids: IdIssuer,
    pub(crate) snapshot: SnapshotHandle,
}

impl Publishing {
    /// Publishes the due runs of schedules: schedules in parallel, the runs of each one after another.
    pub(crate) async fn due(&self, due: Vec<DueSchedule>) -> Vec<ScheduleStep> {
        join_all(due.iter().map(|due| self.schedule(due))).await.into_iter().flatten().collect()
    }

    async fn schedule(&self, due: &DueSchedule) -> Option<ScheduleStep> {
        let integration = &due.integration;
        let schedule = integration.definition.trigger.schedule()?;
        let id_of = |due| self.ids.derive(integration.id, due, ID_NAME);
        let now = due.now.to_millis();
        // Due times pass while the trigger is paused; `missed` decides about them once it is resumed.
        if self.snapshot.current().pause_of(integration).is_some() {
            let wake_at = Some((now + PAUSED_INTERVAL).to_micros());
            return Some(ScheduleStep { integration_id: integration.id, next_due_at: Some(due.next_due_at), wake_at, published: None });
        }
        // A row that a person has changed by hand may be between two milliseconds.
        let Plan { runs, mut next, mut wake, left_out, left_out_more } = plan(schedule, due.next_due_at.to_next_millis(), now, id_of);
        if left_out > 0 {
            let (count, more) = (left_out, if left_out_more { " or more" } else { "" });
            let (tenant, name) = (integration.definition.tenant.as_str(), integration.definition.name.as_str());
            tracing::warn!(
                integration.tenant = tenant,
                integration.name = name,
                schedule.left_out = count,
                schedule.run = runs.len(),
                "{count}{more} missed runs are left out, as `missed` says"
            );
        }
        let began = Instant::now();
        let (mut published, mut handled) = (None, left_out);
        for run in runs {
            if began.elapsed() > MAX_CLAIM {
                (next, wake) = (Some(run), Some(now));
                break;
            }
            let id = id_of(run);
            let path = integration.definition.path();
            let envelope = Envelope::of_schedule(id, path, integration.id, integration.version, schedule, run);
            // It may be published again under the same id.
            let envelope = Envelope { claim_token: Some(Envelope::new_claim_token()), ..envelope };
            if let Err(error) = self.publish(&envelope, schedule).await {
                tracing::warn!(
                    integration.tenant = %envelope.tenant,
                    integration.name = %envelope.integration,
                    forebay.execution.id = %id,
                    %error,
                    "a due run could not be published; trying again"
                );
                (next, wake) = (Some(run), Some(now + error.retry_after()));
                break;
            }
            measure::published(&envelope, UnixMillis::now().since(run + jitter(schedule, run, &id)));
            handled += 1;
            published = Some((run.to_micros(), id.unique()));
        }
        measure::due(integration, handled);
        let (next_due_at, wake_at) = (next.map(UnixMillis::to_micros), wake.map(UnixMillis::to_micros));
        Some(ScheduleStep { integration_id: integration.id, next_due_at, wake_at, published })
    }

    /// Publishes one run; `Ok` means confirmed by the broker.
    pub(crate) async fn publish(&self, envelope: &Envelope, schedule: &Schedule) -> Result<(), PublishError> {
        let tenant_queue = self.snapshot.current().tenant_queue(envelope.tenant.as_str());
        let policy = self.broker.topology().policy_of(envelope, &schedule.policy, tenant_queue).in_order(envelope);
        let started = Instant::now();
        let result = self.publisher.publish(envelope, policy).await;
        measure::publish(&result, started.elapsed());
        result
    }
}
