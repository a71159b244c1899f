//! Connections: comparing, storing, testing. Of a secret only its equality with the stored one is shown.

use crate::Operations;
use crate::actor::Actor;
use crate::definitions::visible;
use crate::difference::{Difference, differences};
use crate::error::OperationError;
use forebay_contract::connection::{Connection, SecretSource, take_field, take_secrets};
use forebay_contract::definition::Problem;
use forebay_contract::{IntegrationPath, Name};
use forebay_store::{Change, ConnectionRow, Role, StoreError};
use serde_json::Value;
use std::collections::BTreeSet;

/// A connection to store.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// The connection.
    pub connection: Connection,
    /// The document that it was read from, with every secret as text.
    pub document: Value,
    /// Secret fields besides those that are always secret: their values came from variables or files.
    pub secret_fields: BTreeSet<Vec<String>>,
}

/// A connection compared with the stored one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedConnection {
    /// Its tenant.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
    /// Such as `http`.
    pub kind: &'static str,
    /// The change that storing it would make.
    pub change: Change,
    /// Every field that differs and is not secret.
    pub differences: Vec<Difference>,
    /// Every secret, by path: `changed`, `unchanged`, `added`, `removed`.
    pub secrets: Vec<(String, &'static str)>,
    /// True if steps could use it before; `None`: it is new.
    pub was_enabled: Option<bool>,
    /// True if steps may use it after.
    pub enabled: bool,
    /// The reason for which it could not be compared with the stored one; then it counts as updated.
    pub unknown: Option<String>,
}

impl NewConnection {
    /// Reads a document in which every secret is text.
    ///
    /// # Errors
    /// All problems.
    pub fn read(document: Value, secret_fields: BTreeSet<Vec<String>>) -> Result<Self, Vec<Problem>> {
        let not_here = |_: SecretSource<'_>| {
            Err("only the command reads variables and files: use `forebay connections apply` on the machine that has the secret".to_owned())
        };
        let document = Connection::resolve_secrets(&document, not_here).map_err(|error| error.problems)?;
        let connection = Connection::from_value(&document).map_err(|error| error.problems)?;
        Ok(Self { connection, document, secret_fields })
    }
}

impl PlannedConnection {
    fn of(new: &NewConnection, change: Change) -> Self {
        let Connection { tenant, name, enabled, kind, .. } = &new.connection;
        let (tenant, name, kind) = (tenant.clone(), name.clone(), kind.as_str());
        Self {
            tenant,
            name,
            kind,
            change,
            differences: Vec::new(),
            secrets: Vec::new(),
            was_enabled: None,
            enabled: *enabled,
            unknown: None,
        }
    }
}

