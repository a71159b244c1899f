//! Changes that applying documents makes or would make, for users and programs.

use std::io::{BufRead, IsTerminal};

use forebay_admin_api::apply::{AppliedAlert, AppliedConnection, ApplyRequest};
use forebay_admin_api::integrations::{AppliedDefinition, Change as Word, Difference as ApiDifference, WrittenDocument};
use forebay_operations::Difference;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::Api;
use crate::error::Error;
use crate::output::{Output, Row, note};

/// Changes by the kind of their documents.
#[derive(Default)]
pub(crate) struct Changes {
    connections: Vec<Change>,
    definitions: Vec<Change>,
    alerts: Vec<Change>,
}

/// The change of one document.
pub(crate) enum Change {
    Connection(AppliedConnection),
    /// A new connection whose secrets are not available.
    NewConnection(String),
    /// A stored connection that was not compared, because its secrets are not available.
    UncomparedConnection {
        path: String,
        reason: String,
    },
    Definition(AppliedDefinition),
    Alert(AppliedAlert),
}

/// Applies documents; a dry run only returns the changes.
pub(crate) async fn apply(api: &Api, documents: Vec<WrittenDocument>, dry_run: bool) -> Result<Changes, Error> {
    if documents.is_empty() {
        return Ok(Changes::default());
    }
    let applied = api.apply(&ApplyRequest { documents, dry_run }).await?;
    Ok(Changes {
        connections: applied.connections.into_iter().map(Change::of_connection).collect(),
        definitions: applied.definitions.into_iter().map(Change::Definition).collect(),
        alerts: applied.alerts.into_iter().map(Change::Alert).collect(),
    })
}

/// Converts a difference of the API to that of the operations, which writes texts for users.
pub(crate) fn difference(one: &ApiDifference) -> Difference {
    Difference { path: one.path.clone(), before: one.before.clone(), after: one.after.clone() }
}

impl Changes {
    /// Returns the change of a single definition.
    pub(crate) fn of_definition(applied: AppliedDefinition) -> Self {
        Self { definitions: vec![Change::Definition(applied)], ..Self::default() }
    }

    fn all(&self) -> impl Iterator<Item = &Change> {
        self.connections.iter().chain(&self.definitions).chain(&self.alerts)
    }

    /// Adds a connection that could not be compared.
    pub(crate) fn add_uncompared_connection(&mut self, path: &str, reason: &str) {
        self.connections.push(Change::UncomparedConnection { path: path.to_owned(), reason: reason.to_owned() });
    }

    /// Adds a new connection.
    pub(crate) fn add_new_connection(&mut self, path: &str) {
        self.connections.push(Change::NewConnection(path.to_owned()));
    }

    /// Returns the documents that change something.
    pub(crate) fn changed(&self) -> Vec<&Change> {
        self.all().filter(|one| one.word() != Word::Unchanged).collect()
    }

    /// Returns `applied: 1 created, 0 updated, 2 unchanged`.
    pub(crate) fn summary(&self, tense: &str) -> String {
        let count = |word: Word| self.all().filter(|one| one.word() == word).count();
        format!("{tense}: {} created, {} updated, {} unchanged", count(Word::Created), count(Word::Updated), count(Word::Unchanged))
    }

    /// Prints the stored documents: one array for programs, a table for each kind for users.
    pub(crate) fn show(&self, output: &Output) -> Result<(), Error> {
        if output.is_json() {
            return output.listing(&[], self.all().map(Change::row).collect(), "");
        }
        let tables = [
            (["change", "connection", "kind"], &self.connections),
            (["change", "integration", "version"], &self.definitions),
            (["change", "alert", "when"], &self.alerts),
        ];
        for (columns, changes) in tables.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            output.listing(&columns, changes.iter().map(Change::row).collect(), "")?;
        }
        Ok(())
    }

    /// Prints names in the documents that do not exist yet.
    pub(crate) fn print_notes(&self) {
        for one in self.all() {
            if let Change::Alert(alert) = one {
                alert.notes.iter().for_each(|text| note(text));
            }
        }
    }
}

/// A stored document for programs.
#[derive(Serialize)]
#[serde(untagged)]
enum Stored<'a> {
    Connection { connection: &'a str, change: Word, kind: Option<&'a str>, enabled: Option<bool> },
    Definition { tenant: &'a str, name: &'a str, id: &'a str, version: i32, change: Word },
    Alert { alert: &'a str, change: Word, when: &'a str, enabled: bool },
}

