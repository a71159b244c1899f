//! An example call, as the ingress would put it into an envelope.

use forebay_contract::definition::{Definition, Webhook};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::schema::BodySchema;
use forebay_contract::{IdIssuer, IntegrationPath, read_query};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a caller would send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// Absent: POST with a body where that is accepted, else the first accepted method.
    pub method: Option<String>,
    /// Everything after the `?`.
    pub query_string: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The type of the body.
    pub content_type: Option<String>,
    /// The body; absent: none, or the input of a schedule.
    pub body: Option<Vec<u8>>,
}

impl Example {
    /// The envelope of such a call. The ingress refuses a call for the same reasons.
    ///
    /// # Errors
    /// What such a call would be answered, and why.
    pub fn envelope(self, definition: &Definition) -> Result<Envelope, String> {
        let (webhook, schedule) = (definition.trigger.webhook(), definition.trigger.schedule());
        let path: IntegrationPath = definition.path();
        let query = match webhook {
            Some(webhook) => read_query(&self.query_string, &webhook.query).map_err(|errors| {
                format!("such a call gets 400: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            })?,
            None => Map::new(),
        };
        if let (Some(webhook), Some(body)) = (webhook, &self.body) {
            check_schema(webhook, self.content_type.as_deref(), body)?;
        }
        let method = self.method(webhook);
        let (body, content_type) = match (self.body, schedule) {
            (Some(body), _) => (body, self.content_type),
            (None, Some(schedule)) => (schedule.input.to_string().into_bytes(), Some("application/json".to_owned())),
            (None, None) => (Vec::new(), None),
        };
        let mut headers = self.headers;
        headers.extend(content_type.map(|kind| ("content-type".to_owned(), kind)));
        let id = IdIssuer::new(&[0; 32]).issue(Uuid::nil()).map_err(|error| format!("there are no random bytes for an id: {error}"))?;
        let request = Request { method, path: format!("/{path}"), query_string: self.query_string, query, headers };
        let envelope = Envelope::new(id, path, Uuid::nil(), 1, request, body.into());
        Ok(Envelope { due_at: schedule.map(|_| envelope.received_at / 1000), ..envelope })
    }

    fn method(&self, webhook: Option<&Webhook>) -> String {
        if let Some(method) = &self.method {
            return method.to_ascii_uppercase();
        }
        let Some(webhook) = webhook else { return "SCHEDULE".to_owned() };
        let accepts_post = webhook.methods.iter().any(|method| method.as_str() == "POST");
        if self.body.is_some() && accepts_post {
            return "POST".to_owned();
        }
        webhook.methods.first().map_or_else(|| "GET".to_owned(), ToString::to_string)
    }
}

fn check_schema(webhook: &Webhook, content_type: Option<&str>, body: &[u8]) -> Result<(), String> {
    let Some(schema) = &webhook.schema else { return Ok(()) };
    let schema = BodySchema::compile(schema).map_err(|error| format!("trigger.webhook.body.schema: {error}"))?;
    let value: Value =
        crate::body_value(content_type, None, body, webhook.max_bytes).map_err(|error| format!("such a call is refused: {error}"))?;
    let mut lines = vec!["such a call gets 422: the example does not fit the schema of the body".to_owned()];
    lines.extend(schema.problems(&value).iter().map(|problem| format!("    {}: {}", problem.pointer, problem.detail)));
    if lines.len() > 1 { Err(lines.join("\n")) } else { Ok(()) }
}
