//! Refusals of calls that are too large, too slow or too many.

use super::Problem;
use crate::receive::{GRACE, MIN_BYTES_PER_SECOND};
use crate::shares::Holder;
use actix_web::http::StatusCode;
use forebay_contract::definition::Rate;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::schema::SchemaError;
use std::time::Duration;

impl Problem {
    pub(crate) fn schema(error: &SchemaError) -> Self {
        let new = |detail| Self::new(StatusCode::UNPROCESSABLE_ENTITY, "schema", "Body does not fit the schema", detail);
        let problems = match error {
            SchemaError::Problems(problems) => problems,
            SchemaError::Unlisted | SchemaError::TooMuchWork => return new(capitalized(&format!("{error}."))),
        };
        let shown = problems.iter().take(3).map(|problem| {
            let place = if problem.pointer.is_empty() { "the body" } else { problem.pointer.as_str() };
            format!("{place}: {}", problem.detail)
        });
        let more = problems.len().checked_sub(3).filter(|more| *more > 0).map_or_else(String::new, |more| format!("; and {more} more"));
        let detail = format!("The body does not fit the endpoint's schema: {}{more}.", shown.collect::<Vec<_>>().join("; "));
        new(detail).with("errors", serde_json::to_value(problems).unwrap_or_default())
    }

    /// A check of a large body on another thread failed.
    pub(crate) fn not_worked_on(error: &ExecutionError) -> Self {
        if error.code != ErrorCode::Limit {
            return Self::internal("The call could not be checked. Nothing was accepted.");
        }
        let detail = format!("{} Nothing was accepted; call again later.", capitalized(&format!("{}.", error.message)));
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-in-flight", "Too many costly calls of this tenant at once", detail)
            .with_retry_after(Duration::from_secs(1))
    }

    /// Only this many bytes arrived within `time`; the whole body may take `limit`.
    pub(crate) fn body_too_slow(bytes: usize, time: Duration, limit: Duration) -> Self {
        let detail = format!(
            "The body came too slowly: {bytes} bytes in {:.1} s. Send at least {} KiB/s after the first {} s, and all of it within {} s.",
            time.as_secs_f64(),
            MIN_BYTES_PER_SECOND / 1024,
            GRACE.as_secs(),
            limit.as_secs_f64()
        );
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "Body too slow", detail)
    }

    pub(crate) fn headers_too_large(limit: usize) -> Self {
        let detail = format!("The request's headers are larger than {limit} bytes in all.");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Headers too large", detail)
    }

    pub(crate) fn uri_too_long(limit: usize) -> Self {
        let detail = format!("The path and query are longer than {limit} bytes.");
        Self::new(StatusCode::URI_TOO_LONG, "uri-too-long", "Address too long", detail)
    }

    pub(crate) fn too_many(limit: usize) -> Self {
        let detail = format!("{limit} calls are already being answered by this process. Nothing was accepted; try again.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-in-flight", "Too many calls at once", detail)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn too_many_of_tenant(tenant: &str) -> Self {
        let detail = format!(
            "The calls of '{tenant}' that are not answered yet take up this tenant's share of the process. Nothing was accepted; call again later, or make fewer calls at a time."
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-in-flight", "Too many calls of this tenant at once", detail)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn over_rate(rate: Rate, wait: Duration) -> Self {
        let detail = format!("This endpoint accepts {rate}. Nothing was accepted; try again after Retry-After.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many calls", detail).with_retry_after(wait)
    }

    pub(crate) fn no_memory() -> Self {
        let detail = "The bodies of the calls under way fill this process's memory budget. Nothing was accepted and nothing will be executed; call again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail)
            .with("mayBeDelivered", false)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn no_memory_for(holder: &Holder) -> Self {
        let whose = match holder {
            Holder::Tenant(_) => "The bodies of this tenant's calls under way take up the tenant's share",
            Holder::Integration(_) => "The bodies of this endpoint's calls under way take up the endpoint's share",
            Holder::Unauthenticated | Holder::UnauthenticatedOf(_) => {
                "The bodies of calls whose signature is not checked yet take up the share of such calls"
            }
        };
        let detail = format!(
            "{whose} of this process's memory for bodies. Nothing was accepted and nothing will be executed; call again later, or send fewer or smaller bodies at a time."
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail)
            .with("mayBeDelivered", false)
            .with_retry_after(Duration::from_secs(1))
    }
}

/// Returns the text with a capital first letter and a full stop.
fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
