//! The possible responses to a call of an endpoint, as the HTTP contract defines them.

use super::endpoint::Endpoint;
use forebay_contract::authentication::KeyUse;
use forebay_contract::definition::{IdempotencyMatch, OnTimeout, Status};
use forebay_contract::format_duration;

/// A possible response.
pub(super) struct Answer {
    /// Such as `202`, or `2XX` where a mapping gives the status.
    pub(super) status: String,
    /// Its meaning.
    pub(super) meaning: String,
    pub(super) kind: AnswerKind,
    /// Headers of the response.
    pub(super) headers: &'static [&'static str],
}

/// The kind of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    /// `{ executionId, status }`.
    Accepted,
    /// The response of the workflow.
    OfWorkflow,
    /// RFC 9457.
    Problem,
}

/// Returns the possible responses, sorted by status.
pub(super) fn answers(endpoint: Endpoint<'_>) -> Vec<Answer> {
    let Endpoint { definition, webhook, .. } = endpoint;
    let mut answers = Vec::new();
    let mut problem = |status: u16, headers: &'static [&'static str], meaning: &str| {
        answers.push(Answer { status: status.to_string(), meaning: meaning.to_owned(), kind: AnswerKind::Problem, headers });
    };
    problem(
        400,
        &[],
        "A query parameter is missing or of another type, the body is not what its Content-Type says, or the idempotency key is not valid.",
    );
    for refusal in webhook.authentication.refusals() {
        problem(refusal.status, refusal.headers, refusal.meaning);
    }
    problem(404, &[], "The endpoint was disabled.");
    problem(408, &[], "The body did not arrive in time.");
    if webhook.response.is_some() {
        let other = match (&webhook.idempotency.key, webhook.authentication.key_use()) {
            (Some(_), Some(KeyUse::Sends)) => " Or that call was made with another API key, and its outcome is for that key.",
            (Some(_), Some(KeyUse::Signs) | None) | (None, _) => "",
        };
        let meaning =
            format!("The first call with the same idempotency key is still being executed; its outcome will be at Location.{other}");
        problem(409, &["Location", "Forebay-Execution-Id", "Retry-After"], &meaning);
    }
    problem(413, &[], &format!("The body is larger than {} bytes.", endpoint.max_bytes));
    problem(414, &[], "The path and query are too long.");
    problem(415, &["Accept-Encoding"], "A charset or Content-Encoding that is not supported.");
    match (&webhook.schema, webhook.idempotency.matched_by) {
        (Some(_), IdempotencyMatch::Request) => {
            problem(422, &[], "The body does not fit its schema, or the idempotency key was used with another request before.");
        }
        (None, IdempotencyMatch::Request) => problem(422, &[], "The idempotency key was used with another request before."),
        (Some(_), IdempotencyMatch::Key) => problem(422, &[], "The body does not fit its schema."),
        (None, IdempotencyMatch::Key) => {}
    }
    let rate = webhook.rate.map(|rate| format!("More than {rate}, or too"));
    problem(429, &["Retry-After"], &format!("{} many calls at once. Nothing was accepted.", rate.as_deref().unwrap_or("Too")));
    problem(431, &[], "The headers are too large.");
    if webhook.response.is_some() {
        problem(500, &["Location", "Forebay-Execution-Id"], "The execution failed; its id is in the problem.");
    }
    problem(503, &["Retry-After"], "Not accepted; `mayBeDelivered` says if the call may still be executed.");
    if let Some(response) = webhook.response.filter(|response| response.on_timeout == OnTimeout::Error) {
        let meaning = format!("No response within {}. The outcome, if there is one, will be at Location.", format_duration(response.wait));
        problem(504, &["Location", "Forebay-Execution-Id"], &meaning);
    }
    answers.splice(0..0, good_answers(endpoint, definition.respond.as_ref().map(|respond| &respond.status)));
    answers
}

fn good_answers(endpoint: Endpoint<'_>, status: Option<&Status>) -> Vec<Answer> {
    let accepted = |meaning: String| Answer {
        status: "202".to_owned(),
        meaning,
        kind: AnswerKind::Accepted,
        headers: &["Location", "Forebay-Execution-Id", "Preference-Applied", "Idempotent-Replayed"],
    };
    let Some(response) = endpoint.webhook.response else {
        return vec![accepted("Accepted and stored durably. The outcome will be at Location.".to_owned())];
    };
    let status = match status {
        None => "200".to_owned(),
        Some(Status::Fixed(status)) => status.to_string(),
        Some(Status::Mapping(_)) => "2XX".to_owned(),
    };
    let meaning = "The response of the workflow.".to_owned();
    let headers = &["Forebay-Execution-Id", "Preference-Applied", "Idempotent-Replayed"];
    let workflows = Answer { status, meaning, kind: AnswerKind::OfWorkflow, headers };
    if workflows.status == "202" {
        return vec![workflows];
    }
    let late = if response.on_timeout == OnTimeout::Accepted {
        format!(", or no response within {}", format_duration(response.wait))
    } else {
        String::new()
    };
    let accepted = accepted(format!("Accepted, as `Prefer: respond-async` requests{late}. The outcome will be at Location."));
    vec![workflows, accepted]
}
