//! The `connections` verbs.

use forebay_admin_api::connections::{Connection as StoredConnection, RotationStatus};
use forebay_admin_api::integrations::WrittenDocument;
use forebay_contract::connection::{Connection, SecretSource};
use serde_json::json;

use crate::api::Api;
use crate::args::Connections;
use crate::change;
use crate::documents::{ConnectionDocument, Documents};
use crate::error::Error;
use crate::output::{Output, Row, note};
use crate::pauses;
use crate::shown::{second_or_empty, yes};

/// Interval at which the progress of the re-encryption is read.
const FOLLOW_INTERVAL: std::time::Duration = std::time::Duration::from_millis(300);

/// `forebay connections ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Connections) -> Result<(), Error> {
    match command {
        Connections::Apply { paths } => {
            let connections = with_secrets(&Documents::read_connections(&paths, "nothing was stored")?)?;
            if connections.is_empty() {
                return Err(Error::Usage("the files contain no connection: write a document with a field `connection`".to_owned()));
            }
            change::apply(api, connections, false).await?.show(output)
        }
        Connections::List { tenant } => {
            let rows = api.connections(tenant.as_ref().map(Into::into)).await?.into_iter().map(row).collect();
            output.listing(&["connection", "kind", "enabled", "updated", "description"], rows, "no connections")
        }
        Connections::Test { path } => {
            let tested = api.test_connection(&path).await?;
            output.one(&format!("{path} works: {}", tested.reached), &tested)
        }
        Connections::Enable { path } => {
            output.one(&format!("{path} is enabled: steps can use it"), &api.enable_connection(&path, true).await?)
        }
        Connections::Disable { path } => {
            output.one(&format!("{path} is disabled: steps that use it fail"), &api.enable_connection(&path, false).await?)
        }
        Connections::Pause { path, pause } => {
            pauses::pause(output, api, &format!("connections/{path}"), &format!("the connection {path}"), pause).await
        }
        Connections::Resume { path } => {
            pauses::resume(output, api, &format!("connections/{path}"), &format!("the connection {path}")).await
        }
        Connections::Delete { path } => {
            api.delete_connection(&path).await?;
            output.one(&format!("deleted {path}"), &json!({ "connection": path.to_string(), "deleted": true }))
        }
        Connections::Rotate => rotate(output, api).await,
    }
}

/// Follows the re-encryption to its end: it may run in the API of this process, which ends with it.
async fn rotate(output: &Output, api: &Api) -> Result<(), Error> {
    let started = api.rotate().await?;
    note(&format!("re-encrypted {} connections and keys; re-encrypting payloads of executions", started.reencrypted));
    let mut polled = None;
    let mut printed = String::new();
    while polled.as_ref().unwrap_or(&started.payloads).status == RotationStatus::Running {
        tokio::time::sleep(FOLLOW_INTERVAL).await;
        let rotation = polled.insert(api.rotation().await?);
        let up_to = second_or_empty(rotation.up_to.as_ref());
        if !up_to.is_empty() && up_to != printed {
            note(&format!("re-encrypted executions up to {up_to}"));
            printed = up_to;
        }
    }
    let rotation = polled.as_ref().unwrap_or(&started.payloads);
    if rotation.status != RotationStatus::Finished {
        return Err(Error::Failed("the process that re-encrypts the payloads has ended: run this again to continue".to_owned()));
    }
    let advice = match rotation.unreadable {
        0 => "If a process got the new key only after the rotation began, run this again. Then, when all processes have the new key first, the \
              old keys are no longer needed"
            .to_owned(),
        unreadable => format!(
            "{unreadable} payloads are encrypted with a key that FOREBAY_SECRET_KEY does not have; their executions cannot be retried. Add the key \
             after a comma and run this again. Do not remove any key before"
        ),
    };
    let text = format!("Re-encrypted {} connections, keys and payloads. {advice}.", rotation.total);
    match &polled {
        Some(rotation) => output.one(&text, rotation),
        None => output.one(&text, &started),
    }
}

/// Returns connections in the form of the API, with their secrets.
pub(crate) fn with_secrets(documents: &[ConnectionDocument]) -> Result<Vec<WrittenDocument>, Error> {
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
    Err(Error::Failed(format!("{} of the connections have problems: nothing was stored", problems.len())))
}

/// # Errors
/// One line for each secret that is not found, with its file.
pub(crate) fn with_its_secrets(written: &ConnectionDocument) -> Result<WrittenDocument, Error> {
    let ConnectionDocument { file, document, .. } = written;
    let read = Connection::resolve_secrets(document, look_up).and_then(|found| Connection::from_value(&found).map(|_| found));
    let found = read.map_err(|error| {
        let lines: Vec<String> = error.problems.iter().map(|problem| format!("{file}: {problem}")).collect();
        Error::Failed(lines.join("\n"))
    })?;
    let secret_fields = Connection::secret_fields(document).into_iter().collect();
    Ok(WrittenDocument { document: Some(found), secret_fields, source: None })
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

fn row(connection: StoredConnection) -> Row<StoredConnection> {
    let cells = vec![
        connection.path(),
        connection.kind.clone(),
        yes(connection.enabled),
        connection.updated_at.to_second(),
        connection.description.clone(),
    ];
    Row { cells, object: connection }
}
