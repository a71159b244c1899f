//! The `triggers` verbs.

use forebay_contract::IntegrationPath;
use forebay_store::{Store, TriggerRow};
use serde_json::json;

use crate::apply::author;
use crate::args::Triggers;
use crate::error::Error;
use crate::output::{Output, Row, rfc3339};

/// `forebay triggers ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Triggers) -> Result<(), Error> {
    match command {
        Triggers::List { tenant } => {
            let triggers = store.list_triggers(tenant.as_ref()).await?;
            let rows = triggers.into_iter().map(row).collect();
            output.listing(&["trigger", "policy", "enabled", "state", "worker", "halted at", "error"], rows, "no triggers")
        }
        Triggers::Resume { path } => {
            store.resume_trigger(&path, &author()).await?;
            decided(output, &path, "resume", "the failed execution runs again")
        }
        Triggers::Skip { path } => {
            store.skip_trigger(&path, &author()).await?;
            decided(output, &path, "skip", "it goes on without the failed execution")
        }
    }
}

fn decided(output: &Output, path: &IntegrationPath, decision: &str, effect: &str) -> Result<(), Error> {
    let object = json!({ "tenant": path.tenant.as_str(), "integration": path.name.as_str(), "decision": decision });
    output.one(&format!("{path}: {effect}"), &object)
}

fn row(trigger: TriggerRow) -> Row {
    let object = json!({
        "tenant": trigger.tenant,
        "integration": trigger.name,
        "integrationId": trigger.integration_id.to_string(),
        "kind": trigger.kind,
        "policy": trigger.policy,
        "enabled": trigger.enabled,
        "state": trigger.state,
        "since": trigger.since.map(rfc3339),
        "executionId": trigger.execution_id.map(|id| id.to_string()),
        "error": trigger.error,
        "worker": trigger.worker,
    });
    let cells = vec![
        format!("{}/{}", trigger.tenant, trigger.name),
        trigger.policy,
        if trigger.enabled { "yes" } else { "no" }.to_owned(),
        trigger.state,
        trigger.worker.unwrap_or_default(),
        trigger.execution_id.map(|id| id.to_string()).unwrap_or_default(),
        trigger.error.unwrap_or_default(),
    ];
    Row { cells, object }
}
