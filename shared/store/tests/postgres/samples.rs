//! Definitions and records to store.

use bytes::Bytes;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::Request;
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_contract::{ExecutionId, IdIssuer, IntegrationPath, Name, UnixMicros};
use forebay_store::{Applied, NewDefinition, Record, Store, StoredRequest, TriggerKind};
use std::time::Duration;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn path(text: &str) -> IntegrationPath {
    text.parse().unwrap()
}

/// A definition at `tenant/name` with further YAML lines.
pub(crate) fn definition(path: &str, more: &str) -> NewDefinition {
    let (tenant, name) = path.split_once('/').unwrap();
    let webhook = if more.contains("trigger:") { "" } else { "trigger: { webhook: {} }\n" };
    let source = format!("# a comment\ntenant: {tenant}\nname: {name}\n{webhook}{more}");
    let document = documents(&source).unwrap().remove(0);
    NewDefinition { definition: Definition::from_value(&document).unwrap(), document, source }
}

pub(crate) async fn apply(store: &Store, path: &str, more: &str) -> Applied {
    store.apply(&[definition(path, more)], "test").await.unwrap().remove(0)
}

/// One integration and the means to issue ids for it.
pub(crate) struct Sample {
    pub(crate) integration: Applied,
    pub(crate) issuer: IdIssuer,
}

impl Sample {
    pub(crate) async fn make(store: &Store, path: &str) -> Self {
        let integration = apply(store, path, "").await;
        Self { integration, issuer: IdIssuer::new(&store.id_key().await.unwrap()) }
    }

    pub(crate) fn id(&self) -> ExecutionId {
        self.issuer.issue(self.integration.id).unwrap()
    }

    /// An id as it would have been issued at this time (microseconds).
    pub(crate) fn id_at(&self, time: UnixMicros) -> ExecutionId {
        let mut bytes = self.id().unique().into_bytes();
        bytes[..6].copy_from_slice(&time.to_millis().get().to_be_bytes()[2..]);
        self.issuer.restore(uuid::Uuid::from_bytes(bytes), self.integration.id)
    }

    /// A record of one good attempt.
    pub(crate) fn record(&self, execution_id: ExecutionId) -> Record {
        let accepted_at = execution_id.issued_at().to_micros();
        let (kind, worker) = (TriggerKind::Webhook, "worker-0123456789".to_owned());
        Record {
            status: ExecutionStatus::Succeeded,
            attempts: 1,
            started_at: Some(accepted_at + Duration::from_micros(1_234)),
            response_status: Some(200),
            ..Record::new(execution_id, self.integration.id, 1, kind, worker, accepted_at + Duration::from_micros(5_678))
        }
    }

    /// A record of one attempt that failed, with its input.
    pub(crate) fn failed_record(&self, execution_id: ExecutionId) -> Record {
        Record {
            status: ExecutionStatus::Failed,
            error: Some(error("the remote said no")),
            response_status: None,
            input: Some(request("in")),
            ..self.record(execution_id)
        }
    }
}

pub(crate) fn error(message: &str) -> ExecutionError {
    ExecutionError::transient(ErrorCode::Remote, message).in_step("price")
}

pub(crate) fn request(body: &str) -> StoredRequest {
    let request = Request {
        method: "POST".to_owned(),
        path: "/t/n".to_owned(),
        query_string: "a=1".to_owned(),
        query: serde_json::Map::from_iter([("a".to_owned(), 1.into())]),
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
    };
    StoredRequest {
        request,
        content_type: Some("text/plain".to_owned()),
        content_encoding: None,
        body: Bytes::from(body.to_owned()),
        redacted: false,
    }
}