impl Operations {
    /// Returns the connections that the person may see, without their secrets.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_connections(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<ConnectionRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_connections(tenants.one()).await?;
        rows.retain(|row| tenants.has(&row.tenant));
        Ok(rows)
    }

    /// Returns one connection, with its document without secrets.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`OperationError::Refused`]: this process has no key; those of the store.
    pub async fn connection(&self, actor: &Actor, path: &IntegrationPath) -> Result<(ConnectionRow, Value), OperationError> {
        actor.may(&path.tenant, Role::Viewer)?;
        let row = self.store.connection_listed(&path.tenant, &path.name).await?;
        let mut document = self.store.connection_document(&path.tenant, &path.name, self.keys()?).await?;
        for field in Connection::secret_fields(&document) {
            take_field(&mut document, &field);
        }
        Ok((row, document))
    }

    /// Compares connections with the stored ones; writes nothing. If this process has no key that decrypts a stored one, the result is
    /// unknown.
    ///
    /// # Errors
    /// A tenant in which the person may not change connections, since comparing allows guessing secrets; those of the store.
    pub async fn plan_connections(&self, actor: &Actor, connections: &[NewConnection]) -> Result<Vec<PlannedConnection>, OperationError> {
        let mut planned = Vec::with_capacity(connections.len());
        for new in connections {
            let (tenant, name) = (&new.connection.tenant, &new.connection.name);
            actor.may(tenant, Role::Developer)?;
            planned.push(match self.store.connection_listed(tenant, name).await {
                Ok(row) => match self.stored_document(tenant, name).await {
                    Ok(stored) => compare(stored, new),
                    Err(error @ (OperationError::Refused(_) | OperationError::Store(StoreError::Invalid { .. }))) => {
                        let (unknown, was_enabled) = (Some(error.to_string()), Some(row.enabled));
                        PlannedConnection { unknown, was_enabled, ..PlannedConnection::of(new, Change::Updated) }
                    }
                    Err(error) => return Err(error),
                },
                Err(StoreError::NotFound { .. }) => PlannedConnection::of(new, Change::Created),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(planned)
    }

    async fn stored_document(&self, tenant: &Name, name: &Name) -> Result<Value, OperationError> {
        Ok(self.store.connection_document(tenant, name, self.keys()?).await?)
    }

    /// Stores those that differ from the stored ones, in order; returns the change of each.
    ///
    /// # Errors
    /// Those of [`Self::plan_connections`]; the ones before the failed one stay stored.
    pub async fn apply_connections(&self, actor: &Actor, connections: &[NewConnection]) -> Result<Vec<PlannedConnection>, OperationError> {
        if connections.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.keys()?;
        let planned = self.plan_connections(actor, connections).await?;
        for (new, planned) in connections.iter().zip(&planned) {
            if planned.change != Change::Unchanged {
                let principal = actor.may(&new.connection.tenant, Role::Developer)?;
                self.store.put_connection(&new.connection, &new.document, keys, None, principal).await?;
            }
        }
        Ok(planned)
    }

    /// Stores a connection after editing, if its revision is still `expected` (0: it does not exist yet). A secret that was left out stays,
    /// as long as its destination is unchanged: otherwise everybody who may change the connection could read it.
    ///
    /// # Errors
    /// [`StoreError::Changed`]; [`OperationError::Problems`], also for each secret that must be given again; those of
    /// [`Self::apply_connections`].
    pub async fn save_connection(&self, actor: &Actor, document: Value, expected: i32) -> Result<IntegrationPath, OperationError> {
        let named = |field: &str| document.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Name>().ok());
        let mut document = document.clone();
        let mut restored = None;
        if let (Some(tenant), Some(name)) = (named("tenant"), named("connection")) {
            actor.may(&tenant, Role::Developer)?;
            if expected > 0 {
                let stored = self.store.connection_document(&tenant, &name, self.keys()?).await?;
                let fields = restore_secrets(&stored, &mut document);
                restored = Some((stored, fields));
            }
        }
        let new = NewConnection::read(document, BTreeSet::new()).map_err(OperationError::Problems)?;
        if let Some((stored, fields)) = restored {
            refuse_new_destination(&stored, &fields, &new.connection)?;
        }
        let principal = actor.may(&new.connection.tenant, Role::Developer)?;
        self.store.put_connection(&new.connection, &new.document, self.keys()?, Some(expected), principal).await?;
        Ok(IntegrationPath { tenant: new.connection.tenant, name: new.connection.name })
    }

    /// Connects to the remote system of a connection, as a worker would; returns its description.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: the problem, and the remedy; those of the store.
    pub async fn test_connection(&self, actor: &Actor, path: &IntegrationPath) -> Result<String, OperationError> {
        actor.may(&path.tenant, Role::Operator)?;
        if !self.store.connection_listed(&path.tenant, &path.name).await?.enabled {
            return Err(OperationError::Refused(format!(
                "the connection {path} is disabled: enable it before the test (`forebay connections enable {path}`)"
            )));
        }
        let connection = self.store.connection(&path.tenant, &path.name, self.keys()?).await?;
        self.engine.test(&connection).await.map_err(OperationError::Refused)
    }

    /// Enables or disables a connection for steps.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn enable_connection(&self, actor: &Actor, path: &IntegrationPath, enabled: bool) -> Result<(), OperationError> {
        let principal = actor.may(&path.tenant, Role::Developer)?;
        Ok(self.store.enable_connection(&path.tenant, &path.name, enabled, self.keys()?, principal).await?)
    }

    /// Deletes a connection, if its revision is still `expected`; steps that use it fail from then on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_connection(&self, actor: &Actor, path: &IntegrationPath, expected: Option<i32>) -> Result<(), OperationError> {
        let principal = actor.may(&path.tenant, Role::Developer)?;
        Ok(self.store.delete_connection(&path.tenant, &path.name, expected, principal).await?)
    }
}

