//! `forebay executions retry`: a failed execution once more, after what it has done or from its start.

use forebay_broker::{Limits, PublisherConfig, Topology, publish_once};
use forebay_contract::ExecutionId;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionStatus;
use forebay_runtime::settings::Settings;
use forebay_store::{RetryInput, Store, TriggerKind};
use serde_json::json;

use crate::error::Error;
use crate::output::Output;

/// Publishes the execution again under its id: the same steps send the same idempotency keys.
pub(crate) async fn retry(
    output: &Output,
    settings: &Settings,
    store: &Store,
    id: &ExecutionId,
    latest: bool,
    from_start: bool,
) -> Result<(), Error> {
    let refused = |text: String| Error::Failed(format!("{id} is not tried again: {text}"));
    let Some(detail) = store.execution_detail(id).await? else {
        return Err(refused("there is no such execution in the history".to_owned()));
    };
    let row = detail.row;
    if !matches!(row.status, ExecutionStatus::Failed | ExecutionStatus::Expired) {
        return Err(refused(format!("it is {}, and only failed or expired ones are", row.status)));
    }
    if row.halted && !row.skipped {
        let text = format!("it halts its trigger: `forebay triggers resume {}/{}` runs it again", row.tenant, row.integration);
        return Err(refused(text));
    }
    let input = match store.retry_input(id).await? {
        RetryInput::Whole(input) => *input,
        RetryInput::Redacted => {
            return Err(refused("fields of its input are hidden and were not kept for a retry: send the call again".to_owned()));
        }
        RetryInput::Gone => return Err(refused("its input is not kept any more".to_owned())),
    };
    let path = format!("{}/{}", row.tenant, row.integration).parse().map_err(|_| refused("its integration cannot be named".to_owned()))?;
    let integration = store.integration(&path).await?;
    if from_start {
        store.forget_kept_steps(id).await?;
    }
    let version = if latest { integration.version } else { row.version };
    let envelope = Envelope::new(*id, path, integration.id, version, input.request, input.body);
    let attempts = u32::try_from(row.attempts).unwrap_or_default();
    // The id of a run begins with the time at which it was due.
    let due_at = (row.trigger == TriggerKind::Schedule.as_str()).then(|| id.issued_at_millis());
    let envelope = Envelope { received_at: row.accepted_at, attempts, due_at, ..envelope };
    let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
    let topology = Topology::new(&settings.queue_prefix, settings.lanes, limits);
    let config = PublisherConfig {
        url: settings.amqp_url.expose().to_owned(),
        name: "forebay command".to_owned(),
        channels: 1,
        confirm_timeout: settings.confirm_timeout,
    };
    let published = publish_once(config, &topology, &envelope, integration.definition.trigger.delivery()).await;
    published.map_err(|error| refused(format!("the broker did not take it: {error}")))?;
    let object = json!({ "executionId": id.to_string(), "version": version, "attempt": envelope.attempts + 1 });
    output.one(&format!("{id} runs again (attempt {}, version {version})", envelope.attempts + 1), &object)
}
