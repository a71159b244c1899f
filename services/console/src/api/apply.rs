//! Applying many documents at once: connections first, since the definitions' steps use them, and alerts last, since they watch integrations.

use super::integrations::{AppliedDefinition, Written, applied, checked, planned};
use super::{ApiResult, ok};
use crate::auth::Caller;
use actix_web::web;
use forebay_contract::alert::Alert;
use forebay_contract::connection::Connection;
use forebay_contract::definition::Problem;
use forebay_operations::{Difference, NewAlert, NewConnection, OperationError, PlannedAlert, PlannedConnection};
use forebay_store::{Change, NewDefinition, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use utoipa::ToSchema;

/// Definitions, connections and alerts to apply together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Apply {
    /// Definitions, connections with their secrets as text, and alerts.
    documents: Vec<Written>,
    /// Only says what would change.
    #[serde(default)]
    dry_run: bool,
}

/// What applying did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApplyDone)]
pub(super) struct Done {
    connections: Vec<AppliedConnection>,
    definitions: Vec<AppliedDefinition>,
    alerts: Vec<AppliedAlert>,
}

/// What storing a connection did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppliedConnection {
    /// `tenant/name`.
    connection: String,
    #[schema(value_type = String)]
    change: Change,
    /// Such as `http`.
    kind: &'static str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    was_enabled: Option<bool>,
    /// Every field that changes and is no secret.
    differences: Value,
    /// Every secret by its path: `changed`, `unchanged`, `added`, `removed`.
    #[schema(value_type = Object)]
    secrets: Map<String, Value>,
    /// Why it could not be compared with what is stored; then it counts as updated.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

/// What storing an alert did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppliedAlert {
    /// `tenant/name`.
    alert: String,
    #[schema(value_type = String)]
    change: Change,
    /// `failure_rate`, `oldest_age`, `halted` or `silent`.
    when: &'static str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    was_enabled: Option<bool>,
    /// Every field that changes.
    differences: Value,
    /// What it names and what does not exist yet.
    notes: Vec<String>,
}

fn connection(one: PlannedConnection) -> AppliedConnection {
    AppliedConnection {
        connection: format!("{}/{}", one.tenant, one.name),
        change: one.change,
        kind: one.kind,
        enabled: one.enabled,
        was_enabled: one.was_enabled,
        differences: one.differences.iter().map(Difference::object).collect(),
        secrets: one.secrets.into_iter().map(|(path, change)| (path, json!(change))).collect(),
        unknown: one.unknown,
    }
}

fn alert(one: PlannedAlert) -> AppliedAlert {
    AppliedAlert {
        alert: one.path.to_string(),
        change: one.change,
        when: one.when,
        enabled: one.enabled,
        was_enabled: one.was_enabled,
        differences: one.differences.iter().map(Difference::object).collect(),
        notes: one.notes,
    }
}

/// What was sent, read and parted by its kind.
#[derive(Default)]
struct Documents {
    /// What is there, such as `the connection t37ed/erp`, and at which place.
    places: HashMap<String, usize>,
    definitions: Vec<NewDefinition>,
    connections: Vec<NewConnection>,
    alerts: Vec<NewAlert>,
}

impl Documents {
    async fn read(documents: Vec<Written>) -> Result<Self, OperationError> {
        let (mut read, mut problems) = (Self::default(), Vec::new());
        for (place, written) in documents.into_iter().enumerate() {
            match read.add(place, written).await {
                Ok(None) => {}
                Ok(Some(again)) => problems.push(Problem { path: format!("documents[{place}]"), message: again }),
                Err(OperationError::Problems(found)) => {
                    problems.extend(
                        found.into_iter().map(|problem| Problem { path: format!("documents[{place}].{}", problem.path), ..problem }),
                    );
                }
                Err(error) => return Err(error),
            }
        }
        if problems.is_empty() { Ok(read) } else { Err(OperationError::Problems(problems)) }
    }

    /// What is wrong where the same is there twice.
    async fn add(&mut self, place: usize, written: Written) -> Result<Option<String>, OperationError> {
        let secret_fields = written.secret_fields.iter().cloned().collect();
        let (document, source) = written.read().map_err(|failure| OperationError::Invalid(failure.detail))?;
        let what = if Connection::is_document(&document) {
            let new = NewConnection::read(document, secret_fields).map_err(OperationError::Problems)?;
            let what = format!("the connection {}/{}", new.connection.tenant, new.connection.name);
            self.connections.push(new);
            what
        } else if Alert::is_document(&document) {
            let new = NewAlert::read(document).map_err(OperationError::Problems)?;
            let what = format!("the alert {}/{}", new.alert.tenant, new.alert.name);
            self.alerts.push(new);
            what
        } else {
            let new = checked(document, source).await?;
            let what = format!("the integration {}", new.definition.path());
            self.definitions.push(new);
            what
        };
        let first = self.places.entry(what.clone()).or_insert(place);
        Ok((*first != place).then(|| format!("is {what}, as documents[{first}] is: leave one of the two out")))
    }
}

/// `POST /apply`: nothing is written unless all of it is right.
pub(super) async fn apply(caller: Caller, request: web::Json<Apply>) -> ApiResult {
    let Apply { documents, dry_run } = request.into_inner();
    let Documents { definitions, connections, alerts, .. } = Documents::read(documents).await?;
    let (operations, actor) = (&caller.state.operations, &caller.actor);
    let needed = if dry_run { Role::Viewer } else { Role::Developer };
    let tenants = definitions.iter().map(|new| &new.definition.tenant).chain(connections.iter().map(|new| &new.connection.tenant));
    for tenant in tenants.chain(alerts.iter().map(|new| &new.alert.tenant)) {
        // Before a connection is stored: all of it, or nothing.
        actor.may(tenant, needed)?;
    }
    let (stored, done, told) = if dry_run {
        let done = operations.plan(actor, &definitions).await?.iter().map(planned).collect();
        (operations.plan_connections(actor, &connections).await?, done, operations.plan_alerts(actor, &alerts).await?)
    } else {
        let stored = operations.apply_connections(actor, &connections).await?;
        let done = operations.apply(actor, &definitions).await?.iter().map(applied).collect();
        (stored, done, operations.apply_alerts(actor, &alerts).await?)
    };
    let connections = stored.into_iter().map(connection).collect();
    ok(Done { connections, definitions: done, alerts: told.into_iter().map(alert).collect() })
}
