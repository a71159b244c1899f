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

/// How often it is asked how far encrypting anew has come.
const FOLLOW_INTERVAL: std::time::Duration = std::time::Duration::from_millis(300);

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
        Connections::Rotate => rotate(output, api).await,
    }
}

/// Follows it to its end: the console may be one of this command's own, which ends with it.
async fn rotate(output: &Output, api: &Api) -> Result<(), Error> {
    let mut state = api.post("connections/rotate", &json!({})).await?;
    let count = text(&state, "reencrypted");
    note(&format!("{count} connections and keys are encrypted anew; now what executions keep"));
    let mut said = String::new();
    while state["status"] == "running" {
        tokio::time::sleep(FOLLOW_INTERVAL).await;
        state = api.get("connections/rotate", &[]).await?;
        let up_to = second(&state, "upTo");
        if !up_to.is_empty() && up_to != said {
            note(&format!("executions up to {up_to}"));
            said = up_to;
        }
    }
    if state["status"] != "finished" {
        return Err(Error::Failed("the process that encrypts anew has ended: run this again, and it goes on where it was".to_owned()));
    }
    let total = text(&state, "total");
    let advice = match text(&state, "unreadable").as_str() {
        "0" => "Once every process runs with the new key first, keys after it are not needed any more. Run this again where a process was \
                restarted after it began"
            .to_owned(),
        unreadable => format!(
            "{unreadable} payloads were encrypted by a key that is not given, and their executions cannot be retried: give it after a comma and run \
             this again. Until then keep every key"
        ),
    };
    output.one(&format!("{total} encrypted anew. {advice}."), &state)
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
