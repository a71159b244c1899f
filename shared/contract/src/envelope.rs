//! The envelope: an accepted call as a message of the broker. The body of the message is the HTTP body byte for byte; everything else is in
//! the message's properties and headers, whose names are defined here.

pub use crate::request::{CALL_METHOD, Request};

use crate::definition::Schedule;
use crate::id::ExecutionId;
use crate::name::{IntegrationPath, Name};
use crate::unix_time::{UnixMicros, UnixMillis};
use bytes::Bytes;
use serde_json::Map;
use std::time::Duration;
use uuid::Uuid;

/// The version that is written. A worker reads every version from 1 to this one.
pub const ENVELOPE_VERSION: u32 = 1;

/// Message header names. They are few, since each entry of the header table costs the broker and both clients about as much as 200 bytes of
/// body; so the fields that only Forebay reads are one JSON text.
pub mod header {
    /// Everything of the call except its body, as JSON (text): `envelope` (its version), `tenant`, `integration`, `integrationId`,
    /// `version`, `receivedAt`, `deadline`, `attempts`, `once`, `resumes`, `redeliveries`, `dueAt`, `callDepth`, `caller` and `request`.
    pub const CALL: &str = "forebay-call";
    /// W3C trace context (text).
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context (text).
    pub const TRACESTATE: &str = "tracestate";
}

/// W3C trace context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// Vendor-specific state; may be absent.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// Returns the id of the trace, if it is sampled; no spans of other traces are stored.
    #[must_use]
    pub fn sampled_id(&self) -> Option<u128> {
        let mut parts = self.traceparent.split('-');
        let (_version, id, _span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        u128::from_str_radix(id, 16).ok().filter(|id| is_sampled && *id != 0)
    }
}

/// An accepted call.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The id of the execution; also the message id, and the correlation id of the reply.
    pub execution_id: ExecutionId,
    /// The tenant.
    pub tenant: Name,
    /// The integration's name.
    pub integration: Name,
    /// The integration's id, which names its exclusive queue.
    pub integration_id: Uuid,
    /// The version of the definition that accepted the call.
    pub version: i32,
    /// Method, path, query and headers.
    pub request: Request,
    /// The Content-Type as it was sent.
    pub content_type: Option<String>,
    /// The Content-Encoding as it was sent.
    pub content_encoding: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The time at which the ingress had received the call.
    pub received_at: UnixMicros,
    /// The time after which an execution that has not begun must not begin; absent: it always runs.
    pub deadline: Option<UnixMillis>,
    /// The queue on which the caller's ingress waits for the reply; absent: the caller does not wait.
    pub reply_to: Option<String>,
    /// The trace that the call belongs to.
    pub trace: Option<TraceContext>,
    /// Attempts before this message: more than 0 after a delayed retry.
    pub attempts: u32,
    /// The token with which this message claims its execution in the store before it runs ([`Envelope::new_claim_token`]). Set where an
    /// execution may be published more than once: a repeated call, a due run, a call by another execution.
    pub claim_token: Option<i64>,
    /// True if the execution was deferred by a `wait`, and resumes from its checkpoints.
    pub resumes: bool,
    /// Number of deliveries of an earlier message of the execution, from which this one was moved to another queue: if it is more than 0,
    /// the execution may have begun.
    pub redeliveries: u32,
    /// The time at which a scheduled run was due; absent: it is not one.
    pub due_at: Option<UnixMillis>,
    /// Number of executions that called one another before this one; 0: no execution called it.
    pub call_depth: u32,
    /// Id of the API key of the caller, which may read the outcome. Absent: the call had none (an open endpoint, a signed call, a schedule,
    /// a person, another execution).
    pub caller: Option<Uuid>,
}

impl Envelope {
    /// Creates the envelope of a call that is received now, without a waiting caller. Its content type and encoding are those of its
    /// headers.
    #[must_use]
    pub fn new(
        execution_id: ExecutionId,
        path: IntegrationPath,
        integration_id: Uuid,
        version: i32,
        request: Request,
        body: Bytes,
    ) -> Self {
        Self {
            execution_id,
            tenant: path.tenant,
            integration: path.name,
            integration_id,
            version,
            content_type: request.header("content-type").map(str::to_owned),
            content_encoding: request.header("content-encoding").map(str::to_owned),
            request,
            body,
            received_at: UnixMicros::now(),
            deadline: None,
            reply_to: None,
            trace: None,
            attempts: 0,
            claim_token: None,
            resumes: false,
            redeliveries: 0,
            due_at: None,
            call_depth: 0,
            caller: None,
        }
    }

    /// Creates the envelope of a scheduled run that was due at `due`, without a waiting caller.
    #[must_use]
    pub fn of_schedule(
        execution_id: ExecutionId,
        path: IntegrationPath,
        integration_id: Uuid,
        version: i32,
        schedule: &Schedule,
        due: UnixMillis,
    ) -> Self {
        let request = Request {
            method: "SCHEDULE".to_owned(),
            path: format!("/{path}"),
            query_string: String::new(),
            query: Map::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        let body = schedule.input.to_string().into_bytes().into();
        Self { due_at: Some(due), ..Self::new(execution_id, path, integration_id, version, request, body) }
    }

    /// Returns the time within which the execution must begin: zero if it is too late. `None`: it may begin at any time, or has begun.
    #[must_use]
    pub fn time_to_begin(&self) -> Option<Duration> {
        // An execution that resumes after a wait has begun in time.
        let deadline = self.deadline.filter(|_| !self.resumes)?;
        Some(deadline.since(UnixMillis::now()))
    }

    /// Returns a random [claim token](Envelope::claim_token).
    #[must_use]
    pub fn new_claim_token() -> i64 {
        let mut bytes = [0; 8];
        // Without random bytes, messages at least differ by their time.
        getrandom::fill(&mut bytes).map_or_else(|_| UnixMicros::now().get(), |()| i64::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Envelope, TraceContext};
    use crate::{IdIssuer, UnixMillis};
    use std::time::Duration;
    use uuid::Uuid;

    #[test]
    fn an_execution_that_has_not_begun_must_begin_before_its_deadline() {
        let request = serde_json::from_str(r#"{"method":"GET","path":"/t/n","headers":[]}"#).unwrap();
        let (id, path) = (IdIssuer::new(b"k").issue(Uuid::nil()).unwrap(), "t/n".parse().unwrap());
        let envelope = Envelope::new(id, path, Uuid::nil(), 1, request, "".into());
        let now = UnixMillis::now();
        let left = |deadline, resumes| Envelope { deadline, resumes, ..envelope.clone() }.time_to_begin();
        assert_eq!((left(None, false), left(Some(now - Duration::from_millis(1)), true)), (None, None));
        assert_eq!((left(Some(now), false), left(Some(now - Duration::from_secs(5)), false)), (Some(Duration::ZERO), Some(Duration::ZERO)));
        let left = left(Some(now + Duration::from_secs(60)), false).unwrap();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
    }

    #[test]
    fn only_a_sampled_trace_has_an_id() {
        let id = |traceparent: &str| TraceContext { traceparent: traceparent.to_owned(), tracestate: None }.sampled_id();
        let known = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        assert_eq!(id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(known));
        assert_eq!(id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"), Some(known));
        for none in ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "00-00000000000000000000000000000000-1-01", "", "x"] {
            assert_eq!(id(none), None, "{none}");
        }
    }
}
