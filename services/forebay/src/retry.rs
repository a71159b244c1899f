//! `forebay executions retry`: failed executions once more, named or found by a search.

use crate::api::Api;
use crate::args::{Found, Retry};
use crate::change::confirmed;
use crate::error::Error;
use crate::output::{Output, note, pretty, write};
use crate::shown::text;
use forebay_contract::{ExecutionId, UnixMicros};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::Duration;

/// Between two looks at an execution that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The server keeps the order: of acceptance for a search, as given for ids.
pub(crate) async fn retry(output: &Output, api: &Api, retry: Retry) -> Result<(), Error> {
    if retry.ids.is_empty() { found(output, api, &retry).await } else { named(output, api, &retry).await }
}

async fn named(output: &Output, api: &Api, retry: &Retry) -> Result<(), Error> {
    let (how, mut all) = (json!({ "latest": retry.latest, "fromStart": retry.from_start }), Vec::new());
    let mut first_error = None;
    for id in &retry.ids {
        match api.post(&format!("executions/{id}/retry"), &how).await {
            Ok(retried) => all.push((id, retried)),
            // The others may run all the same; away is away for all.
            Err(error) if retry.ids.len() > 1 && !error.is_passing() => {
                note(&format!("{id}: {error}"));
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if output.is_json() {
        let objects: Vec<Value> = all.iter().map(|(_, retried)| retried.clone()).collect();
        match objects.as_slice() {
            [one] if retry.ids.len() == 1 => write(&pretty(one))?,
            _ => write(&pretty(&Value::Array(objects)))?,
        }
    } else {
        for (id, retried) in &all {
            write(&format!("{id} runs again (attempt {}, version {})", text(retried, "attempt"), text(retried, "version")))?;
        }
    }
    if let Some(error) = first_error {
        note(&format!("{} of {} do not run again", retry.ids.len() - all.len(), retry.ids.len()));
        return Err(error);
    }
    if retry.wait { waited(api, &all).await } else { Ok(()) }
}

/// # Errors
/// One of them did not end well.
async fn waited(api: &Api, all: &[(&ExecutionId, Value)]) -> Result<(), Error> {
    let bar = bar(all.len());
    let mut not_well = Vec::new();
    for (id, retried) in all {
        loop {
            let execution = api.get(&format!("executions/{id}"), &[]).await?;
            let is_of_this = execution["attempts"].as_u64() >= retried["attempt"].as_u64();
            if is_of_this && !matches!(execution["status"].as_str(), Some("queued" | "running")) {
                if execution["status"] != "succeeded" {
                    not_well.push(format!("{id} {} {}", text(&execution, "status"), crate::shown::error(&execution)));
                }
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if not_well.is_empty() { Ok(()) } else { Err(Error::Failed(not_well.join("\n"))) }
}

async fn found(output: &Output, api: &Api, retry: &Retry) -> Result<(), Error> {
    let body = body(&retry.found, retry);
    let counted = api.post("executions/retry", &with(&body, "dryRun", true.into())).await?;
    let (count, is_more) = (counted["found"].as_u64().unwrap_or_default(), counted["atLeast"] == true);
    let said = format!("{}{count} execution{}", if is_more { "at least " } else { "" }, if count == 1 { "" } else { "s" });
    if retry.dry_run || count == 0 {
        let object = json!({ "found": count, "atLeast": is_more, "retried": 0, "refused": [] });
        return output.one(&format!("{said} would run again"), &object);
    }
    if !retry.yes {
        if !std::io::stdin().is_terminal() {
            let text = format!("{said} would run again; there is no terminal to ask on: add --yes to do it, or --dry-run to only count");
            return Err(Error::Usage(text));
        }
        if !confirmed(&format!("{said} run again, in the order in which they were accepted. Go on? [y/N]"))? {
            return Err(Error::Failed("nothing runs again".to_owned()));
        }
    }
    let bar = bar(usize::try_from(count).unwrap_or(usize::MAX));
    let (mut retried, mut refused, mut cursor) = (0, Vec::new(), Value::Null);
    loop {
        let part = if cursor.is_null() { body.clone() } else { with(&body, "cursor", cursor) };
        let mut part = api.post("executions/retry", &part).await.inspect_err(|_| note(&format!("{retried} run again by now")))?;
        retried += part["retried"].as_u64().unwrap_or_default();
        if let Value::Array(more) = part["refused"].take() {
            refused.extend(more);
        }
        bar.set_position(retried + refused.len() as u64);
        cursor = part["next"].take();
        if cursor.is_null() {
            break;
        }
    }
    bar.finish_and_clear();
    refused.iter().for_each(|one| note(&text(one, "reason")));
    let object = json!({ "found": count, "atLeast": is_more, "retried": retried, "refused": refused });
    output.one(&format!("{retried} run again, {} do not", refused.len()), &object)?;
    match refused.len() {
        0 => Ok(()),
        count => Err(Error::Failed(format!("{count} do not run again"))),
    }
}

fn body(found: &Found, retry: &Retry) -> Value {
    let mut body = json!({ "latest": retry.latest, "fromStart": retry.from_start });
    // What is accepted from now on was not counted, and nobody has agreed to it.
    body["until"] = UnixMicros::now().rfc3339().into();
    for (name, value) in found.query() {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    body
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[name] = value;
    body
}

/// On a terminal only.
fn bar(length: usize) -> ProgressBar {
    let is_seen = std::io::stderr().is_terminal() && length > 1;
    let target = if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    // Without the template the bar has the library's own look.
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
