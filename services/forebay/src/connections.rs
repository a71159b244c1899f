//! The `connections` verbs.

use forebay_contract::IntegrationPath;
use forebay_contract::connection::{Connection, SecretSource};
use forebay_contract::json::object_of;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::Connections;
use crate::change;
use crate::documents::{ConnectionDocument, Documents};
use crate::error::Error;
use crate::output::{Output, Row, note};
use crate::shown::{second, text, yes};

/// `forebay connections ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Connections) -> Result<(), Error> {
    let at = |path: &IntegrationPath, verb: &str| format!("connections/{path}/{verb}");
    match command {
        Connections::Apply { paths } => {
            let connections = with_secrets(&Documents::read_connections(&paths, "nothing was stored")?)?;
            if connections.is_empty() {
                return Err(Error::Usage("the files hold no connection: a document with a field `connection`".to_owned()));
            }
            change::apply(api, &connections, false).await?.show(output)
        }
        Connections::List { tenant } => {
            let tenant = tenant.map(|tenant| tenant.to_string());
            let rows = api.list("connections", &[("tenant", tenant)]).await?.into_iter().map(row).collect();
            output.listing(&["connection", "kind", "enabled", "updated", "description"], rows, "no connections")
        }
        Connections::Test { path } => {
            let tested = api.post(&at(&path, "test"), &json!({})).await?;
            output.one(&format!("{path} works: {}", text(&tested, "reached")), &tested)
        }
        Connections::Enable { path } => {
            output.one(&format!("{path}: steps may use it"), &api.post(&at(&path, "enable"), &json!({})).await?)
        }
        Connections::Disable { path } => {
            output.one(&format!("{path}: steps that use it fail"), &api.post(&at(&path, "disable"), &json!({})).await?)
        }
        Connections::Delete { path } => {
            api.delete(&format!("connections/{path}")).await?;
            output.one(&format!("deleted {path}"), &json!({ "connection": path.to_string(), "deleted": true }))
        }
        Connections::Rotate => {
            let rotated = api.post("connections/rotate", &json!({})).await?;
            let count = text(&rotated, "reencrypted");
            output.one(&format!("{count} encrypted anew: keys after the first in FOREBAY_SECRET_KEY are not needed any more"), &rotated)
        }
    }
}

/// Connections as the API takes them, with their secrets found.
pub(crate) fn with_secrets(documents: &[ConnectionDocument]) -> Result<Vec<Value>, Error> {
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
pub(crate) fn with_its_secrets(written: &ConnectionDocument) -> Result<Value, Error> {
    let ConnectionDocument { file, document, .. } = written;
    let read = Connection::resolve_secrets(document, look_up).and_then(|found| Connection::from_value(&found).map(|_| found));
    let found = read.map_err(|error| {
        let lines: Vec<String> = error.problems.iter().map(|problem| format!("{file}: {problem}")).collect();
        Error::Failed(lines.join("\n"))
    })?;
    Ok(object_of([("document", found), ("secretFields", json!(Connection::secret_fields(document)))]))
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

fn row(connection: Value) -> Row {
    let path = format!("{}/{}", text(&connection, "tenant"), text(&connection, "name"));
    let cells = vec![
        path,
        text(&connection, "kind"),
        yes(&connection, "enabled"),
        second(&connection, "updatedAt"),
        text(&connection, "description"),
    ];
    Row { cells, object: connection }
}
