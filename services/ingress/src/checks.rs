//! Additional checks of calls by some endpoints: a schema of the body, and an idempotency key that a mapping returns. They are compiled
//! once for each version, at the first call.

use crate::problem::Problem;
use forebay_contract::body::{BodyRule, Reading};
use forebay_contract::definition::Webhook;
use forebay_contract::envelope::Envelope;
use forebay_contract::schema::BodySchema;
use forebay_fairness::run_fairly;
use forebay_mapping::body::body_value;
use forebay_store::Integration;
use forebay_workflow::KeyMapping;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Maximum versions in the cache, more than are in use at the same time; when it is full, it is cleared.
const MAX_VERSIONS: usize = 10_000;
/// Bodies larger than this are checked on another thread, which tenants use in turns.
pub(crate) const LARGE_BODY: usize = 64 * 1024;

/// The compiled checks of one version.
pub(crate) struct Checks {
    /// Options of reading bodies.
    rule: BodyRule,
    schema: Option<BodySchema>,
    key: Option<KeyMapping>,
}

/// The compiled checks of all versions in use.
#[derive(Default)]
pub(crate) struct CheckCache(Mutex<HashMap<(Uuid, i32), Arc<Checks>>>);

impl CheckCache {
    /// Returns the checks of an endpoint; `None` if it has none.
    pub(crate) fn of(&self, integration: &Integration, webhook: &Webhook) -> Result<Option<Arc<Checks>>, Problem> {
        if webhook.schema.is_none() && webhook.idempotency.key.is_none() {
            return Ok(None);
        }
        let mut cache = self.0.lock();
        let version = (integration.id, integration.version);
        if let Some(checks) = cache.get(&version) {
            return Ok(Some(checks.clone()));
        }
        // Both compiled without errors when the definition was applied.
        let broken = |what: &str, error: String| {
            tracing::error!(forebay.integration.id = %integration.id, error, "the {what} of an endpoint does not compile");
            Problem::internal("The endpoint's definition cannot be used.")
        };
        let schema = webhook.schema.as_ref().map(BodySchema::compile).transpose().map_err(|error| broken("schema", error))?;
        let key = webhook.idempotency.key.as_deref().map(KeyMapping::compile).transpose();
        let key = key.map_err(|error| broken("idempotency key", error.to_string()))?;
        if cache.len() >= MAX_VERSIONS {
            cache.clear();
        }
        let checks = Arc::new(Checks { rule: webhook.body.clone(), schema, key });
        cache.insert(version, checks.clone());
        Ok(Some(checks))
    }
}

impl Checks {
    /// Validates the body against the schema. A call without a body is not validated if its method has none.
    pub(crate) async fn body(self: &Arc<Self>, envelope: &Envelope, max_bytes: usize) -> Result<(), Problem> {
        let has_no_body = envelope.body.is_empty() && ["GET", "DELETE"].contains(&envelope.request.method.as_str());
        let Some(schema) = self.schema.as_ref().filter(|_| !has_no_body) else { return Ok(()) };
        let is_costly = envelope.body.len() > LARGE_BODY || envelope.content_encoding.is_some() || schema.is_counted();
        let (checks, body) = (self.clone(), envelope.body.clone());
        let (content_type, encoding) = (envelope.content_type.clone(), envelope.content_encoding.clone());
        let check = move || checks.problems(content_type.as_deref(), encoding.as_deref(), &body, max_bytes);
        if !is_costly {
            return check();
        }
        run_fairly(&envelope.tenant, check).await.map_err(|error| Problem::not_worked_on(&error))?
    }

    fn problems(&self, content_type: Option<&str>, encoding: Option<&str>, body: &[u8], max_bytes: usize) -> Result<(), Problem> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let reading = Reading { rule: &self.rule, max_bytes };
        let value = body_value(reading, content_type, encoding, body).map_err(|error| Problem::body(&error))?;
        schema.check(&value).map_err(|error| Problem::schema(&error))
    }

    /// Returns the key that the definition's mapping returns; `None`: the definition has no such mapping. The inner `None`: the call has no
    /// key.
    pub(crate) async fn key(&self, envelope: &Envelope, max_bytes: usize) -> Result<Option<Option<String>>, Problem> {
        match &self.key {
            None => Ok(None),
            Some(mapping) => mapping
                .key(envelope, Reading { rule: &self.rule, max_bytes })
                .await
                .map(Some)
                .map_err(|error| Problem::no_idempotency_key(&error)),
        }
    }
}
