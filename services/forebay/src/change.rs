//! What applying definitions would change, for people to read before it happens.

use std::io::{BufRead, IsTerminal};

use forebay_contract::IntegrationPath;
use forebay_operations::{Difference, differences};
use forebay_store::{Applied, Change, NewDefinition, Store, Which};
use serde_json::{Value, json};

use crate::alert_change::PlannedAlert;
use crate::connection_change::PlannedConnection;
use crate::error::Error;
use crate::output::{Row, note};

/// One definition against what is stored.
pub(crate) struct Planned {
    pub(crate) applied: Applied,
    /// Of an updated one: every field that changes.
    pub(crate) differences: Vec<Difference>,
    /// Whether it accepts calls before and after; `None` before: it is new.
    enabled: (Option<bool>, bool),
}

/// Compares definitions with the current versions; writes nothing.
pub(crate) async fn plan(store: &Store, definitions: &[NewDefinition]) -> Result<Vec<Planned>, Error> {
    let applied = store.plan(definitions).await?;
    let paths: Vec<IntegrationPath> = applied.iter().map(|one| one.path.clone()).collect();
    let current = store.current_versions(Which::Paths(&paths)).await?;
    let mut planned = Vec::with_capacity(applied.len());
    for (new, applied) in definitions.iter().zip(applied) {
        let current = current.iter().find(|stored| stored.path == applied.path);
        planned.push(Planned {
            differences: current.map(|stored| differences(&stored.document, &new.document)).unwrap_or_default(),
            enabled: (current.map(|stored| is_enabled(&stored.document)), new.definition.enabled),
            applied,
        });
    }
    Ok(planned)
}

fn is_enabled(document: &Value) -> bool {
    document.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}

impl Planned {
    pub(crate) fn is_change(&self) -> bool {
        self.applied.change != Change::Unchanged
    }

    /// Several lines without a line break at the end.
    pub(crate) fn text(&self) -> String {
        let Applied { path, version, change, .. } = &self.applied;
        let mut lines = match change {
            Change::Created => vec![format!("{path}  created")],
            Change::Updated => vec![format!("{path}  changed, version {} -> {version}", version - 1)],
            Change::Unchanged => vec![format!("{path}  unchanged, version {version}")],
        };
        match self.enabled {
            (Some(true), false) => lines.push("  ! IT IS DISABLED BY THIS: calls get 404 from then on".to_owned()),
            (Some(false), true) => lines.push("  ! it is enabled by this".to_owned()),
            (None, false) => lines.push("  ! it is disabled".to_owned()),
            _ => {}
        }
        lines.extend(self.differences.iter().flat_map(Difference::lines).map(|line| format!("  {line}")));
        lines.join("\n")
    }

    /// For programs: as what `apply` prints, with every difference.
    pub(crate) fn object(&self) -> Value {
        let mut object = object(&self.applied);
        object["enabled"] = json!(self.enabled.1);
        object["differences"] = self.differences.iter().map(Difference::object).collect();
        object
    }
}

/// A row of the listing of what was applied.
pub(crate) fn row(applied: &Applied) -> Row {
    let cells = vec![change_word(applied.change).to_owned(), applied.path.to_string(), applied.version.to_string()];
    Row { cells, object: object(applied) }
}

fn object(applied: &Applied) -> Value {
    json!({
        "tenant": applied.path.tenant.as_str(),
        "name": applied.path.name.as_str(),
        "id": applied.id.to_string(),
        "version": applied.version,
        "change": applied.change,
    })
}

pub(crate) fn change_word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Unchanged => "unchanged",
    }
}

/// `to apply: 1 created, 0 updated, 2 unchanged`.
pub(crate) fn summary(tense: &str, changes: &[Change]) -> String {
    let count = |change| changes.iter().filter(|one| **one == change).count();
    let (created, updated, unchanged) = (count(Change::Created), count(Change::Updated), count(Change::Unchanged));
    format!("{tense}: {created} created, {updated} updated, {unchanged} unchanged")
}

/// Shows the plan where a person reads, and asks unless that was answered before by `--yes`.
///
/// # Errors
/// The answer is no, or nobody can be asked.
pub(crate) fn agreed(
    planned: &[Planned],
    connections: &[PlannedConnection],
    alerts: &[PlannedAlert],
    yes: bool,
    is_json: bool,
) -> Result<(), Error> {
    if !yes || !is_json {
        connections.iter().filter(|one| one.is_change()).for_each(|one| note(&one.text()));
        planned.iter().filter(|one| one.is_change()).for_each(|one| note(&one.text()));
        alerts.iter().filter(|one| one.is_change()).for_each(|one| note(&one.text()));
        let changes = connections.iter().map(PlannedConnection::change).chain(planned.iter().map(|one| one.applied.change));
        note(&summary("to apply", &changes.chain(alerts.iter().map(PlannedAlert::change)).collect::<Vec<_>>()));
    }
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let text = "there is no terminal to ask on, so nothing was applied: add --yes to apply without asking";
        return Err(Error::Usage(text.to_owned()));
    }
    if !confirmed("Apply? [y/N]")? {
        return Err(Error::Failed("nothing was applied".to_owned()));
    }
    Ok(())
}

/// Whether the person at the terminal says yes.
pub(crate) fn confirmed(question: &str) -> Result<bool, Error> {
    note(question);
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::Io { doing: "cannot read the answer".to_owned(), source })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
