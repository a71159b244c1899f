//! The names of all metrics with their help texts.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

macro_rules! metrics_table {
    ($($kind:ident $const:ident = $name:literal, $unit:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $const: &str = $name;
        )*

        /// Gives the installed recorder the help text of every metric.
        pub(crate) fn describe() {
            $($kind!($const, Unit::$unit, $help);)*
        }

        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($const),*];
    };
}

#[rustfmt::skip]
metrics_table! {
    describe_counter   INGRESS_REQUESTS_TOTAL = "forebay_ingress_requests_total", Count, "Answered calls; labels tenant, integration, code";
    describe_histogram INGRESS_REQUEST_DURATION_SECONDS = "forebay_ingress_request_duration_seconds", Seconds, "Time from a request's headers to its answer";
    describe_gauge     INGRESS_IN_FLIGHT = "forebay_ingress_in_flight", Count, "Calls admitted and not yet answered";
    describe_gauge     INGRESS_REPLY_WAITERS = "forebay_ingress_reply_waiters", Count, "Request-response calls that wait for their outcome";
    describe_counter   PUBLISH_TOTAL = "forebay_publish_total", Count, "Messages published; label result";
    describe_histogram PUBLISH_DURATION_SECONDS = "forebay_publish_duration_seconds", Seconds, "Time from a publish to the broker's confirm";
    describe_gauge     BROKER_CONNECTED = "forebay_broker_connected", Count, "1 while the broker connection is open; label purpose";
    describe_gauge     BROKER_BLOCKED = "forebay_broker_blocked", Count, "1 while the broker holds back publishers";
    describe_counter   WORKER_EXECUTIONS_TOTAL = "forebay_worker_executions_total", Count, "Finished executions; labels tenant, integration, status";
    describe_histogram WORKER_EXECUTION_DURATION_SECONDS = "forebay_worker_execution_duration_seconds", Seconds, "Time from the start of an execution to its outcome";
    describe_histogram WORKER_QUEUE_DURATION_SECONDS = "forebay_worker_queue_duration_seconds", Seconds, "Time from accepting a call to the start of its execution";
    describe_gauge     WORKER_RUNNING = "forebay_worker_running", Count, "Executions that run now";
    describe_counter   WORKER_REDELIVERIES_TOTAL = "forebay_worker_redeliveries_total", Count, "Messages that the broker delivered again";
    describe_counter   WORKER_RECORDED_TOTAL = "forebay_worker_recorded_total", Count, "Outcomes written to the store";
    describe_histogram WORKER_RECORD_BATCH_SIZE = "forebay_worker_record_batch_size", Count, "Outcomes in one write to the store";
    describe_counter   WORKER_SPOOLED_OUTCOMES_TOTAL = "forebay_worker_spooled_outcomes_total", Count, "Outcomes kept aside because the store was away";
    describe_gauge     EXCLUSIVE_QUEUES_ACTIVE = "forebay_exclusive_queues_active", Count, "Exclusive queues that this worker consumes";
    describe_gauge     STORE_CONNECTED = "forebay_store_connected", Count, "1 while the store answers";
    describe_gauge     SNAPSHOT_AGE_SECONDS = "forebay_snapshot_age_seconds", Seconds, "Age of the definitions and keys in memory";
    describe_gauge     TRIGGER_HALTED = "forebay_trigger_halted", Count, "1 while an ordered trigger waits for a person; labels tenant, integration";
    describe_counter   SCHEDULER_DUE_TOTAL = "forebay_scheduler_due_total", Count, "Due times that were handled, missed ones included; labels tenant, integration";
    describe_counter   SCHEDULER_PUBLISHED_TOTAL = "forebay_scheduler_published_total", Count, "Runs published; labels tenant, integration";
    describe_counter   SCHEDULER_FAILED_TOTAL = "forebay_scheduler_failed_total", Count, "Publishes of a due run that failed and are tried again; label result";
    describe_histogram SCHEDULER_LAG_SECONDS = "forebay_scheduler_lag_seconds", Seconds, "Time from a due time, its jitter included, to the broker's confirm";
    describe_counter   ALERT_NOTIFICATIONS_TOTAL = "forebay_alert_notifications_total", Count, "Attempts to send a notification of an alert rule; labels channel, result";
    describe_counter   REPLIES_TOTAL = "forebay_replies_total", Count, "Replies sent to waiting calls; label result";
    describe_counter   PANICS_TOTAL = "forebay_panics_total", Count, "Panics in this process, caught ones included";
}

/// A metric that is exported under the name that it had in the release before as well.
pub(crate) struct FormerName {
    /// The present name.
    pub(crate) name: &'static str,
    /// The name in the release before.
    pub(crate) former: &'static str,
}

/// The former names that are still exported. A name stays here for one release.
pub(crate) const FORMER_NAMES: &[FormerName] = &[FormerName { name: ALERT_NOTIFICATIONS_TOTAL, former: "forebay_alerts_told_total" }];
