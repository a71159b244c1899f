//! The `schedules` verbs.

use std::path::Path;

use forebay_admin_api::Time;
use forebay_admin_api::schedules::Schedule;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::schedule::Timing;
use forebay_contract::{IntegrationPath, UnixMillis};
use forebay_runtime::settings::Settings;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::Schedules;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{or_empty, yes};

/// `forebay schedules ...`.
pub(crate) async fn perform(output: &Output, url: Option<&str>, settings: &Settings, command: Schedules) -> Result<(), Error> {
    match command {
        Schedules::List { tenant } => {
            let schedules = Api::open(url, settings).await?.schedules(tenant.as_ref().map(Into::into)).await?;
            let columns = ["schedule", "timing", "enabled", "next due", "last due", "last execution", "status"];
            output.listing(&columns, schedules.into_iter().map(row).collect(), "no schedules")
        }
        Schedules::Run { path } => {
            let run = Api::open(url, settings).await?.run_schedule(&path).await?;
            output.one(&run.execution_id, &run)
        }
        Schedules::Preview { what, count } => preview(output, url, settings, &what, count).await,
    }
}

fn row(schedule: Schedule) -> Row<Schedule> {
    let cells = vec![
        schedule.path(),
        schedule.timing.clone(),
        yes(schedule.enabled),
        on_its_clock(&schedule, schedule.next_due_at.as_ref()),
        on_its_clock(&schedule, schedule.last_due_at.as_ref()),
        or_empty(schedule.last_execution_id.as_ref()),
        or_empty(schedule.last_status.as_ref()),
    ];
    Row { cells, object: schedule }
}

/// Returns the time in the timezone of the schedule; empty without a time.
fn on_its_clock(schedule: &Schedule, time: Option<&Time>) -> String {
    let local = time.and_then(Time::timestamp).and_then(|at| at.in_tz(&schedule.timezone).ok());
    local.map_or_else(|| or_empty(time), |local| local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

async fn preview(output: &Output, url: Option<&str>, settings: &Settings, what: &str, count: u32) -> Result<(), Error> {
    let definitions = if Path::new(what).is_file() {
        read_file(what)?
    } else {
        let path: IntegrationPath =
            what.parse().map_err(|_| Error::Usage(format!("{what} is neither a file nor an integration such as t37ed/NightlyReport")))?;
        let stored = Api::open(url, settings).await?.integration(&path).await?;
        let read = Definition::from_stored(&stored.document.unwrap_or_default());
        vec![read.map_err(|error| Error::Failed(format!("{path}: this version of forebay cannot read the definition: {error}")))?]
    };
    let mut rows = Vec::new();
    for definition in &definitions {
        if let Some(schedule) = definition.trigger.schedule() {
            rows.extend(due_times(definition, &schedule.timing, count));
        }
    }
    if rows.is_empty() {
        return Err(Error::Failed(format!("{what} has no schedule: calls start it")));
    }
    output.listing(&["schedule", "due", "in utc"], rows, "no due times")
}

fn read_file(file: &str) -> Result<Vec<Definition>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Io { doing: format!("cannot read {file}"), source })?;
    let documents = documents(&text).map_err(|error| Error::Failed(format!("{file}: {error}")))?;
    let read = documents.iter().map(Definition::from_value).collect::<Result<Vec<_>, _>>();
    read.map_err(|error| Error::Failed(format!("{file}: {error}")))
}

/// Returns the due times after the present time of this machine.
fn due_times(definition: &Definition, timing: &Timing, count: u32) -> Vec<Row<Value>> {
    let mut rows = Vec::new();
    let mut at = UnixMillis::now();
    while let Some(due) = timing.next_after(at).filter(|_| rows.len() < count as usize) {
        let (local, utc) = (timing.on_its_clock(due), due.rfc3339());
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
