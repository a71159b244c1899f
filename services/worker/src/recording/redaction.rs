//! Hides the fields that a definition redacts, before an execution is recorded.

use forebay_contract::body::BodyRule;
use forebay_contract::definition::Definition;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Record, StoredRequest, StoredResponse};
use forebay_workflow::{HIDDEN, Redaction};

/// Hides the redacted fields in everything that is recorded. The values that programs need are kept apart, to be stored encrypted. The body
/// of the call is searched in the form that the definition reads.
pub(crate) async fn hide(record: &mut Record, definition: Option<&Definition>, envelope: &Envelope) {
    let Some(definition) = definition.filter(|definition| !definition.diagnostics.redact.is_empty()) else { return };
    let (names, rule) = (&definition.diagnostics.redact, definition.trigger.reading(&envelope.request).rule);
    let mut redaction = Redaction::new(names);
    if let Some(input) = &mut record.input {
        let whole = input.clone();
        if hide_request(input, &mut redaction, rule).await {
            input.redacted = true;
            record.retry_input = (record.status == ExecutionStatus::Failed).then_some(whole);
        }
    }
    if let Some(output) = &mut record.output {
        let whole = output.clone();
        if hide_response(output, &mut redaction).await {
            record.answer = record.is_served.then_some(whole);
        }
    }
    for output in record.steps.iter_mut().filter_map(|step| step.output.as_mut()) {
        redaction.hide(output);
    }
    for value in record.variables.iter_mut().flat_map(|variables| &mut variables.values) {
        redaction.hide(value);
    }
    record.labels.retain(|label| !redaction.hides(label.name()));
    // At this point it knows every value that messages may repeat.
    let messages = record.steps.iter_mut().filter_map(|step| step.error.as_mut());
    for message in messages.chain(record.error.iter_mut().map(|error| &mut error.message)) {
        if let Some(redacted) = redaction.message(message) {
            *message = redacted;
        }
    }
    record.seals = true;
}

async fn hide_request(input: &mut StoredRequest, redaction: &mut Redaction, rule: &BodyRule) -> bool {
    let mut any = redaction.hide_pairs(&mut input.request.headers);
    any |= redaction.hide_query(&mut input.request.query_string);
    for (name, value) in &mut input.request.query {
        if redaction.hides(name) {
            *value = HIDDEN.into();
            any = true;
        }
    }
    if let Some(body) = redaction.body(rule, input.content_type.as_deref(), input.content_encoding.as_deref(), &input.body).await {
        input.body = body;
        input.content_encoding = None;
        any = true;
    }
    any
}

async fn hide_response(output: &mut StoredResponse, redaction: &mut Redaction) -> bool {
    let mut any = redaction.hide_pairs(&mut output.headers);
    let content_type = output.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
    if let Some(body) = redaction.body(&BodyRule::NONE, content_type.as_deref(), None, &output.body).await {
        output.body = body;
        any = true;
    }
    any
}
