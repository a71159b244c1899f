//! What applying connections would change. Of a secret nobody reads more than whether it stays the same.

use forebay_contract::connection::Connection;
use forebay_operations::{Difference, differences};
use forebay_store::{Change, SecretKeys, Store};
use serde_json::{Map, Value, json};

use crate::connections::NewConnection;
use crate::error::Error;

/// One connection against what is stored.
pub(crate) struct PlannedConnection {
    /// `tenant/name`.
    path: String,
    compared: Compared,
}

enum Compared {
    New,
    Same,
    Differs {
        /// Every field that differs and is no secret.
        differences: Vec<Difference>,
        /// Every secret, by path: `changed`, `unchanged`, `added`, `removed`.
        secrets: Vec<(String, &'static str)>,
        /// Whether steps may use it, before and after.
        enabled: (bool, bool),
    },
    /// Why it could not be compared.
    Unknown(String),
}

/// Compares connections with those that are stored; writes nothing. Those whose secrets were not found, or whose seal cannot be opened,
/// stay unknown.
///
/// # Errors
/// What the store says of anything else.
pub(crate) async fn plan<'n>(
    store: &Store,
    connections: impl Iterator<Item = (&'n str, Result<&'n NewConnection, &'n Error>)>,
    keys: Result<&SecretKeys, &Error>,
) -> Result<Vec<PlannedConnection>, Error> {
    let stored = store.list_connections(None).await?;
    let mut planned = Vec::new();
    for (path, new) in connections {
        let row = stored.iter().find(|row| format!("{}/{}", row.tenant, row.name) == path);
        let compared = match (row, new, keys) {
            (None, _, _) => Compared::New,
            (_, Err(error), _) | (_, _, Err(error)) => Compared::Unknown(error.to_string()),
            (Some(row), Ok(new), Ok(keys)) => match store.connection_document(&row.tenant, &row.name, keys).await {
                Ok(document) => compare(document, new),
                Err(error @ forebay_store::StoreError::Invalid { .. }) => Compared::Unknown(error.to_string()),
                Err(error) => return Err(error.into()),
            },
        };
        planned.push(PlannedConnection { path: path.to_owned(), compared });
    }
    Ok(planned)
}

fn compare(before: Value, new: &NewConnection) -> Compared {
    // Read, so that a default that is written out is no difference.
    let stored = Connection::from_value(&before).ok();
    if stored.as_ref() == Some(&new.connection) {
        return Compared::Same;
    }
    let was_enabled = stored.is_none_or(|stored| stored.enabled);
    let (mut before, mut after) = (before, new.document.clone());
    for document in [&mut before, &mut after] {
        if document["enabled"] == true {
            take(document, &["enabled".to_owned()]);
        }
    }
    let mut fields = Connection::secret_fields(&before);
    fields.extend(new.secret_fields.iter().cloned());
    let mut secrets = Vec::with_capacity(fields.len());
    for field in fields {
        let change = match (take(&mut before, &field), take(&mut after, &field)) {
            (Some(before), Some(after)) if before == after => "unchanged",
            (Some(_), Some(_)) => "changed",
            (None, _) => "added",
            (_, None) => "removed",
        };
        secrets.push((field.join("."), change));
    }
    Compared::Differs { differences: differences(&before, &after), secrets, enabled: (was_enabled, new.connection.enabled) }
}

/// Takes a field out of a document.
fn take(document: &mut Value, field: &[String]) -> Option<Value> {
    let (last, outer) = field.split_last()?;
    let mut object = document.as_object_mut()?;
    for name in outer {
        object = object.get_mut(name)?.as_object_mut()?;
    }
    object.remove(last)
}

impl PlannedConnection {
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.compared, Compared::Same)
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.compared, Compared::Unknown(_))
    }

    /// What is written, whether it differs or not, counts as updated.
    pub(crate) fn change(&self) -> Change {
        match self.compared {
            Compared::New => Change::Created,
            Compared::Same => Change::Unchanged,
            Compared::Differs { .. } | Compared::Unknown(_) => Change::Updated,
        }
    }

    /// Several lines without a line break at the end.
    pub(crate) fn text(&self) -> String {
        let path = &self.path;
        let (differences, secrets, enabled) = match &self.compared {
            Compared::New => return format!("the connection {path}  created"),
            Compared::Same => return format!("the connection {path}  unchanged"),
            Compared::Unknown(why) => return format!("the connection {path}  is not compared: {why}"),
            Compared::Differs { differences, secrets, enabled } => (differences, secrets, enabled),
        };
        let mut lines = vec![format!("the connection {path}  changed")];
        match enabled {
            (true, false) => lines.push("  ! IT IS DISABLED BY THIS: steps that use it fail from then on".to_owned()),
            (false, true) => lines.push("  ! it is enabled by this".to_owned()),
            _ => {}
        }
        lines.extend(differences.iter().flat_map(Difference::lines).map(|line| format!("  {line}")));
        lines.extend(secrets.iter().map(|(path, change)| format!("  * {path}: {change} (secret)")));
        lines.join("\n")
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let path = &self.path;
        match &self.compared {
            Compared::Unknown(why) => json!({ "connection": path, "change": "unknown", "reason": why }),
            Compared::Differs { differences, secrets, enabled } => json!({
                "connection": path,
                "change": Change::Updated,
                "enabled": enabled.1,
                "differences": differences.iter().map(Difference::object).collect::<Value>(),
                "secrets": secrets.iter().map(|(path, change)| (path.clone(), json!(change))).collect::<Map<_, _>>(),
            }),
            Compared::New | Compared::Same => json!({ "connection": path, "change": self.change() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(before: Value, written: &Value, after: Value) -> PlannedConnection {
        let connection = Connection::from_value(&after).unwrap();
        let new = NewConnection { path: "t/c".to_owned(), connection, document: after, secret_fields: Connection::secret_fields(written) };
        PlannedConnection { path: "t/c".to_owned(), compared: compare(before, &new) }
    }

    #[test]
    fn a_secret_is_told_only_as_changed_or_not_wherever_it_stands() {
        let before = json!({"tenant": "t", "connection": "c", "http": {"url": "https://a.example", "headers": {"X-Key": "hunter1", "X-Old": "hunter2"},
            "authentication": {"basic": {"username": "hunter3", "password": "hunter4"}}}});
        let mut after = before.clone();
        after["http"]["url"] = json!("https://b.example");
        after["http"]["headers"] = json!({"X-Key": "hunter1", "X-New": "hunter5"});
        after["http"]["authentication"] = json!({"basic": {"username": "hunter6", "password": "hunter7"}});
        let mut written = after.clone();
        written["http"]["authentication"]["basic"]["username"] = json!({"env": "WHO"});
        let planned = compared(before, &written, after);
        let expected = "the connection t/c  changed
  ~ http.url: \"https://a.example\" -> \"https://b.example\"
  * http.authentication.basic.password: changed (secret)
  * http.authentication.basic.username: changed (secret)
  * http.headers.X-Key: unchanged (secret)
  * http.headers.X-New: added (secret)
  * http.headers.X-Old: removed (secret)";
        assert_eq!(planned.text(), expected);
        assert!(!planned.object().to_string().contains("hunter"));
    }

    #[test]
    fn a_default_that_is_written_out_is_no_difference_and_being_disabled_is_said_aloud() {
        let before = json!({"tenant": "t", "connection": "c", "amqp": {"url": "amqp://h"}});
        let mut after = before.clone();
        after["enabled"] = json!(true);
        assert!(!compared(before.clone(), &after, after.clone()).is_change());
        after["enabled"] = json!(false);
        let text = compared(before, &after, after.clone()).text();
        assert!(text.contains("IT IS DISABLED") && text.contains("  * amqp.url: unchanged (secret)"), "{text}");
    }
}
