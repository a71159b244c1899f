//! What applying alerts would change.

use forebay_operations::{Difference, differences};
use forebay_store::{AlertRow, Change, ConnectionRow, Store};
use serde_json::{Value, json};

use crate::apply::author;
use crate::change::change_word;
use crate::documents::AlertDocument;
use crate::error::Error;
use crate::output::{Row, note};

/// Of the listing of alerts that were stored.
pub(crate) const COLUMNS: [&str; 3] = ["change", "alert", "when"];

/// One alert against what is stored.
pub(crate) struct PlannedAlert {
    /// `tenant/name`.
    path: String,
    change: Change,
    differences: Vec<Difference>,
    /// Whether it is watched, before and after; `None` before: it is new.
    enabled: (Option<bool>, bool),
}

/// Compares alerts with those that are stored; writes nothing.
pub(crate) async fn plan(store: &Store, alerts: &[AlertDocument]) -> Result<Vec<PlannedAlert>, Error> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let stored = store.list_alerts(None).await?;
    Ok(alerts.iter().map(|new| compare(stored.iter().find(|row| row.alert.path() == new.alert.path()), new)).collect())
}

fn compare(stored: Option<&AlertRow>, new: &AlertDocument) -> PlannedAlert {
    // Read, so that a default that is written out is no difference.
    let change = match stored {
        None => Change::Created,
        Some(stored) if stored.alert == new.alert => Change::Unchanged,
        Some(_) => Change::Updated,
    };
    let differences = match (stored, change) {
        (Some(stored), Change::Updated) => differences(&stored.document, &new.document),
        _ => Vec::new(),
    };
    let enabled = (stored.map(|stored| stored.alert.enabled), new.alert.enabled);
    PlannedAlert { path: new.alert.path().to_string(), change, differences, enabled }
}

impl PlannedAlert {
    pub(crate) fn is_change(&self) -> bool {
        self.change != Change::Unchanged
    }

    pub(crate) fn change(&self) -> Change {
        self.change
    }

    /// Several lines without a line break at the end.
    pub(crate) fn text(&self) -> String {
        let word = if self.change == Change::Updated { "changed" } else { change_word(self.change) };
        let mut lines = vec![format!("the alert {}  {word}", self.path)];
        match self.enabled {
            (Some(true), false) => lines.push("  ! IT IS DISABLED BY THIS: nobody is told from then on".to_owned()),
            (Some(false), true) => lines.push("  ! it is enabled by this".to_owned()),
            (None, false) => lines.push("  ! it is disabled".to_owned()),
            _ => {}
        }
        lines.extend(self.differences.iter().flat_map(Difference::lines).map(|line| format!("  {line}")));
        lines.join("\n")
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let mut object = json!({ "alert": self.path, "change": self.change, "enabled": self.enabled.1 });
        if self.change == Change::Updated {
            object["differences"] = self.differences.iter().map(Difference::object).collect();
        }
        object
    }
}

/// Stores those that are not as they are stored already; a row of [`COLUMNS`] for each. `planned` is in the same order.
pub(crate) async fn store_changed(store: &Store, alerts: &[AlertDocument], planned: &[PlannedAlert]) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::with_capacity(alerts.len());
    for (AlertDocument { alert, document }, planned) in alerts.iter().zip(planned) {
        if planned.is_change() {
            store.put_alert(alert, document, None, &author()).await?;
        }
        let (change, path, when) = (planned.change, &planned.path, alert.when.as_str());
        let object = json!({ "alert": path, "change": change, "when": when, "enabled": alert.enabled });
        rows.push(Row { cells: vec![change_word(change).to_owned(), path.clone(), when.to_owned()], object });
    }
    say_what_is_missing(store, alerts).await?;
    Ok(rows)
}

/// An alert may be there before what it names, but a misspelled name would never say a word.
async fn say_what_is_missing(store: &Store, alerts: &[AlertDocument]) -> Result<(), Error> {
    for AlertDocument { alert, .. } in alerts {
        let (path, tenant) = (alert.path(), &alert.tenant);
        let integrations = store.list_integrations(Some(tenant)).await?;
        for name in alert.integrations.iter().flatten() {
            if !integrations.iter().any(|known| known.name == *name) {
                note(&format!("the alert {path} watches the integration '{name}', which does not exist yet"));
            }
        }
        let connections = store.list_connections(Some(tenant)).await?;
        for (name, kind) in alert.connections() {
            let fits = |known: &ConnectionRow| known.name == *name && known.kind == kind;
            if !connections.iter().any(fits) {
                note(&format!("the alert {path} is sent by the connection '{name}', and there is no {kind} connection of that name yet"));
            }
        }
    }
    Ok(())
}
