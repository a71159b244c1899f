//! The `connections` verbs.

use std::collections::BTreeSet;

use forebay_contract::connection::{Connection, SecretSource};
use forebay_runtime::settings::Settings;
use forebay_store::{ConnectionRow, SecretKeys, Store};
use forebay_workflow::connector::ReachError;
use forebay_workflow::{Engine, EngineOptions};
use serde_json::{Value, json};

use crate::apply::author;
use crate::args::Connections;
use crate::change::change_word;
use crate::connection_change::{PlannedConnection, plan};
use crate::documents::{ConnectionDocument, Documents};
use crate::error::Error;
use crate::output::{Output, Row, note, rfc3339, to_the_second};

/// Of the listing of connections that were stored.
pub(crate) const COLUMNS: [&str; 3] = ["change", "connection", "kind"];

/// `forebay connections ...`.
pub(crate) async fn perform(output: &Output, settings: &Settings, command: Connections) -> Result<(), Error> {
    let store = crate::client_store(settings).await?;
    match command {
        Connections::Apply { paths } => {
            let connections = with_secrets(&Documents::read_connections(&paths, "nothing was stored")?)?;
            if connections.is_empty() {
                return Err(Error::Usage("the files hold no connection: a document with a field `connection`".to_owned()));
            }
            let keys = keys(settings)?;
            let planned = plan(&store, connections.iter().map(|new| (new.path.as_str(), Ok(new))), Ok(&keys)).await?;
            output.listing(&COLUMNS, store_changed(&store, &connections, &planned, &keys).await?, "nothing")
        }
        Connections::List { tenant } => {
            let rows = store.list_connections(tenant.as_ref()).await?.into_iter().map(row).collect();
            output.listing(&["connection", "kind", "enabled", "updated", "description"], rows, "no connections")
        }
        Connections::Test { path } => {
            let connection = store.connection(&path.tenant, &path.name, &keys(settings)?).await?;
            let reached = engine(settings)?.test(&connection).await.map_err(Error::Failed)?;
            output.one(&format!("{path} works: {reached}"), &json!({ "connection": path.to_string(), "works": true, "reached": reached }))
        }
        Connections::Enable { path } => {
            store.enable_connection(&path.tenant, &path.name, true, &keys(settings)?, &author()).await?;
            output.one(&format!("{path}: steps may use it"), &json!({ "connection": path.to_string(), "enabled": true }))
        }
        Connections::Disable { path } => {
            store.enable_connection(&path.tenant, &path.name, false, &keys(settings)?, &author()).await?;
            output.one(&format!("{path}: steps that use it fail"), &json!({ "connection": path.to_string(), "enabled": false }))
        }
        Connections::Delete { path } => {
            store.delete_connection(&path.tenant, &path.name, &author()).await?;
            output.one(&format!("deleted {path}"), &json!({ "connection": path.to_string(), "deleted": true }))
        }
        Connections::Rotate => {
            let count = store.reseal_connections(&keys(settings)?, &author()).await?;
            let text = format!("{count} encrypted anew: keys after the first in FOREBAY_SECRET_KEY are not needed any more");
            output.one(&text, &json!({ "reencrypted": count }))
        }
    }
}

/// Reaches what a worker with these settings reaches.
pub(crate) fn engine(settings: &Settings) -> Result<Engine, Error> {
    let mut options = EngineOptions::default();
    let reach = settings.private_addresses.parse();
    options.reach = reach.map_err(|error: ReachError| Error::Usage(format!("FOREBAY_PRIVATE_ADDRESSES: {error}")))?;
    Engine::new(options).map_err(|error| Error::Failed(error.to_string()))
}

/// The keys that protect credentials.
pub(crate) fn keys(settings: &Settings) -> Result<SecretKeys, Error> {
    crate::secret_keys(settings)?.ok_or_else(|| {
        Error::Usage(
            "credentials are stored encrypted: set FOREBAY_SECRET_KEY (`openssl rand -hex 32` makes one), the same for every process"
                .to_owned(),
        )
    })
}

/// A connection as it is stored.
pub(crate) struct NewConnection {
    /// `tenant/name`.
    pub(crate) path: String,
    pub(crate) connection: Connection,
    /// What it was read from, every secret as text.
    pub(crate) document: Value,
    /// Where its secrets are.
    pub(crate) secret_fields: BTreeSet<Vec<String>>,
}

/// Connections with their secrets found.
pub(crate) fn with_secrets(documents: &[ConnectionDocument]) -> Result<Vec<NewConnection>, Error> {
    let (mut connections, mut problems) = (Vec::with_capacity(documents.len()), Vec::new());
    for document in documents {
        match with_its_secrets(document) {
            Ok(connection) => connections.push(connection),
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        return Ok(connections);
    }
    problems.iter().for_each(|problem| note(&problem.to_string()));
    Err(Error::Failed(format!("{} of the connections cannot be used: nothing was stored", problems.len())))
}

/// # Errors
/// A line for each secret that is not found, with its file.
pub(crate) fn with_its_secrets(written: &ConnectionDocument) -> Result<NewConnection, Error> {
    let ConnectionDocument { path, file, document } = written;
    let read = Connection::resolve_secrets(document, look_up).and_then(|found| Ok((Connection::from_value(&found)?, found)));
    let (connection, found) = read.map_err(|error| {
        let lines: Vec<String> = error.problems.iter().map(|problem| format!("{file}: {problem}")).collect();
        Error::Failed(lines.join("\n"))
    })?;
    Ok(NewConnection { path: path.clone(), connection, document: found, secret_fields: Connection::secret_fields(document) })
}

fn look_up(source: SecretSource<'_>) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|_| format!("the environment variable {name} is not set")),
        SecretSource::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => Err(format!("{path} cannot be read: {error}")),
        },
    }
}

/// Stores those that are not as they are stored already; a row of [`COLUMNS`] for each. `planned` is in the same order.
pub(crate) async fn store_changed(
    store: &Store,
    connections: &[NewConnection],
    planned: &[PlannedConnection],
    keys: &SecretKeys,
) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::with_capacity(connections.len());
    for (new, planned) in connections.iter().zip(planned) {
        let NewConnection { path, connection, document, .. } = new;
        if planned.is_change() {
            store.put_connection(connection, document, keys, None, &author()).await?;
        }
        let (change, kind) = (planned.change(), connection.kind.as_str());
        let object = json!({ "connection": path, "change": change, "kind": kind, "enabled": connection.enabled });
        rows.push(Row { cells: vec![change_word(change).to_owned(), path.clone(), kind.to_owned()], object });
    }
    Ok(rows)
}

fn row(connection: ConnectionRow) -> Row {
    let path = format!("{}/{}", connection.tenant, connection.name);
    let object = json!({
        "id": connection.id.to_string(),
        "tenant": connection.tenant.as_str(),
        "name": connection.name.as_str(),
        "kind": connection.kind,
        "enabled": connection.enabled,
        "description": connection.description,
        "updatedAt": rfc3339(connection.updated_at),
    });
    let enabled = if connection.enabled { "yes" } else { "no" }.to_owned();
    Row { cells: vec![path, connection.kind, enabled, to_the_second(connection.updated_at), connection.description], object }
}
