//! A worker with the store and broker of [`super::memory`], the integration `acme/Main`, and the integrations that it may call.

use super::memory::{Event, Memory};
use crate::execution::attempts::Running;
use crate::execution::ports::{CallReply, Urgency};
use crate::execution::{Delivered, Disposition, ExecutionParts, Executions, SharedQueue, Source};
use crate::recording::Statistics;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, Response};
use forebay_contract::{IdIssuer, SharedQueueNumber, UnixMicros};
use forebay_runtime::telemetry::Traces;
use forebay_store::{Connections, Decision, Integration, Record, Snapshot, SnapshotHandle, TriggerPhase, TriggerState};
use forebay_workflow::{Engine, EngineOptions};
use serde_json::Map;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The id of `acme/Main`.
pub(super) const MAIN: Uuid = Uuid::from_u128(1);
/// The id of `acme/Erp`, an ordered integration: the test replies in its place.
pub(super) const ERP: Uuid = Uuid::from_u128(2);
/// The id of `acme/Sub`, which runs in the place of its caller.
pub(super) const SUB: Uuid = Uuid::from_u128(3);

pub(super) const WORK: Source = Source::SharedQueue(SharedQueue { number: SharedQueueNumber::new(0), is_awaited: false });
pub(super) const CALL: Source = Source::SharedQueue(SharedQueue { number: SharedQueueNumber::new(0), is_awaited: true });
pub(super) const ORDERED: Source = Source::ExclusiveQueue { is_ordered: true };

/// A trigger that is ordered and halts on a failure.
pub(super) const HALTS: &str = "trigger: { webhook: { ordered: true } }\non_failure: halt\n";
/// A step that calls `acme/Erp`; the test gives its replies.
pub(super) const CALL_ERP: &str = "steps: [{ id: erp, call: { integration: Erp } }]";

pub(super) struct Worker {
    executions: Executions,
    pub(super) memory: Memory,
}

pub(super) fn definition(name: &str, rest: &str) -> Definition {
    let text = format!("tenant: acme\nname: {name}\n{rest}\n");
    let text = if rest.contains("trigger:") { text } else { format!("{text}trigger: {{ webhook: {{}} }}\n") };
    Definition::from_value(&documents(&text).unwrap()[0]).unwrap()
}

fn integration(id: Uuid, name: &str, rest: &str) -> Integration {
    Integration { id, version: 1, definition: Arc::new(definition(name, rest)) }
}

impl Worker {
    /// Creates a worker on which `acme/Main` has this workflow.
    pub(super) fn new(main: &str) -> Self {
        Self::with(main, "steps: [{ id: a, set: '\"sub\"' }]", None)
    }

    /// Creates a worker as [`Self::new`] does, with the trigger of `acme/Main` halted at this execution.
    pub(super) fn halted(main: &str, execution: &Envelope, decision: Option<Decision>) -> Self {
        let error = Some(ExecutionError::permanent(ErrorCode::Remote, "halted it"));
        let execution_id = Some(execution.execution_id.unique());
        Self::with(
            main,
            "steps: []",
            Some(TriggerState { phase: TriggerPhase::Halted, execution_id, error, since: UnixMicros::default(), decision }),
        )
    }

    pub(super) fn with(main: &str, sub: &str, halt: Option<TriggerState>) -> Self {
        let erp = integration(ERP, "Erp", "trigger: { webhook: { ordered: true } }");
        let integrations = [integration(MAIN, "Main", main), erp, integration(SUB, "Sub", sub)];
        let halts: HashMap<Uuid, TriggerState> = halt.into_iter().map(|halt| (MAIN, halt)).collect();
        let snapshot = SnapshotHandle::fixed(Snapshot::of(integrations, halts));
        let memory = Memory::default();
        let executions = Executions::new(ExecutionParts {
            engine: Engine::new(EngineOptions::default()).unwrap(),
            store: Arc::new(memory.clone()),
            broker: Arc::new(memory.clone()),
            connections: Connections::new(snapshot.clone(), None),
            snapshot,
            ids: ids(),
            statistics: Statistics::default(),
            running: Running::default(),
            worker: "worker-1".to_owned(),
            traces: Traces::HandedOn,
            execution_timeout: Duration::from_secs(60),
        });
        Self { executions, memory }
    }

