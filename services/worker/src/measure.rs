//! The worker's metrics.

use forebay_contract::UnixMicros;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionStatus;
use forebay_runtime::metric_names as names;

pub(crate) fn finished(envelope: &Envelope, status: ExecutionStatus, started_at: UnixMicros, ended_at: UnixMicros) {
    let (tenant, integration) = (envelope.tenant.to_string(), envelope.integration.to_string());
    metrics::counter!(names::WORKER_EXECUTIONS_TOTAL, "tenant" => tenant, "integration" => integration, "status" => status.as_str())
        .increment(1);
    metrics::histogram!(names::WORKER_EXECUTION_DURATION_SECONDS).record(ended_at.since(started_at).as_secs_f64());
    metrics::histogram!(names::WORKER_QUEUE_DURATION_SECONDS).record(started_at.since(envelope.received_at).as_secs_f64());
}

pub(crate) fn running(change: f64) {
    metrics::gauge!(names::WORKER_RUNNING).increment(change);
}

pub(crate) fn redelivered() {
    metrics::counter!(names::WORKER_REDELIVERIES_TOTAL).increment(1);
}

pub(crate) fn recorded(count: usize) {
    metrics::counter!(names::WORKER_RECORDED_TOTAL).increment(count as u64);
    metrics::histogram!(names::WORKER_RECORD_BATCH_SIZE).record(count as f64);
}

pub(crate) fn spooled() {
    metrics::counter!(names::WORKER_SPOOLED_OUTCOMES_TOTAL).increment(1);
}

pub(crate) fn replied() {
    metrics::counter!(names::REPLIES_TOTAL, "result" => "sent").increment(1);
}

pub(crate) fn exclusive_queues(count: usize) {
    metrics::gauge!(names::EXCLUSIVE_QUEUES_ACTIVE).set(count as f64);
}

pub(crate) fn halted(envelope: &Envelope, is_halted: bool) {
    let (tenant, integration) = (envelope.tenant.to_string(), envelope.integration.to_string());
    metrics::gauge!(names::TRIGGER_HALTED, "tenant" => tenant, "integration" => integration).set(if is_halted { 1.0 } else { 0.0 });
}
