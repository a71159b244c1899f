//! The `alerts` verbs.

use forebay_contract::definition::to_yaml;
use forebay_contract::json::object_of;
use forebay_operations::NewAlert;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::args::Alerts;
use crate::change;
use crate::documents::Documents;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second, text};

/// An alert as the API takes it.
pub(crate) fn sent(new: &NewAlert) -> Value {
    object_of([("document", new.document.clone())])
}

/// `forebay alerts ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Alerts) -> Result<(), Error> {
    match command {
        Alerts::Apply { paths } => {
            let alerts: Vec<Value> = Documents::read_alerts(&paths, "nothing was stored")?.iter().map(sent).collect();
            if alerts.is_empty() {
                return Err(Error::Usage("the files hold no alert: a document with a field `alert`".to_owned()));
            }
            let applied = change::apply(api, &alerts, false).await?;
            applied.show(output)?;
            applied.say_notes();
            Ok(())
        }
        Alerts::List { tenant } => {
            let tenant = tenant.map(|tenant| tenant.to_string());
            let rows = api.list("alerts", &[("tenant", tenant)]).await?.into_iter().map(row).collect();
            output.listing(&["alert", "when", "state", "since", "sent", "error"], rows, "no alerts")
        }
        Alerts::Show { path } => {
            let alert = api.get(&format!("alerts/{path}"), &[]).await?;
            output.one(&shown(&alert), &alert)
        }
        Alerts::Test { path } => {
            let tested = api.post(&format!("alerts/{path}/test"), &json!({})).await?;
            let ways: Vec<&str> = tested["sentBy"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut object = Map::from_iter([("alert".to_owned(), json!(path.to_string()))]);
            object.extend(ways.iter().map(|way| ((*way).to_owned(), json!("sent"))));
            output.one(&format!("{path}: a test was sent by {}", ways.join(" and ")), &Value::Object(object))
        }
        Alerts::Delete { path } => {
            api.delete(&format!("alerts/{path}")).await?;
            output.one(&format!("deleted {path}"), &json!({ "alert": path.to_string(), "deleted": true }))
        }
    }
}

fn path(alert: &Value) -> String {
    format!("{}/{}", text(alert, "tenant"), text(alert, "name"))
}

fn raised(alert: &Value) -> impl Iterator<Item = &Value> {
    alert["raised"].as_array().into_iter().flatten()
}

fn state(alert: &Value) -> String {
    match (alert["enabled"] == true, raised(alert).count()) {
        (false, _) => "disabled".to_owned(),
        (true, 0) => "ok".to_owned(),
        (true, 1) => "raised".to_owned(),
        (true, count) => format!("raised ({count})"),
    }
}

fn row(mut alert: Value) -> Row {
    let since = raised(&alert).map(|raised| second(raised, "since")).min().unwrap_or_default();
    let cells = vec![path(&alert), text(&alert, "when"), state(&alert), since, second(&alert, "sentAt"), text(&alert, "error")];
    if let Some(fields) = alert.as_object_mut() {
        fields.remove("document");
    }
    Row { cells, object: alert }
}

fn shown(alert: &Value) -> String {
    let mut lines = vec![format!("{}  {}", path(alert), state(alert))];
    for raised in raised(alert) {
        lines.push(format!("  {} since {}: {}", text(raised, "integration"), second(raised, "since"), text(raised, "detail")));
    }
    lines.push(format!("told again after {}", text(alert, "repeat")));
    let sent = match alert["sentAt"].is_null() {
        true => "none has arrived yet".to_owned(),
        false => format!("the last one arrived {}", second(alert, "sentAt")),
    };
    lines.push(format!("messages: {}, {sent}", text(alert, "messages")));
    if !alert["errorAt"].is_null() {
        lines.push(format!("not sent at {}: {}", second(alert, "errorAt"), text(alert, "error")));
        lines.push(format!("tried {} times, and again at {}", text(alert, "attempts"), second(alert, "tryAt")));
    }
    lines.push(String::new());
    lines.push(to_yaml(&alert["document"]));
    lines.join("\n")
}