fn compare(before: Value, new: &NewConnection) -> PlannedConnection {
    // Both are read, so that a default that is written explicitly is not a difference.
    let stored = Connection::from_stored(&before).ok();
    let is_same = stored.as_ref() == Some(&new.connection);
    let was_enabled = stored.is_none_or(|stored| stored.enabled);
    let change = if is_same { Change::Unchanged } else { Change::Updated };
    let mut planned = PlannedConnection { was_enabled: Some(was_enabled), ..PlannedConnection::of(new, change) };
    if is_same {
        return planned;
    }
    let (mut before, mut after) = (before, new.document.clone());
    for document in [&mut before, &mut after] {
        if document["enabled"] == true {
            take_field(document, &["enabled".to_owned()]);
        }
    }
    let mut fields = Connection::secret_fields(&before);
    fields.extend(Connection::secret_fields(&after));
    fields.extend(new.secret_fields.iter().cloned());
    planned.secrets = take_secrets(&mut before, &mut after, &fields);
    planned.differences = differences(&before, &after);
    planned
}

/// Refuses restored secrets in a connection whose destination has changed.
fn refuse_new_destination(stored: &Value, restored: &[String], new: &Connection) -> Result<(), OperationError> {
    if restored.is_empty() {
        return Ok(());
    }
    // The destination of a stored connection that cannot be read is unknown.
    let changed = match Connection::from_stored(stored) {
        Ok(stored) => stored.destination().differences(&new.destination()).join(", "),
        Err(_) => "the whole connection".to_owned(),
    };
    if changed.is_empty() {
        return Ok(());
    }
    let message =
        format!("write the secret again, because {changed} changes: Forebay sends a stored secret only to its earlier destination");
    let problem = |path: &String| Problem { path: path.clone(), message: message.clone() };
    Err(OperationError::Problems(restored.iter().map(problem).collect()))
}

