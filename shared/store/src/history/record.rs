//! The record of an execution that a worker writes. It has a form in JSON, so that it survives a database that is away.

use crate::database::timestamp::Timestamp;
use crate::definitions::trigger_kind::TriggerKind;
use bytes::Bytes;
use forebay_contract::envelope::Request;
use forebay_contract::outcome::{Checkpoint, ExecutionError, ExecutionStatus, Response, StepRecord};
use forebay_contract::{ExecutionId, Label, UnixMicros, UnixMillis, VariableLog};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// The request as it came, which a retry needs whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRequest {
    /// The request without its body.
    pub request: Request,
    /// The Content-Type as it was sent.
    pub content_type: Option<String>,
    /// The Content-Encoding as it was sent.
    pub content_encoding: Option<String>,
    /// The body, byte for byte; base64 in JSON.
    #[serde(with = "base64")]
    pub body: Bytes,
    /// True if fields of it are hidden: it can be shown, and not be executed.
    #[serde(default)]
    pub redacted: bool,
}

/// The response as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte; base64 in JSON.
    #[serde(with = "base64")]
    pub body: Bytes,
}

impl StoredResponse {
    /// Returns the Content-Type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str())
    }
}

impl From<&Response> for StoredResponse {
    fn from(response: &Response) -> Self {
        let Response { status, headers, body } = response;
        Self { status: *status, headers: headers.clone(), body: body.clone() }
    }
}

/// One execution that has ended, or that is queued or running.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id, of which [`ExecutionId::unique`] is stored. The time in it is stored as the time of acceptance.
    pub execution_id: ExecutionId,
    /// The integration's id.
    pub integration_id: Uuid,
    /// The version of the definition that ran.
    pub version: i32,
    /// The trigger that started it.
    pub trigger_kind: TriggerKind,
    /// Its status.
    pub status: ExecutionStatus,
    /// Attempts so far, this one included: `transition.rs` has the rule by which one of two records stays.
    pub attempts: i32,
    /// The time at which the last attempt began; `None`: it never started.
    pub started_at: Option<UnixMicros>,
    /// The time at which it ended; not stored of one that has not ended.
    pub ended_at: UnixMicros,
    /// The worker's name.
    pub worker: String,
    /// The reason for which it failed.
    pub error: Option<ExecutionError>,
    /// Its labels. A row keeps its labels where a later record has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The status of the response.
    pub response_status: Option<u16>,
    /// Its steps; stored when there are any.
    pub steps: Vec<StepRecord>,
    /// Checkpoints that a retry by a person needs and that are not stored yet.
    #[serde(default, rename = "kept", skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<CheckpointBatch>,
    /// True if checkpoints are stored that are deleted with this record.
    #[serde(default, rename = "ends_kept")]
    pub ends_checkpoints: bool,
    /// True if the response is stored for its caller, and for a repetition of the call.
    #[serde(default)]
    pub is_served: bool,
    /// True if the checkpoints are encrypted.
    #[serde(default)]
    pub seals: bool,
    /// The request as it came, for a later retry, where fields of [`input`](Self::input) are hidden; stored encrypted, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_input: Option<StoredRequest>,
    /// The response as it was made, for its caller, where fields of [`output`](Self::output) are hidden; stored encrypted, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StoredResponse>,
    /// The variables around the steps, where diagnostics record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<VariableLog>,
    /// Number of redeliveries by the broker.
    pub redeliveries: i32,
    /// The request, where diagnostics or a later retry need it.
    pub input: Option<StoredRequest>,
    /// The response, where diagnostics or a caller need it.
    pub output: Option<StoredResponse>,
    /// Retention of the payloads, from the time of receipt; `None`: as long as the history.
    #[serde(rename = "keep")]
    pub retention: Option<Duration>,
    /// True if its failure halts its trigger.
    pub halted: bool,
    /// True if no message of the execution is left: the record ends it, whichever attempt is recorded as running.
    #[serde(default)]
    pub is_abandoned: bool,
    /// True if a person decided to go on without it.
    pub skipped: bool,
    /// Its trace. A row keeps the one that it has where a later record has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Uuid>,
    /// Id of the API key that called; `None`: no API key did. A row keeps the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Uuid>,
}

impl Record {
    /// Returns the record of an execution that expired, without payloads.
    #[must_use]
    pub fn new(
        execution_id: ExecutionId,
        integration_id: Uuid,
        version: i32,
        trigger_kind: TriggerKind,
        worker: String,
        ended_at: UnixMicros,
    ) -> Self {
        Self {
            execution_id,
            integration_id,
            version,
            trigger_kind,
            status: ExecutionStatus::Expired,
            attempts: 0,
            started_at: None,
            ended_at,
            worker,
            error: None,
            labels: Vec::new(),
            response_status: None,
            steps: Vec::new(),
            checkpoints: None,
            ends_checkpoints: false,
            is_served: false,
            seals: false,
            retry_input: None,
            answer: None,
            variables: None,
            redeliveries: 0,
            input: None,
            output: None,
            retention: None,
            halted: false,
            is_abandoned: false,
            skipped: false,
            trace: None,
            caller: None,
        }
    }
}

/// A batch of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointBatch {
    /// Its number.
    pub number: u32,
    /// Path and output of each step.
    steps: Vec<(String, String)>,
}

impl CheckpointBatch {
    /// Returns a batch of these steps.
    #[must_use]
    pub fn new(number: u32, steps: &[Checkpoint]) -> Self {
        // Outputs are JSON, which is UTF-8.
        let text = |step: &Checkpoint| (step.path.clone(), String::from_utf8_lossy(&step.output).into_owned());
        Self { number, steps: steps.iter().map(text).collect() }
    }

    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> Vec<Checkpoint> {
        self.steps.iter().map(|(path, output)| Checkpoint { path: path.clone(), output: output.clone().into_bytes() }).collect()
    }
}

/// Bytes as base64 text.
mod base64 {
    use bytes::Bytes;
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::borrow::Cow;

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(D::Error::custom)
    }
}

/// Returns the time of receipt, as it is stored.
pub(crate) fn accepted_at(id: &ExecutionId) -> UnixMicros {
    id.issued_at().to_micros()
}

/// Returns the time of receipt of an id, of which the unique part is given.
pub(crate) fn accepted_at_of(unique: Uuid) -> UnixMicros {
    let millis = unique.as_bytes()[..6].iter().fold(0_i64, |millis, byte| (millis << 8) | i64::from(*byte));
    UnixMillis::new(millis).to_micros()
}

/// Returns the first and the last time of receipt among ids (the unique parts), by which the planner leaves partitions out; `None`: there
/// are no ids.
pub(crate) fn accepted_between(ids: &[Uuid]) -> Option<(Timestamp, Timestamp)> {
    let accepted = ids.iter().map(|id| accepted_at_of(*id));
    Some((Timestamp(accepted.clone().min()?), Timestamp(accepted.max()?)))
}

/// Returns the smallest id that can have been issued at this time, to compare ids with.
pub(crate) fn first_id_at(time: UnixMicros) -> Uuid {
    let millis = u64::try_from(time.to_millis().get()).unwrap_or(0).min((1 << 48) - 1);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_at_a_time_is_of_that_time() {
        let time = UnixMicros::new(1_796_083_200_123_000);
        assert_eq!(accepted_at_of(first_id_at(time)), time);
        assert_eq!(accepted_at_of(first_id_at(UnixMicros::new(-5))), UnixMicros::default());
    }
}