    /// Executes a first delivery.
    pub(super) async fn deliver(&self, envelope: &Envelope, source: Source) -> Disposition {
        self.execute(&delivered(envelope, source)).await
    }

    pub(super) async fn execute(&self, delivered: &Delivered) -> Disposition {
        self.executions.execute(delivered, |_| async {}).await
    }

    pub(super) fn reply_with(&self, replies: impl IntoIterator<Item = CallReply>) {
        self.memory.state().replies.extend(replies);
    }

    /// Handles a message that the broker removed from its queue.
    pub(super) async fn dead_letter(&self, envelope: &Envelope, reason: &str) -> Disposition {
        self.executions.dead_letter(envelope, Some(reason), 21).await
    }

    /// Returns all operations so far.
    pub(super) fn events(&self) -> Vec<Event> {
        self.memory.state().events.clone()
    }

    /// Returns the records of ends, in order.
    pub(super) fn ends(&self) -> Vec<Record> {
        let is_end = |record: &Record| !matches!(record.status, ExecutionStatus::Queued | ExecutionStatus::Running);
        self.records().into_iter().map(|(record, _)| record).filter(is_end).collect()
    }

    /// Returns the only record of an end.
    pub(super) fn end(&self) -> Record {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends.into_iter().next().unwrap()
    }

    pub(super) fn records(&self) -> Vec<(Record, Urgency)> {
        let record = |event| match event {
            Event::Recorded(record, urgency) => Some((*record, urgency)),
            _ => None,
        };
        self.events().into_iter().filter_map(record).collect()
    }

    /// Returns the replies to the caller, in order.
    pub(super) fn replies(&self) -> Vec<Ending> {
        let reply = |event| match event {
            Event::Replied(to, ending) => {
                assert_eq!(to, "reply.1");
                Some(ending)
            }
            _ => None,
        };
        self.events().into_iter().filter_map(reply).collect()
    }

    /// Returns the envelopes that were deferred, each with its delay in seconds.
    pub(super) fn deferred(&self) -> Vec<(Envelope, u32)> {
        let deferred = |event| match event {
            Event::Published(envelope, Some(delay)) => Some((*envelope, delay)),
            _ => None,
        };
        self.events().into_iter().filter_map(deferred).collect()
    }

    /// Returns the number of calls of `acme/Erp`.
    pub(super) fn calls(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, Event::Called(_))).count()
    }
}

fn ids() -> IdIssuer {
    IdIssuer::new(b"test")
}

/// Returns a call of `acme/Main` whose caller waits for the reply.
pub(super) fn call() -> Envelope {
    let request = Request {
        method: "POST".to_owned(),
        path: "/acme/Main".to_owned(),
        query_string: String::new(),
        query: Map::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    let path = "acme/Main".parse().unwrap();
    let envelope = Envelope::new(ids().issue(MAIN).unwrap(), path, MAIN, 1, request, r#"{"n":1}"#.into());
    Envelope { reply_to: Some("reply.1".to_owned()), ..envelope }
}

pub(super) fn delivered(envelope: &Envelope, source: Source) -> Delivered {
    let (envelope, lost) = (envelope.clone(), CancellationToken::new());
    Delivered { envelope, redelivered: false, redeliveries: 0, source, lost, nested: 0 }
}

/// Returns a redelivery of the message.
pub(super) fn redelivered(envelope: &Envelope, source: Source) -> Delivered {
    Delivered { redelivered: true, redeliveries: 1, ..delivered(envelope, source) }
}

pub(super) fn succeeds() -> CallReply {
    CallReply::Ended(Ending::Succeeded(Response { status: 200, headers: Vec::new(), body: "".into() }))
}

/// Returns a transient failure.
pub(super) fn fails() -> CallReply {
    CallReply::Ended(Ending::Failed(ExecutionError::transient(ErrorCode::Remote, "503")))
}

/// Returns a transient failure with a `Retry-After`.
pub(super) fn fails_and_asks_for(seconds: u64) -> CallReply {
    let error = ExecutionError::transient(ErrorCode::Remote, "503");
    CallReply::Ended(Ending::Failed(ExecutionError { retry_after: Some(Duration::from_secs(seconds)), ..error }))
}
