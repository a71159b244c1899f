//! The `triggers` verbs.

use crate::api::Api;
use crate::args::Triggers;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::pauses;
use crate::shown::{or_empty, yes};
use forebay_admin_api::triggers::{DecisionEffect, Trigger, TriggerDecision};
use forebay_contract::IntegrationPath;

/// `forebay triggers ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Triggers) -> Result<(), Error> {
    match command {
        Triggers::List { tenant } => {
            let rows = api.triggers(tenant.as_ref().map(Into::into)).await?.into_iter().map(row).collect();
            output.listing(&["trigger", "policy", "enabled", "state", "worker", "halted at", "reason"], rows, "no triggers")
        }
        Triggers::Pause { path, pause } => pauses::pause(output, api, &format!("triggers/{path}"), &path.to_string(), pause).await,
        Triggers::Resume { path } => decide(output, api, &path, TriggerDecision::Resume).await,
        Triggers::Skip { path } => decide(output, api, &path, TriggerDecision::Skip).await,
    }
}

async fn decide(output: &Output, api: &Api, path: &IntegrationPath, decision: TriggerDecision) -> Result<(), Error> {
    let effect = match decision {
        TriggerDecision::Resume => "the failed execution is retried",
        TriggerDecision::Skip => "the failed execution is skipped",
    };
    let decided = api.decide_trigger(path, decision).await?;
    let message = match (decided.effect, &decided.worker) {
        (DecisionEffect::Unpaused, _) => "the pause has ended: the queued calls run".to_owned(),
        (DecisionEffect::Cleared, _) => "the trigger already runs: the failed execution has succeeded or was skipped".to_owned(),
        (DecisionEffect::Pending, Some(worker)) => format!("{effect} on {worker}"),
        (DecisionEffect::Pending, None) => {
            format!("{effect} as soon as a worker reads the queue. No worker reads it now: check `forebay top`")
        }
    };
    output.one(&format!("{path}: {message}"), &decided)
}

/// Says why a trigger does not run.
fn reason(trigger: &Trigger) -> String {
    let mut reasons: Vec<String> = trigger.error.iter().cloned().collect();
    if let Some(pause) = &trigger.pause {
        let cause = match (pause.cause.as_str(), &pause.connection) {
            ("trigger", _) => "paused".to_owned(),
            ("connection", Some(connection)) => format!("the connection {connection} is paused"),
            ("definition", _) => "its definition has paused: true".to_owned(),
            ("disabled", _) => "its definition has enabled: false".to_owned(),
            (cause, _) => format!("the {cause} is paused"),
        };
        let until = pause.until.as_ref().map(|until| format!(" until {}", until.to_second())).unwrap_or_default();
        let text = pause.reason.as_deref().filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}")).unwrap_or_default();
        reasons.push(format!("{cause}{until}{text}"));
    }
    reasons.join("; ")
}

fn row(trigger: Trigger) -> Row<Trigger> {
    let cells = vec![
        trigger.path(),
        trigger.dispatch_policy.clone(),
        yes(trigger.enabled),
        trigger.state.clone(),
        or_empty(trigger.worker.as_ref()),
        or_empty(trigger.execution_id.as_ref()),
        reason(&trigger),
    ];
    Row { cells, object: trigger }
}
