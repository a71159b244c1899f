//! `forebay executions retry`: a failed execution once more, after what it has done or from its start.

use forebay_contract::ExecutionId;
use forebay_operations::{Actor, Operations, RetryHow};
use serde_json::json;

use crate::error::Error;
use crate::output::Output;

/// Publishes the execution again under its id: the same steps send the same idempotency keys.
pub(crate) async fn retry(output: &Output, operations: &Operations, actor: &Actor, id: &ExecutionId, how: RetryHow) -> Result<(), Error> {
    let retried = operations.retry(actor, id, how).await?;
    let (version, attempt) = (retried.version, retried.attempt);
    let object = json!({ "executionId": id.to_string(), "version": version, "attempt": attempt });
    output.one(&format!("{id} runs again (attempt {attempt}, version {version})"), &object)
}
