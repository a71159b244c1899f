//! An example call, converted to an envelope as by the ingress.

use forebay_contract::definition::{Trigger, Webhook};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::schema::{BodySchema, SchemaError};
use forebay_contract::{IdIssuer, IntegrationPath, QueryError, read_query};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The request of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// The method; absent: POST with a body if that is accepted, otherwise the first accepted method.
    pub method: Option<String>,
    /// The text after the `?`.
    pub query_string: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The type of the body.
    pub content_type: Option<String>,
    /// The body; absent: none, or the input of a schedule.
    pub body: Option<Vec<u8>>,
}

/// The reason for which an example has no envelope.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// The query does not match the declared parameters.
    #[error("such a call gets 400: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Query(Vec<QueryError>),
    /// The body is not valid for its type.
    #[error("such a call is refused: {0}")]
    Body(String),
    /// The body is not valid by the schema; one line for each problem.
    #[error("such a call gets 422: the example does not fit the schema of the body{}", .0.iter().map(|line| format!("\n    {line}")).collect::<String>())]
    Misfit(Vec<String>),
    /// The schema of the definition is not valid.
    #[error("trigger.webhook.body.schema: {0}")]
    Schema(String),
    /// The operating system gave no random bytes.
    #[error("there are no random bytes for an id")]
    Id,
}

impl Example {
    /// Returns the envelope of the call. The ingress refuses a call for the same reasons; without a trigger every call is accepted.
    ///
    /// # Errors
    /// The response to such a call, and the reason.
    pub fn envelope(self, path: IntegrationPath, trigger: Option<&Trigger>) -> Result<Envelope, ExampleError> {
        let (webhook, schedule) = (trigger.and_then(Trigger::webhook), trigger.and_then(Trigger::schedule));
        let query = match webhook {
            Some(webhook) => read_query(&self.query_string, &webhook.query).map_err(ExampleError::Query)?,
            None => form_urlencoded::parse(self.query_string.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
                .collect::<Map<_, _>>(),
        };
        if let (Some(webhook), Some(body)) = (webhook, &self.body) {
            check_schema(webhook, self.content_type.as_deref(), body)?;
        }
        let method = self.method(webhook, schedule.is_some());
        let (body, content_type) = match (self.body, schedule) {
            (Some(body), _) => (body, self.content_type),
            (None, Some(schedule)) => {
                (schedule.input.to_string().into_bytes(), self.content_type.or_else(|| Some("application/json".to_owned())))
            }
            (None, None) => (Vec::new(), self.content_type),
        };
        let mut headers: Vec<(String, String)> = content_type.map(|kind| ("content-type".to_owned(), kind)).into_iter().collect();
        headers.extend(self.headers);
        let id = IdIssuer::new(&[0; 32]).issue(Uuid::nil()).map_err(|_| ExampleError::Id)?;
        let request = Request { method, path: format!("/{path}"), query_string: self.query_string, query, headers };
        let envelope = Envelope::new(id, path, Uuid::nil(), 1, request, body.into());
        Ok(Envelope { due_at: schedule.map(|_| envelope.received_at.to_millis()), ..envelope })
    }

    fn method(&self, webhook: Option<&Webhook>, is_scheduled: bool) -> String {
        if let Some(method) = &self.method {
            return method.to_ascii_uppercase();
        }
        if is_scheduled {
            return "SCHEDULE".to_owned();
        }
        let accepts_post = webhook.is_none_or(|webhook| webhook.methods.iter().any(|method| method.as_str() == "POST"));
        if self.body.is_some() && accepts_post {
            return "POST".to_owned();
        }
        webhook.and_then(|webhook| webhook.methods.first()).map_or_else(|| "GET".to_owned(), ToString::to_string)
    }
}

fn check_schema(webhook: &Webhook, content_type: Option<&str>, body: &[u8]) -> Result<(), ExampleError> {
    let Some(schema) = &webhook.schema else { return Ok(()) };
    let schema = BodySchema::compile(schema).map_err(|error| ExampleError::Schema(error.to_string()))?;
    let value: Value = forebay_mapping::body::body_value(webhook.reading(), content_type, None, body)
        .map_err(|error| ExampleError::Body(error.to_string()))?;
    match schema.check(&value) {
        Ok(()) => Ok(()),
        Err(SchemaError::Problems(problems)) => {
            Err(ExampleError::Misfit(problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.detail)).collect()))
        }
        Err(error @ (SchemaError::Unlisted | SchemaError::TooMuchWork)) => Err(ExampleError::Misfit(vec![error.to_string()])),
    }
}
