//! What applying documents would change or has changed, as the API tells it: for people to read before it happens, and for programs.

use std::io::{BufRead, IsTerminal};

use forebay_contract::json::object_of;
use forebay_operations::Difference;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::output::{Output, Row, note};
use crate::shown::text;

/// Of what an apply did, or would do.
#[derive(Default)]
pub(crate) struct Changes {
    connections: Vec<Change>,
    definitions: Vec<Change>,
    alerts: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connection,
    Definition,
    Alert,
}

/// Of one document.
pub(crate) struct Change {
    kind: Kind,
    /// As the API gives it.
    object: Value,
}

/// Applies documents, each as the API takes it; a dry run only tells what would change.
pub(crate) async fn apply(api: &Api, documents: &[Value], dry_run: bool) -> Result<Changes, Error> {
    if documents.is_empty() {
        return Ok(Changes::default());
    }
    let mut done = api.post("apply", &object_of([("documents", Value::Array(documents.to_vec())), ("dryRun", dry_run.into())])).await?;
    let mut of = |field: &str, kind: Kind| match done[field].take() {
        Value::Array(objects) => objects.into_iter().map(|object| Change { kind, object }).collect(),
        _ => Vec::new(),
    };
    Ok(Changes {
        connections: of("connections", Kind::Connection),
        definitions: of("definitions", Kind::Definition),
        alerts: of("alerts", Kind::Alert),
    })
}

impl Changes {
    /// Of a definition alone.
    pub(crate) fn of_definition(object: Value) -> Self {
        Self { definitions: vec![Change { kind: Kind::Definition, object }], ..Self::default() }
    }

    fn all(&self) -> impl Iterator<Item = &Change> {
        self.connections.iter().chain(&self.definitions).chain(&self.alerts)
    }

    /// A connection that could not be compared.
    pub(crate) fn add_unknown_connection(&mut self, path: &str, why: &str) {
        let object = json!({ "connection": path, "change": "updated", "unknown": why });
        self.connections.push(Change { kind: Kind::Connection, object });
    }

    /// A connection that is new.
    pub(crate) fn add_new_connection(&mut self, path: &str) {
        self.connections.push(Change { kind: Kind::Connection, object: json!({ "connection": path, "change": "created" }) });
    }

    /// Those that change something.
    pub(crate) fn changed(&self) -> Vec<&Change> {
        self.all().filter(|one| one.is_change()).collect()
    }

    /// `applied: 1 created, 0 updated, 2 unchanged`.
    pub(crate) fn summary(&self, tense: &str) -> String {
        let count = |word: &str| self.all().filter(|one| one.object["change"] == word).count();
        format!("{tense}: {} created, {} updated, {} unchanged", count("created"), count("updated"), count("unchanged"))
    }

    /// What was stored: one array for programs, for people a table for each kind.
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

    /// Says what the documents name and what does not exist yet.
    pub(crate) fn say_notes(&self) {
        for one in self.all() {
            one.object["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).for_each(note);
        }
    }
}

impl Change {
    fn is_change(&self) -> bool {
        self.object["change"] != "unchanged"
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.object["unknown"].is_string()
    }

    fn path(&self) -> String {
        match self.kind {
            Kind::Connection => text(&self.object, "connection"),
            Kind::Definition => format!("{}/{}", text(&self.object, "tenant"), text(&self.object, "name")),
            Kind::Alert => text(&self.object, "alert"),
        }
    }

    fn differences(&self) -> impl Iterator<Item = Difference> {
        self.object["differences"].as_array().into_iter().flatten().map(Difference::of_object)
    }

