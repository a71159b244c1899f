//! The `triggers` verbs.

use crate::api::Api;
use crate::args::Triggers;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{path, text, yes};
use forebay_contract::IntegrationPath;
use serde_json::{Value, json};

/// `forebay triggers ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Triggers) -> Result<(), Error> {
    match command {
        Triggers::List { tenant } => {
            let rows = api.list("triggers", &[("tenant", tenant.map(|tenant| tenant.to_string()))]).await?.into_iter().map(row).collect();
            output.listing(&["trigger", "policy", "enabled", "state", "worker", "halted at", "error"], rows, "no triggers")
        }
        Triggers::Resume { path } => decide(output, api, &path, "resume", "the failed execution runs again").await,
        Triggers::Skip { path } => decide(output, api, &path, "skip", "it goes on without the failed execution").await,
    }
}

async fn decide(output: &Output, api: &Api, path: &IntegrationPath, decision: &str, effect: &str) -> Result<(), Error> {
    let decided = api.post(&format!("triggers/{path}/{decision}"), &json!({})).await?;
    let message = match (decided["effect"].as_str(), decided["worker"].as_str()) {
        (Some("cleared"), _) => {
            "the execution at which it was halted has succeeded or was skipped meanwhile; the trigger runs already".to_owned()
        }
        (_, Some(worker)) => format!("{effect} on {worker}"),
        (_, None) => format!("{effect} as soon as a worker holds the queue; none does now (forebay workers list)"),
    };
    output.one(&format!("{path}: {message}"), &decided)
}

fn row(trigger: Value) -> Row {
    let cells = vec![
        path(&trigger),
        text(&trigger, "policy"),
        yes(&trigger, "enabled"),
        text(&trigger, "state"),
        text(&trigger, "worker"),
        text(&trigger, "executionId"),
        text(&trigger, "error"),
    ];
    Row { cells, object: trigger }
}
