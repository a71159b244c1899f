//! The `amqp` step: renders a message and publishes it.

use super::http::{Caller, wrong_kind};
use super::rendered;
use crate::connector::Bounds;
use crate::engine::run_on;
use crate::evaluate::{Budget, Paced};
use crate::mapping::{Mapping, Template, Value};
use crate::payload;
use forebay_broker::RemoteMessage;
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::ExecutionError;
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
        let exchange = rendered("exchange", &self.exchange, context, budget).await?;
        let routing_key = rendered("routing_key", &self.routing_key, context, budget).await?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push((name.clone(), rendered(&format!("headers.{name}"), value, context, budget).await?));
        }
        let output = match &self.body {
            Some(mapping) => mapping.evaluate("body", budget, run_on(context)).await?,
            None => input.clone(),
        };
        let payload = payload::encode(output, self.content_type.as_deref()).await?;
        let id = format!("{}/{}", caller.envelope.execution_id, caller.path);
        let message = RemoteMessage { exchange, routing_key, headers, content_type: payload.content_type, id, body: payload.bytes };
        let options = caller.engine.options();
        let bounds = Bounds { timeout: timeout.unwrap_or(options.step_timeout), most_bytes: options.remote_bytes };
        caller.engine.connectors().amqp(&connection, message, bounds).await
    }
}
