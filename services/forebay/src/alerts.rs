//! The `alerts` verbs.

use forebay_admin_api::Time;
use forebay_admin_api::alerts::{Alert, AlertState};
use forebay_admin_api::integrations::WrittenDocument;
use forebay_contract::definition::to_yaml;
use forebay_operations::NewAlert;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::args::Alerts;
use crate::change;
use crate::documents::Documents;
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{or_empty, second_or_empty};

/// Returns an alert rule in the form of the API.
pub(crate) fn written(new: &NewAlert) -> WrittenDocument {
    WrittenDocument { document: Some(new.document.clone()), ..WrittenDocument::default() }
}

/// `forebay alerts ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Alerts) -> Result<(), Error> {
    match command {
        Alerts::Apply { paths } => {
            let alerts: Vec<WrittenDocument> = Documents::read_alerts(&paths, "nothing was stored")?.iter().map(written).collect();
            if alerts.is_empty() {
                return Err(Error::Usage("the files contain no alert rule: write a document with a field `alert`".to_owned()));
            }
            let applied = change::apply(api, alerts, false).await?;
            applied.show(output)?;
            applied.print_notes();
            Ok(())
        }
        Alerts::List { tenant } => {
            let rows = api.alerts(tenant.as_ref().map(Into::into)).await?.into_iter().map(|alert| row(alert.state)).collect();
            output.listing(&["alert", "when", "state", "since", "sent", "error"], rows, "no alert rules")
        }
        Alerts::Show { path } => {
            let alert = api.alert(&path).await?;
            output.one(&shown(&alert), &alert)
        }
        Alerts::Test { path } => {
            let tested = api.test_alert(&path).await?;
            let mut object = Map::from_iter([("alert".to_owned(), json!(path.to_string()))]);
            object.extend(tested.sent_by.iter().map(|notifier| (notifier.clone(), json!("sent"))));
            output.one(&format!("{path}: sent a test notification by {}", tested.sent_by.join(" and ")), &Value::Object(object))
        }
        Alerts::Delete { path } => {
            api.delete_alert(&path).await?;
            output.one(&format!("deleted {path}"), &json!({ "alert": path.to_string(), "deleted": true }))
        }
    }
}

fn state(alert: &AlertState) -> String {
    match (alert.enabled, alert.raised.len()) {
        (false, _) => "disabled".to_owned(),
        (true, 0) => "ok".to_owned(),
        (true, 1) => "raised".to_owned(),
        (true, count) => format!("raised ({count})"),
    }
}

fn row(alert: AlertState) -> Row<AlertState> {
    let since = alert.raised.iter().map(|raised| &raised.since).min();
    let cells = vec![
        alert.path(),
        alert.when.clone(),
        state(&alert),
        second_or_empty(since),
        second_or_empty(alert.sent_at.as_ref()),
        or_empty(alert.error.as_ref()),
    ];
    Row { cells, object: alert }
}

fn shown(Alert { state: alert, document }: &Alert) -> String {
    let mut lines = vec![format!("{}  {}", alert.path(), state(alert))];
    for raised in &alert.raised {
        lines.push(format!("  {} since {}: {}", raised.integration, raised.since.to_second(), raised.detail));
    }
    lines.push(format!("repeated after {}", alert.repeat));
    let sent = alert.sent_at.as_ref().map(Time::to_second);
    let sent = sent.map_or_else(|| "none sent yet".to_owned(), |at| format!("last sent {at}"));
    lines.push(format!("notifications: {}, {sent}", alert.notifications));
    if let Some(error_at) = &alert.error_at {
        lines.push(format!("not sent at {}: {}", error_at.to_second(), or_empty(alert.error.as_ref())));
        lines.push(format!("{} attempts, next at {}", alert.attempts, second_or_empty(alert.retry_at.as_ref())));
    }
    lines.push(String::new());
    lines.push(to_yaml(document));
    lines.join("\n")
}
