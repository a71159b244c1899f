//! The `amqp` step: publishes a message.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AmqpCall {
    /// The connection.
    pub connection: Name,
    /// The template of the exchange; empty: the default exchange.
    pub exchange: String,
    /// The template of the routing key.
    pub routing_key: String,
    /// The templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// The media type of the body; absent: JSON.
    pub content_type: Option<String>,
    /// The mapping of the body; absent: `.input`.
    pub body: Option<String>,
}

impl StepKind for AmqpCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("amqp")?;
        let connection = fields.name("connection");
        let (exchange, routing_key) = (fields.text_or_blank("exchange"), fields.text_or_blank("routing_key"));
        let headers = fields.texts("headers");
        let content_type = fields.text("content_type");
        let body = fields.mapping("body");
        if let (Ok(exchange), Ok(routing_key)) = (&exchange, &routing_key)
            && [exchange, routing_key].iter().all(|text| text.as_ref().is_none_or(String::is_empty))
        {
            fields.problem("routing_key", "is required with the default exchange: the queue's name");
        }
        fields.finish();
        Ok(Self {
            connection: connection?,
            exchange: exchange?.unwrap_or_default(),
            routing_key: routing_key?.unwrap_or_default(),
            headers: headers?,
            content_type: content_type?,
            body: body?,
        })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/amqp" }),
            json!({
                "amqp": {
                    "description": "Publishes a message; output { messageId }.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "connection": described::name("The connection."),
                        "exchange": described::template("The exchange; absent: the default exchange."),
                        "routing_key": described::template("The routing key; with the default exchange the queue's name."),
                        "headers": described::templates("Headers."),
                        "content_type": { "description": "Media type of the body; absent: JSON.", "type": "string" },
                        "body": described::mapping("The body; absent: .input.")
                    },
                    "required": ["connection"],
                    "anyOf": [{ "required": ["exchange"] }, { "required": ["routing_key"] }]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        format!("{}: {} {}", self.connection, self.exchange, self.routing_key)
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }
}
