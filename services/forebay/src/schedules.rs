//! The `schedules` verbs.

use std::path::Path;

use forebay_contract::IntegrationPath;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::schedule::Timing;
use forebay_operations::{Actor, Operations};
use forebay_runtime::settings::Settings;
use forebay_store::ScheduleRow;
use serde_json::json;

use crate::apply::author;
use crate::args::Schedules;
use crate::error::Error;
use crate::output::{Output, Row, rfc3339};

/// `forebay schedules ...`.
pub(crate) async fn perform(output: &Output, settings: &Settings, command: Schedules) -> Result<(), Error> {
    match command {
        Schedules::List { tenant } => {
            let schedules = crate::client_store(settings).await?.list_schedules(tenant.as_ref()).await?;
            let rows = schedules.into_iter().map(row).collect();
            let columns = ["schedule", "timing", "enabled", "next due", "last due", "last execution", "status"];
            output.listing(&columns, rows, "no schedules")
        }
        Schedules::Run { path } => {
            let operations = Operations::build(settings, crate::client_store(settings).await?, "forebay command")?;
            let id = operations.run_now(&Actor::host(&author().name), &path).await?;
            let object = json!({ "tenant": path.tenant.as_str(), "integration": path.name.as_str(), "executionId": id.to_string() });
            output.one(&id.to_string(), &object)
        }
        Schedules::Preview { what, count } => preview(output, settings, &what, count).await,
    }
}

fn row(schedule: ScheduleRow) -> Row {
    let timing = &schedule.timing;
    let last = schedule.last_execution.map(|id| id.to_string());
    let object = json!({
        "tenant": schedule.tenant,
        "integration": schedule.name,
        "integrationId": schedule.integration_id.to_string(),
        "timing": timing.to_string(),
        "timezone": timing.timezone(),
        "enabled": schedule.enabled,
        "nextDueAt": schedule.next_due_at.map(rfc3339),
        "lastDueAt": schedule.last_due_at.map(rfc3339),
        "lastExecutionId": last,
        "lastStatus": schedule.last_status,
    });
    let clock = |micros: Option<i64>| micros.map(|micros| timing.on_its_clock(micros.div_euclid(1000))).unwrap_or_default();
    let cells = vec![
        format!("{}/{}", schedule.tenant, schedule.name),
        timing.to_string(),
        if schedule.enabled { "yes" } else { "no" }.to_owned(),
        clock(schedule.next_due_at),
        clock(schedule.last_due_at),
        last.unwrap_or_default(),
        schedule.last_status.unwrap_or_default(),
    ];
    Row { cells, object }
}

async fn preview(output: &Output, settings: &Settings, what: &str, count: u32) -> Result<(), Error> {
    let definitions = if Path::new(what).is_file() {
        of_file(what)?
    } else {
        let path: IntegrationPath =
            what.parse().map_err(|_| Error::Usage(format!("{what} is neither a file nor an integration such as t37ed/NightlyReport")))?;
        vec![Definition::clone(&crate::client_store(settings).await?.integration(&path).await?.definition)]
    };
    let mut rows = Vec::new();
    for definition in &definitions {
        if let Some(schedule) = definition.trigger.schedule() {
            rows.extend(coming(definition, &schedule.timing, count));
        }
    }
    if rows.is_empty() {
        return Err(Error::Failed(format!("{what} has no schedule: it is started by calls")));
    }
    output.listing(&["schedule", "due", "in utc"], rows, "no due times")
}

fn of_file(file: &str) -> Result<Vec<Definition>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Io { doing: format!("cannot read {file}"), source })?;
    let documents = documents(&text).map_err(|error| Error::Failed(format!("{file}: {error}")))?;
    let read = documents.iter().map(Definition::from_value).collect::<Result<Vec<_>, _>>();
    read.map_err(|error| Error::Failed(format!("{file}: {error}")))
}

/// The due times from this machine's clock on.
fn coming(definition: &Definition, timing: &Timing, count: u32) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = jiff::Timestamp::now().as_millisecond();
    while let Some(due) = timing.next_after(at).filter(|_| rows.len() < count as usize) {
        let (local, utc) = (timing.on_its_clock(due), rfc3339(due.saturating_mul(1000)));
        let object = json!({
            "tenant": definition.tenant.as_str(),
            "integration": definition.name.as_str(),
            "dueAt": utc,
            "local": local,
            "timezone": timing.timezone(),
        });
        rows.push(Row { cells: vec![definition.path().to_string(), local, utc], object });
        at = due;
    }
    rows
}
