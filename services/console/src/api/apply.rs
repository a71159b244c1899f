//! Applies many documents at once: connections first, since steps of definitions use them, and alerts last, since they watch integrations.

use super::integrations::{applied, change, checked, difference, planned, read};
use super::response::{ApiResult, ok};
use crate::auth::Caller;
use actix_web::web;
use forebay_admin_api::apply::{Applied, AppliedAlert, AppliedConnection, ApplyRequest};
use forebay_admin_api::integrations::WrittenDocument;
use forebay_contract::alert::Alert;
use forebay_contract::connection::Connection;
use forebay_contract::definition::Problem;
use forebay_operations::{NewAlert, NewConnection, OperationError, PlannedAlert, PlannedConnection};
use forebay_store::{NewDefinition, Role};
use serde_json::json;
use std::collections::HashMap;

fn connection(one: PlannedConnection) -> AppliedConnection {
    AppliedConnection {
        connection: format!("{}/{}", one.tenant, one.name),
        change: change(one.change),
        kind: one.kind.to_owned(),
        enabled: one.enabled,
        was_enabled: one.was_enabled,
        differences: one.differences.iter().map(difference).collect(),
        secrets: one.secrets.into_iter().map(|(path, change)| (path, json!(change))).collect(),
        unknown: one.unknown,
    }
}

fn alert(one: PlannedAlert) -> AppliedAlert {
    AppliedAlert {
        alert: one.path.to_string(),
        change: change(one.change),
        when: one.when.to_owned(),
        enabled: one.enabled,
        was_enabled: one.was_enabled,
        differences: one.differences.iter().map(difference).collect(),
        notes: one.notes,
    }
}

/// The documents of a request, by kind.
#[derive(Default)]
struct Documents {
    /// The index of each document by its description, such as `connection t37ed/erp`.
    places: HashMap<String, usize>,
    definitions: Vec<NewDefinition>,
    connections: Vec<NewConnection>,
    alerts: Vec<NewAlert>,
}

impl Documents {
    async fn read(documents: Vec<WrittenDocument>) -> Result<Self, OperationError> {
        let (mut all, mut problems) = (Self::default(), Vec::new());
        for (place, written) in documents.into_iter().enumerate() {
            match all.add(place, written).await {
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
        if problems.is_empty() { Ok(all) } else { Err(OperationError::Problems(problems)) }
    }

    /// Adds a document. Returns the problem if the request has another document of the same name.
    async fn add(&mut self, place: usize, written: WrittenDocument) -> Result<Option<String>, OperationError> {
        let secret_fields = written.secret_fields.iter().cloned().collect();
        let (document, source) = read(written).map_err(|failure| OperationError::Invalid(failure.detail))?;
        let what = if Connection::is_document(&document) {
            let new = NewConnection::read(document, secret_fields).map_err(OperationError::Problems)?;
            let what = format!("connection {}/{}", new.connection.tenant, new.connection.name);
            self.connections.push(new);
            what
        } else if Alert::is_document(&document) {
            let new = NewAlert::read(document).map_err(OperationError::Problems)?;
            let what = format!("alert rule {}/{}", new.alert.tenant, new.alert.name);
            self.alerts.push(new);
            what
        } else {
            let new = checked(document, source).await?;
            let what = format!("integration {}", new.definition.path());
            self.definitions.push(new);
            what
        };
        let first = self.places.entry(what.clone()).or_insert(place);
        Ok((*first != place).then(|| format!("defines the {what}, as documents[{first}] does: remove one of the two")))
    }
}

/// `POST /apply`: stores everything, or nothing if a document has a problem.
pub(super) async fn apply(caller: Caller, request: web::Json<ApplyRequest>) -> ApiResult {
    let ApplyRequest { documents, dry_run } = request.into_inner();
    let Documents { definitions, connections, alerts, .. } = Documents::read(documents).await?;
    let (operations, actor) = (&caller.state.operations, &caller.actor);
    let needed = if dry_run { Role::Viewer } else { Role::Developer };
    let tenants = definitions.iter().map(|new| &new.definition.tenant).chain(connections.iter().map(|new| &new.connection.tenant));
    for tenant in tenants.chain(alerts.iter().map(|new| &new.alert.tenant)) {
        // Checked before anything is stored.
        actor.may(tenant, needed)?;
    }
    let (stored, done, stored_alerts) = if dry_run {
        let done = operations.plan(actor, &definitions).await?.iter().map(planned).collect();
        (operations.plan_connections(actor, &connections).await?, done, operations.plan_alerts(actor, &alerts).await?)
    } else {
        let stored = operations.apply_connections(actor, &connections).await?;
        let done = operations.apply(actor, &definitions).await?.iter().map(applied).collect();
        (stored, done, operations.apply_alerts(actor, &alerts).await?)
    };
    let connections = stored.into_iter().map(connection).collect();
    ok(Applied { connections, definitions: done, alerts: stored_alerts.into_iter().map(alert).collect() })
}
