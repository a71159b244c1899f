//! The ingress's metrics.

use actix_web::http::StatusCode;
use forebay_broker::{PublishError, PublisherState};
use forebay_contract::definition::Definition;
use forebay_runtime::metric_names as names;
use std::time::Duration;

/// Records an answered request. Unknown paths are counted together: a scanner must not create labels.
pub(crate) fn request(definition: Option<&Definition>, status: StatusCode, duration: Duration) {
    let (tenant, integration) = match definition {
        Some(definition) => (definition.tenant.to_string(), definition.name.to_string()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let code = status.as_u16().to_string();
    metrics::counter!(names::INGRESS_REQUESTS_TOTAL, "tenant" => tenant, "integration" => integration, "code" => code).increment(1);
    metrics::histogram!(names::INGRESS_REQUEST_DURATION_SECONDS).record(duration);
}

/// Records a message that was published, or was not.
pub(crate) fn publish(result: &Result<(), PublishError>, duration: Duration) {
    let word = result.as_ref().err().map_or("confirmed", PublishError::as_str);
    metrics::counter!(names::PUBLISH_TOTAL, "result" => word).increment(1);
    metrics::histogram!(names::PUBLISH_DURATION_SECONDS).record(duration);
}

/// Records the state of the process, once a second.
pub(crate) fn state(publisher: PublisherState, replies_connected: bool, in_flight: usize, waiters: usize, snapshot_age: Duration) {
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    metrics::gauge!(names::BROKER_CONNECTED, "purpose" => "publish")
        .set(flag(matches!(publisher, PublisherState::Ready | PublisherState::Blocked)));
    metrics::gauge!(names::BROKER_CONNECTED, "purpose" => "replies").set(flag(replies_connected));
    metrics::gauge!(names::BROKER_BLOCKED).set(flag(publisher == PublisherState::Blocked));
    metrics::gauge!(names::INGRESS_IN_FLIGHT).set(in_flight as f64);
    metrics::gauge!(names::INGRESS_REPLY_WAITERS).set(waiters as f64);
    metrics::gauge!(names::SNAPSHOT_AGE_SECONDS).set(snapshot_age.as_secs_f64());
}
