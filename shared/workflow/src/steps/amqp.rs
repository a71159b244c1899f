//! The `amqp` step: renders a message and publishes it.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, wrong_kind};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Rendering, Trial};
use forebay_connectors::RemoteMessage;
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::definition::AmqpCall;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::Paced;
use forebay_mapping::payload;
use forebay_mapping::{Encoding, Mapping, Template, Value};
use serde_json::Map;

/// A compiled `amqp` step.
struct AmqpStep {
    connection: Name,
    exchange: Paced<Template>,
    routing_key: Paced<Template>,
    /// Headers by name.
    headers: Vec<(String, Paced<Template>)>,
    content_type: Option<String>,
    body: Option<Paced<Mapping>>,
}

impl StepKind for AmqpCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let exchange = compiler.template(&format!("{path}.exchange"), &self.exchange, Encoding::Scalar);
        let routing_key = compiler.template(&format!("{path}.routing_key"), &self.routing_key, Encoding::Scalar);
        let headers = compiler.templates(&format!("{path}.headers"), &self.headers, Encoding::Scalar);
        let body = compiler.optional_mapping(&format!("{path}.body"), self.body.as_ref());
        let (connection, content_type) = (self.connection.clone(), self.content_type.clone());
        Some(Box::new(AmqpStep { connection, exchange: exchange?, routing_key: routing_key?, headers, content_type, body: body? }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        let mut request = Map::new();
        request.insert("exchange".to_owned(), render.text("exchange", &self.exchange)?.into());
        request.insert("routing_key".to_owned(), render.text("routing_key", &self.routing_key)?.into());
        request.insert("headers".to_owned(), render.texts("headers", &self.headers, Encoding::Scalar)?);
        request.insert("body".to_owned(), render.body_or_input(self.body.as_ref())?);
        Ok(trial::Done::request_by(&self.connection, request))
    }
}

impl CompiledKind for AmqpStep {
    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move { self.publish(step, scope).await.map(Done::Output) })
    }
}

impl AmqpStep {
    async fn publish(&self, step: StepRun<'_>, scope: &Scope) -> Result<Value, ExecutionError> {
        let connection = step.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Amqp(_)) {
            return Err(wrong_kind(&connection, "amqp"));
        }
        let exchange = step.template("exchange", &self.exchange, scope).await?;
        let routing_key = step.template("routing_key", &self.routing_key, scope).await?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push((name.clone(), step.template(&format!("headers.{name}"), value, scope).await?));
        }
        let content_type = self.content_type.as_deref();
        let payload = match &self.body {
            Some(mapping) => payload::of_mapping(mapping, content_type, scope.context.value(), step.budget()).await?,
            None => payload::encode(scope.context.input().clone(), content_type).await?,
        };
        let id = step.idempotency_key();
        let message = RemoteMessage { exchange, routing_key, headers, content_type: payload.content_type, id, body: payload.bytes };
        step.engine().connectors().amqp(&connection, message, step.bounds()).await
    }
}
