//! The scheduler's metrics.

use forebay_broker::PublishError;
use forebay_contract::envelope::Envelope;
use forebay_runtime::metric_names as names;
use forebay_store::Integration;
use forebay_workflow::Channel;
use std::time::Duration;

pub(crate) fn due(integration: &Integration, count: usize) {
    let (tenant, name) = (integration.definition.tenant.to_string(), integration.definition.name.to_string());
    metrics::counter!(names::SCHEDULER_DUE_TOTAL, "tenant" => tenant, "integration" => name).increment(count as u64);
}

/// Records a published run; `lag` is the time since it was due.
pub(crate) fn published(envelope: &Envelope, lag: Duration) {
    let (tenant, integration) = (envelope.tenant.to_string(), envelope.integration.to_string());
    metrics::counter!(names::SCHEDULER_PUBLISHED_TOTAL, "tenant" => tenant, "integration" => integration).increment(1);
    metrics::histogram!(names::SCHEDULER_LAG_SECONDS).record(lag.as_secs_f64());
}

pub(crate) fn publish(result: &Result<(), PublishError>, duration: Duration) {
    let word = result.as_ref().map_or_else(PublishError::as_str, |()| "confirmed");
    metrics::counter!(names::PUBLISH_TOTAL, "result" => word).increment(1);
    match result {
        Ok(()) => metrics::histogram!(names::PUBLISH_DURATION_SECONDS).record(duration.as_secs_f64()),
        Err(error) => metrics::counter!(names::SCHEDULER_FAILED_TOTAL, "result" => error.as_str()).increment(1),
    }
}

pub(crate) fn notified(channel: Channel, is_sent: bool) {
    let result = if is_sent { "sent" } else { "failed" };
    metrics::counter!(names::ALERT_NOTIFICATIONS_TOTAL, "channel" => channel.as_str(), "result" => result).increment(1);
}