/// A change for programs.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Planned<'a> {
    Uncompared {
        connection: &'a str,
        change: &'static str,
        reason: &'a str,
    },
    Connection {
        connection: &'a str,
        change: Word,
        enabled: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        differences: Option<&'a [ApiDifference]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        secrets: Option<&'a Map<String, Value>>,
    },
    Definition {
        tenant: &'a str,
        name: &'a str,
        id: &'a str,
        version: i32,
        change: Word,
        enabled: Option<bool>,
        differences: Option<&'a [ApiDifference]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text_differences: Option<&'a [String]>,
    },
    Alert {
        alert: &'a str,
        change: Word,
        enabled: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        differences: Option<&'a [ApiDifference]>,
    },
}

impl Change {
    fn of_connection(applied: AppliedConnection) -> Self {
        match applied.unknown {
            Some(reason) => Self::UncomparedConnection { path: applied.connection, reason },
            None => Self::Connection(applied),
        }
    }

    fn word(&self) -> Word {
        match self {
            Self::Connection(one) => one.change,
            Self::NewConnection(_) => Word::Created,
            Self::UncomparedConnection { .. } => Word::Updated,
            Self::Definition(one) => one.change,
            Self::Alert(one) => one.change,
        }
    }

    pub(crate) fn is_uncompared(&self) -> bool {
        matches!(self, Self::UncomparedConnection { .. })
    }

    fn path(&self) -> String {
        match self {
            Self::Connection(one) => one.connection.clone(),
            Self::NewConnection(path) | Self::UncomparedConnection { path, .. } => path.clone(),
            Self::Definition(one) => one.path(),
            Self::Alert(one) => one.alert.clone(),
        }
    }

    fn differences(&self) -> &[ApiDifference] {
        match self {
            Self::Connection(one) => &one.differences,
            Self::NewConnection(_) | Self::UncomparedConnection { .. } => &[],
            Self::Definition(one) => one.differences.as_deref().unwrap_or_default(),
            Self::Alert(one) => &one.differences,
        }
    }

    /// Returns several lines without a line break at the end.
    pub(crate) fn text(&self) -> String {
        let path = self.path();
        let what = match self {
            Self::Connection(_) | Self::NewConnection(_) | Self::UncomparedConnection { .. } => format!("connection {path}"),
            Self::Definition(_) => path,
            Self::Alert(_) => format!("alert rule {path}"),
        };
        let mut lines = vec![match (self, self.word()) {
            (Self::UncomparedConnection { reason, .. }, _) => format!("{what}  not compared: {reason}"),
            (Self::Definition(one), Word::Updated) => format!("{what}  changed, version {} -> {}", one.version - 1, one.version),
            (Self::Definition(one), Word::Unchanged) => format!("{what}  unchanged, version {}", one.version),
            (_, Word::Updated) => format!("{what}  changed"),
            (_, word) => format!("{what}  {}", word.as_str()),
        }];
        lines.extend(self.switched().map(|line| format!("  ! {line}")));
        lines.extend(self.differences().iter().flat_map(|one| difference(one).lines()).map(|line| format!("  {line}")));
        if let Self::Definition(AppliedDefinition { text_differences: Some(text), .. }) = self {
            lines.push("  only comments or layout differ:".to_owned());
            lines.extend(text.iter().map(|line| format!("    {line}")));
        }
        if let Self::Connection(one) = self {
            let secrets = one.secrets.iter();
            lines.extend(secrets.map(|(path, change)| format!("  * {path}: {} (secret)", change.as_str().unwrap_or_default())));
        }
        lines.join("\n")
    }

    /// Returns a line if the document enables or disables its subject.
    fn switched(&self) -> Option<String> {
        let (was_enabled, enabled, effect) = match self {
            Self::Connection(one) => (one.was_enabled, Some(one.enabled), "steps that use it will fail"),
            Self::NewConnection(_) | Self::UncomparedConnection { .. } => return None,
            Self::Definition(one) => (one.was_enabled, one.enabled, "calls will get 404"),
            Self::Alert(one) => (one.was_enabled, Some(one.enabled), "it will send no notifications"),
        };
        match (was_enabled, enabled) {
            (Some(true), Some(false)) => Some(format!("THIS DISABLES IT: {effect}")),
            (Some(false), Some(true)) => Some("this enables it".to_owned()),
            (None, Some(false)) => Some("it is disabled".to_owned()),
            _ => None,
        }
    }

