//! The `alerts` verbs.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_contract::alert::{Alert, Notice};
use forebay_contract::connection::Connection;
use forebay_contract::definition::to_yaml;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{IdIssuer, IntegrationPath, Name, format_duration, unix_micros};
use forebay_runtime::settings::Settings;
use forebay_store::{AlertRow, Store};
use forebay_workflow::{Channel, FindConnection};
use serde_json::{Map, Value, json};

use crate::alert_change::{COLUMNS, plan, store_changed};
use crate::apply::author;
use crate::args::Alerts;
use crate::connections::{engine, keys};
use crate::documents::Documents;
use crate::error::Error;
use crate::output::{Output, Row, rfc3339, to_the_second};

/// `forebay alerts ...`.
pub(crate) async fn perform(output: &Output, settings: &Settings, command: Alerts) -> Result<(), Error> {
    let store = crate::client_store(settings).await?;
    match command {
        Alerts::Apply { paths } => {
            let alerts = Documents::read_alerts(&paths, "nothing was stored")?;
            if alerts.is_empty() {
                return Err(Error::Usage("the files hold no alert: a document with a field `alert`".to_owned()));
            }
            let planned = plan(&store, &alerts).await?;
            output.listing(&COLUMNS, store_changed(&store, &alerts, &planned).await?, "nothing")
        }
        Alerts::List { tenant } => {
            let rows = store.list_alerts(tenant.as_ref().map(std::slice::from_ref)).await?.iter().map(row).collect();
            output.listing(&["alert", "when", "state", "since", "sent", "error"], rows, "no alerts")
        }
        Alerts::Show { path } => {
            let alert = store.alert(&path.tenant, &path.name).await?;
            output.one(&text(&alert), &shown(&alert))
        }
        Alerts::Test { path } => {
            let alert = store.alert(&path.tenant, &path.name).await?;
            test(output, settings, &store, &path, &alert).await
        }
        Alerts::Delete { path } => {
            store.delete_alert(&path.tenant, &path.name, None, &author()).await?;
            output.one(&format!("deleted {path}"), &json!({ "alert": path.to_string(), "deleted": true }))
        }
    }
}

/// Sends a test on every way of the alert; what one of them does is no matter to the others.
async fn test(output: &Output, settings: &Settings, store: &Store, path: &IntegrationPath, row: &AlertRow) -> Result<(), Error> {
    let engine = engine(settings)?;
    let connections = found_connections(settings, store, &row.alert).await?;
    let find: FindConnection = Arc::new(move |name| {
        let missing = || ExecutionError::permanent(ErrorCode::Connection, format!("there is no connection '{name}'"));
        connections.get(name).cloned().ok_or_else(missing)
    });
    let notice = Notice { number: 0, at: unix_micros(), entries: Vec::new() };
    let id = IdIssuer::new(&store.id_key().await?).derive(row.id, notice.at / 1000, "alert test");
    let (mut object, mut problems) = (Map::from_iter([("alert".to_owned(), json!(path.to_string()))]), Vec::new());
    let channels = Channel::of(&row.alert);
    for channel in &channels {
        match engine.tell(&row.alert, *channel, &notice, id, find.clone()).await {
            Ok(()) => _ = object.insert(channel.as_str().to_owned(), json!("sent")),
            Err(error) => problems.push(format!("{}: {}", channel.as_str(), error.message)),
        }
    }
    if problems.is_empty() {
        let ways: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
        return output.one(&format!("{path}: a test was sent by {}", ways.join(" and ")), &Value::Object(object));
    }
    Err(Error::Failed(format!("the test of {path} was not sent everywhere\n{}", problems.join("\n"))))
}

async fn found_connections(settings: &Settings, store: &Store, alert: &Alert) -> Result<HashMap<Name, Arc<Connection>>, Error> {
    let mut found = HashMap::new();
    for (name, _) in alert.connections() {
        let connection = store.connection(&alert.tenant, name, &keys(settings)?).await?;
        found.insert(name.clone(), Arc::new(connection));
    }
    Ok(found)
}

fn state(row: &AlertRow) -> String {
    match (row.alert.enabled, row.raised.len()) {
        (false, _) => "disabled".to_owned(),
        (true, 0) => "ok".to_owned(),
        (true, 1) => "raised".to_owned(),
        (true, count) => format!("raised ({count})"),
    }
}

fn row(row: &AlertRow) -> Row {
    let since = row.raised.iter().map(|raised| raised.since).min();
    let time = |time: Option<i64>| time.map(to_the_second).unwrap_or_default();
    let error = row.error.clone().unwrap_or_default();
    let cells = vec![row.alert.path().to_string(), row.alert.when.as_str().to_owned(), state(row), time(since), time(row.sent_at), error];
    Row { cells, object: object(row) }
}

fn object(row: &AlertRow) -> Value {
    let alert = &row.alert;
    let raised = row.raised.iter().map(|raised| {
        json!({
            "integration": raised.integration.as_str(),
            "since": rfc3339(raised.since),
            "toldAt": raised.told_at.map(rfc3339),
            "detail": raised.detail,
        })
    });
    json!({
        "id": row.id.to_string(),
        "tenant": alert.tenant.as_str(),
        "name": alert.name.as_str(),
        "description": alert.description,
        "enabled": alert.enabled,
        "when": alert.when.as_str(),
        "revision": row.revision,
        "updatedAt": rfc3339(row.updated_at),
        "raised": raised.collect::<Value>(),
        "messages": row.messages,
        "sentAt": row.sent_at.map(rfc3339),
        "pending": row.is_pending,
        "attempts": row.attempts,
        "tryAt": row.try_at.map(rfc3339),
        "error": row.error,
        "errorAt": row.error_at.map(rfc3339),
    })
}

fn shown(row: &AlertRow) -> Value {
    let mut object = object(row);
    object["document"] = row.document.clone();
    object
}

fn text(row: &AlertRow) -> String {
    let mut lines = vec![format!("{}  {}", row.alert.path(), state(row))];
    for raised in &row.raised {
        lines.push(format!("  {} since {}: {}", raised.integration, to_the_second(raised.since), raised.detail));
    }
    lines.push(format!("told again after {}", format_duration(row.alert.repeat)));
    let sent = row.sent_at.map_or_else(|| "none has arrived yet".to_owned(), |at| format!("the last one arrived {}", to_the_second(at)));
    lines.push(format!("messages: {}, {sent}", row.messages));
    if let (Some(error), Some(at)) = (&row.error, row.error_at) {
        lines.push(format!("not sent at {}: {error}", to_the_second(at)));
        lines.push(format!("tried {} times, and again at {}", row.attempts, row.try_at.map(to_the_second).unwrap_or_default()));
    }
    lines.push(String::new());
    lines.push(to_yaml(&row.document));
    lines.join("\n")
}
