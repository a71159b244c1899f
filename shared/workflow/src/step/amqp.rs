//! The `amqp` step: renders a message and publishes it.

use super::{Caller, wrong_kind};
use forebay_connectors::RemoteMessage;
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::payload;
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Template, Value};
use std::time::Duration;

/// An `amqp` step, compiled.
pub(crate) struct AmqpStep {
    pub connection: Name,
    pub exchange: Paced<Template>,
    pub routing_key: Paced<Template>,
    /// By name, as written.
    pub headers: Vec<(String, Paced<Template>)>,
    pub content_type: Option<String>,
    pub body: Option<Paced<Mapping>>,
}

impl AmqpStep {
    /// `input` is the body where the step maps none.
    pub(crate) async fn run(
        &self,
        caller: Caller<'_>,
        timeout: Option<Duration>,
        context: &Value,
        input: &Value,
        budget: &Budget,
    ) -> Result<Value, ExecutionError> {
        let connection = caller.host.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Amqp(_)) {
            return Err(wrong_kind(&connection, "amqp"));
        }
        let exchange = self.exchange.text("exchange", context, budget).await?;
        let routing_key = self.routing_key.text("routing_key", context, budget).await?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.text(&format!("headers.{name}"), context, budget).await?));
        }
        let content_type = self.content_type.as_deref();
        let payload = match &self.body {
            Some(mapping) => payload::of_mapping(mapping, content_type, context, budget).await?,
            None => payload::encode(input.clone(), content_type).await?,
        };
        let id = caller.idempotency_key();
        let message = RemoteMessage { exchange, routing_key, headers, content_type: payload.content_type, id, body: payload.bytes };
        caller.engine.connectors().amqp(&connection, message, caller.bounds(timeout)).await
    }
}