    /// Several lines without a line break at the end.
    pub(crate) fn text(&self) -> String {
        let (change, path) = (text(&self.object, "change"), self.path());
        let what = match self.kind {
            Kind::Connection => format!("the connection {path}"),
            Kind::Definition => path,
            Kind::Alert => format!("the alert {path}"),
        };
        if self.is_unknown() {
            return format!("{what}  is not compared: {}", text(&self.object, "unknown"));
        }
        let version = self.object["version"].as_i64().unwrap_or_default();
        let mut lines = vec![match (change.as_str(), self.kind) {
            ("updated", Kind::Definition) => format!("{what}  changed, version {} -> {version}", version - 1),
            ("unchanged", Kind::Definition) => format!("{what}  unchanged, version {version}"),
            ("updated", _) => format!("{what}  changed"),
            _ => format!("{what}  {change}"),
        }];
        let disabled = match self.kind {
            Kind::Connection => "steps that use it fail from then on",
            Kind::Definition => "calls get 404 from then on",
            Kind::Alert => "nobody is told from then on",
        };
        match (self.object["wasEnabled"].as_bool(), self.object["enabled"].as_bool()) {
            (Some(true), Some(false)) => lines.push(format!("  ! IT IS DISABLED BY THIS: {disabled}")),
            (Some(false), Some(true)) => lines.push("  ! it is enabled by this".to_owned()),
            (None, Some(false)) => lines.push("  ! it is disabled".to_owned()),
            _ => {}
        }
        lines.extend(self.differences().flat_map(|one| one.lines()).map(|line| format!("  {line}")));
        let text: Vec<&str> = self.object["textDifferences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !text.is_empty() {
            lines.push("  only comments or layout differ:".to_owned());
            lines.extend(text.iter().map(|line| format!("    {line}")));
        }
        let secrets = self.object["secrets"].as_object().into_iter().flatten();
        lines.extend(secrets.map(|(path, change)| format!("  * {path}: {} (secret)", change.as_str().unwrap_or_default())));
        lines.join("\n")
    }

    /// For programs: what would change.
    pub(crate) fn object(&self) -> Value {
        if self.is_unknown() {
            return json!({ "connection": self.path(), "change": "unknown", "reason": self.object["unknown"] });
        }
        let is_updated = self.object["change"] == "updated";
        let mut object = self.row().object;
        if let (Kind::Connection | Kind::Alert, Some(fields)) = (self.kind, object.as_object_mut()) {
            fields.retain(|name, _| !matches!(name.as_str(), "kind" | "when"));
        }
        object["enabled"] = self.object["enabled"].clone();
        if is_updated || self.kind == Kind::Definition {
            object["differences"] = self.object["differences"].clone();
        }
        if self.object["textDifferences"].is_array() {
            object["textDifferences"] = self.object["textDifferences"].clone();
        }
        if is_updated && self.kind == Kind::Connection {
            object["secrets"] = self.object["secrets"].clone();
        }
        object
    }

    /// Of the listing of what was stored.
    fn row(&self) -> Row {
        let (fields, third): (&[&str], &str) = match self.kind {
            Kind::Connection => (&["connection", "change", "kind", "enabled"], "kind"),
            Kind::Definition => (&["tenant", "name", "id", "version", "change"], "version"),
            Kind::Alert => (&["alert", "change", "when", "enabled"], "when"),
        };
        let object: Map<String, Value> = fields.iter().map(|field| ((*field).to_owned(), self.object[*field].clone())).collect();
        Row { cells: vec![text(&self.object, "change"), self.path(), text(&self.object, third)], object: Value::Object(object) }
    }
}

/// Shows the plan where a person reads, and asks unless that was answered before by `--yes`.
///
/// # Errors
/// The answer is no, or nobody can be asked.
pub(crate) fn agreed(plan: &Changes, yes: bool, is_json: bool) -> Result<(), Error> {
    if !yes || !is_json {
        plan.changed().iter().for_each(|one| note(&one.text()));
        note(&plan.summary("to apply"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_disabled_is_said_aloud_and_a_secret_is_only_changed_or_not() {
        let object = json!({
            "connection": "t/c", "change": "updated", "kind": "http", "enabled": false, "wasEnabled": true,
            "differences": [{ "path": "http.url", "before": "https://a.example", "after": "https://b.example" }],
            "secrets": { "http.headers.X-Key": "unchanged", "http.headers.X-New": "added" },
        });
        let change = Change { kind: Kind::Connection, object };
        let expected = "the connection t/c  changed
  ! IT IS DISABLED BY THIS: steps that use it fail from then on
  ~ http.url: \"https://a.example\" -> \"https://b.example\"
  * http.headers.X-Key: unchanged (secret)
  * http.headers.X-New: added (secret)";
        assert_eq!(change.text(), expected);
        assert_eq!(change.row().object, json!({ "connection": "t/c", "change": "updated", "kind": "http", "enabled": false }));
    }

    #[test]
    fn a_definition_is_told_with_its_versions_and_counted_by_what_happens_to_it() {
        let object = json!({ "tenant": "t", "name": "n", "id": "i", "version": 3, "change": "updated", "enabled": true, "wasEnabled": true, "differences": [] });
        let changes = Changes::of_definition(object);
        assert_eq!(changes.changed()[0].text(), "t/n  changed, version 2 -> 3");
        assert_eq!(changes.summary("applied"), "applied: 0 created, 1 updated, 0 unchanged");
    }
}