/// Inserts secrets that were left out of a document, if the object around them still exists; returns their paths.
fn restore_secrets(stored: &Value, document: &mut Value) -> Vec<String> {
    let mut restored = Vec::new();
    for field in Connection::secret_fields(stored) {
        let Some((last, outer)) = field.split_last() else { continue };
        let Some(secret) = field.iter().try_fold(stored, |value, name| value.get(name)) else { continue };
        let place = outer.iter().try_fold(&mut *document, |value, name| value.get_mut(name));
        if let Some(Value::Object(place)) = place {
            place.entry(last.clone()).or_insert_with(|| {
                restored.push(field.join("."));
                secret.clone()
            });
        }
    }
    restored
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compared(before: Value, secret_fields: &[&[&str]], after: Value) -> PlannedConnection {
        let fields = secret_fields.iter().map(|field| field.iter().map(|name| (*name).to_owned()).collect()).collect();
        compare(before, &NewConnection::read(after, fields).unwrap())
    }

    #[test]
    fn a_comparison_shows_only_the_change_of_a_secret_and_not_its_value() {
        let before = json!({"tenant": "t", "connection": "c", "http": {"url": "https://a.example", "headers": {"X-Key": "hunter1", "X-Old": "hunter2"},
            "authentication": {"basic": {"username": "hunter3", "password": "hunter4"}}}});
        let mut after = before.clone();
        after["http"]["url"] = json!("https://b.example");
        after["http"]["headers"] = json!({"X-Key": "hunter1", "X-New": "hunter5"});
        after["http"]["authentication"] = json!({"basic": {"username": "hunter6", "password": "hunter7"}});
        let planned = compared(before, &[&["http", "authentication", "basic", "username"]], after);
        let changes: Vec<(&str, &str)> = planned.secrets.iter().map(|(path, change)| (path.as_str(), *change)).collect();
        let expected = [
            ("http.authentication.basic.password", "changed"),
            ("http.authentication.basic.username", "changed"),
            ("http.headers.X-Key", "unchanged"),
            ("http.headers.X-New", "added"),
            ("http.headers.X-Old", "removed"),
        ];
        assert_eq!(changes, expected);
        assert_eq!(
            planned.differences.iter().flat_map(Difference::lines).collect::<Vec<_>>(),
            ["~ http.url: \"https://a.example\" -> \"https://b.example\""]
        );
        assert!(!format!("{planned:?}").contains("hunter"));
    }

    #[test]
    fn an_explicit_default_is_no_difference_and_a_disabled_connection_is_reported() {
        let before = json!({"tenant": "t", "connection": "c", "amqp": {"url": "amqp://h"}});
        let mut after = before.clone();
        after["enabled"] = json!(true);
        assert_eq!(compared(before.clone(), &[], after.clone()).change, Change::Unchanged);
        after["enabled"] = json!(false);
        let planned = compared(before, &[], after);
        assert_eq!((planned.was_enabled, planned.enabled), (Some(true), false));
        assert_eq!(planned.secrets, [("amqp.url".to_owned(), "unchanged")]);
    }

    #[test]
    fn a_missing_secret_is_restored_and_a_written_one_is_used() {
        let stored = json!({"tenant": "t", "connection": "c", "http": {"url": "https://a", "headers": {"A": "1"}, "authentication": {"bearer": {"token": "old"}}}});
        let mut edited = json!({"tenant": "t", "connection": "c", "http": {"url": "https://b", "authentication": {"bearer": {}}}});
        restore_secrets(&stored, &mut edited);
        assert_eq!(edited["http"]["authentication"]["bearer"]["token"], "old");
        assert_eq!(edited["http"].get("headers"), None, "what was taken away stays away");
        edited["http"]["authentication"]["bearer"]["token"] = json!("new");
        assert!(restore_secrets(&stored, &mut edited).is_empty());
        assert_eq!(edited["http"]["authentication"]["bearer"]["token"], "new");
    }

    #[test]
    fn a_missing_secret_is_restored_only_for_the_same_destination() {
        let stored = json!({"tenant": "t", "connection": "c", "http": {"url": "https://a", "headers": {"A": "1"}, "authentication":
            {"oauth2": {"token_url": "https://b", "client_id": "i", "client_secret": "hunter2"}}}});
        let save = |edit: &dyn Fn(&mut Value)| {
            let mut edited = json!({"tenant": "t", "connection": "c", "http": {"url": "https://a", "headers": {}, "authentication":
                {"oauth2": {"token_url": "https://b", "client_id": "i"}}}});
            edit(&mut edited["http"]);
            let restored = restore_secrets(&stored, &mut edited);
            refuse_new_destination(&stored, &restored, &Connection::from_value(&edited).unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(save(&|_| {}), Ok(()));
        assert_eq!(save(&|http| http["authentication"]["oauth2"]["scope"] = json!("all")), Ok(()));
        let error = save(&|http| http["url"] = json!("https://evil")).unwrap_err();
        assert!(error.contains("http.authentication.oauth2.client_secret: write the secret again, because http.url changes"), "{error}");
        assert!(error.contains("http.headers.A: write the secret again") && !error.contains("hunter2"), "{error}");
        let error = save(&|http| http["authentication"]["oauth2"]["token_url"] = json!("https://evil")).unwrap_err();
        assert!(error.contains("because http.authentication.oauth2.token_url changes"), "{error}");
        let all = |http: &mut Value| {
            http["url"] = json!("https://evil");
            http["headers"] = json!({"A": "2"});
            http["authentication"]["oauth2"]["client_secret"] = json!("other");
        };
        assert_eq!(save(&all), Ok(()));
    }
}