    /// Returns the change for programs.
    pub(crate) fn object(&self) -> Planned<'_> {
        let change = self.word();
        let is_updated = change == Word::Updated;
        let differences = is_updated.then(|| self.differences());
        match self {
            Self::UncomparedConnection { path, reason } => Planned::Uncompared { connection: path, change: "unknown", reason },
            Self::NewConnection(path) => Planned::Connection { connection: path, change, enabled: None, differences, secrets: None },
            Self::Connection(one) => {
                let secrets = is_updated.then_some(&one.secrets);
                Planned::Connection { connection: &one.connection, change, enabled: Some(one.enabled), differences, secrets }
            }
            Self::Definition(AppliedDefinition { tenant, name, id, version, enabled, differences, text_differences, .. }) => {
                Planned::Definition {
                    tenant,
                    name,
                    id,
                    version: *version,
                    change,
                    enabled: *enabled,
                    differences: differences.as_deref(),
                    text_differences: text_differences.as_deref(),
                }
            }
            Self::Alert(one) => Planned::Alert { alert: &one.alert, change, enabled: one.enabled, differences },
        }
    }

    /// Returns the row in the listing of stored documents.
    fn row(&self) -> Row<Stored<'_>> {
        let change = self.word();
        let (third, object) = match self {
            Self::Connection(one) => {
                let (kind, enabled) = (Some(one.kind.as_str()), Some(one.enabled));
                (one.kind.clone(), Stored::Connection { connection: &one.connection, change, kind, enabled })
            }
            Self::NewConnection(path) | Self::UncomparedConnection { path, .. } => {
                (String::new(), Stored::Connection { connection: path, change, kind: None, enabled: None })
            }
            Self::Definition(AppliedDefinition { tenant, name, id, version, .. }) => {
                (version.to_string(), Stored::Definition { tenant, name, id, version: *version, change })
            }
            Self::Alert(AppliedAlert { alert, when, enabled, .. }) => {
                (when.clone(), Stored::Alert { alert, change, when, enabled: *enabled })
            }
        };
        Row { cells: vec![change.as_str().to_owned(), self.path(), third], object }
    }
}

/// Shows the plan on a terminal, and asks for confirmation unless `--yes` is given.
///
/// # Errors
/// The user does not confirm, or there is no terminal.
pub(crate) fn confirm_plan(plan: &Changes, yes: bool, is_json: bool) -> Result<(), Error> {
    if !yes || !is_json {
        plan.changed().iter().for_each(|one| note(&one.text()));
        note(&plan.summary("to apply"));
    }
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let text = "nothing was applied, because there is no terminal for the confirmation: add --yes";
        return Err(Error::Usage(text.to_owned()));
    }
    if !confirmed("Apply? [y/N]")? {
        return Err(Error::Failed("nothing was applied".to_owned()));
    }
    Ok(())
}

/// Asks the user at the terminal for confirmation.
pub(crate) fn confirmed(question: &str) -> Result<bool, Error> {
    note(question);
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::Io { doing: "cannot read the answer".to_owned(), source })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json_line;
    use serde_json::json;

    #[test]
    fn a_change_names_what_it_disables_and_hides_the_values_of_secrets() {
        let applied = json!({
            "connection": "t/c", "change": "updated", "kind": "http", "enabled": false, "wasEnabled": true,
            "differences": [{ "path": "http.url", "before": "https://a.example", "after": "https://b.example" }],
            "secrets": { "http.headers.X-Key": "unchanged", "http.headers.X-New": "added" },
        });
        let change = Change::of_connection(serde_json::from_str(&applied.to_string()).unwrap());
        let expected = "connection t/c  changed
  ! THIS DISABLES IT: steps that use it will fail
  ~ http.url: \"https://a.example\" -> \"https://b.example\"
  * http.headers.X-Key: unchanged (secret)
  * http.headers.X-New: added (secret)";
        assert_eq!(change.text(), expected);
        let stored = json!({ "connection": "t/c", "change": "updated", "kind": "http", "enabled": false });
        assert_eq!(serde_json::to_value(change.row().object).unwrap(), stored);
        let planned = json!({
            "connection": "t/c", "change": "updated", "enabled": false, "differences": applied["differences"], "secrets": applied["secrets"],
        });
        assert_eq!(json_line(&change.object()).unwrap(), planned.to_string());
    }

    #[test]
    fn a_changed_definition_has_its_versions_and_is_counted_as_updated() {
        let applied = json!({ "tenant": "t", "name": "n", "id": "i", "version": 3, "change": "updated", "enabled": true, "wasEnabled": true, "differences": [] });
        let changes = Changes::of_definition(serde_json::from_str(&applied.to_string()).unwrap());
        assert_eq!(changes.changed()[0].text(), "t/n  changed, version 2 -> 3");
        assert_eq!(changes.summary("applied"), "applied: 0 created, 1 updated, 0 unchanged");
    }
}
