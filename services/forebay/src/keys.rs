//! The `keys` verbs.

use crate::api::Api;
use crate::args::{Expiry, Keys};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second, second_or_never, text};
use forebay_contract::{Name, format_duration};
use serde_json::{Value, json};

/// `forebay keys ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Keys) -> Result<(), Error> {
    match command {
        Keys::Create { tenant, label, integration, key, expires, signing } => {
            let lasts = expires.map(format_duration);
            let integration = names(&integration);
            let body = json!({
                "tenant": tenant.as_str(), "label": label, "integrations": integration, "key": key, "lasts": lasts, "signs": signing,
            });
            let made = api.post("keys", &body).await?;
            let said = format!("id   {}\nkey  {}\nThe key is not shown again.", text(&made, "id"), text(&made, "key"));
            output.one(&said, &made)
        }
        Keys::List { tenant } => {
            let rows = api.list("keys", &[("tenant", tenant.map(|tenant| tenant.to_string()))]).await?.into_iter().map(row).collect();
            output.listing(&["id", "tenant", "label", "integrations", "created", "last use", "expires", "ends in", "use"], rows, "no keys")
        }
        Keys::Update { id, label, integration, expires } => {
            let lasts = expires.map(|expires| match expires {
                Expiry::In(time) => format_duration(time),
                Expiry::Never => "never".to_owned(),
            });
            let integration = integration.as_deref().map(names);
            api.patch(&format!("keys/{id}"), &json!({ "label": label, "integrations": integration, "lasts": lasts })).await?;
            output.one(&format!("updated {id}"), &json!({ "id": id.to_string(), "updated": true }))
        }
        Keys::Delete { id } => {
            api.delete(&format!("keys/{id}")).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

fn names(integrations: &[Name]) -> Vec<&str> {
    integrations.iter().map(Name::as_str).collect()
}

fn row(key: Value) -> Row {
    let cells = vec![
        text(&key, "id"),
        text(&key, "tenant"),
        text(&key, "label"),
        text(&key, "integrations"),
        second(&key, "createdAt"),
        second_or_never(&key, "lastUsedAt"),
        second_or_never(&key, "expiresAt"),
        text(&key, "hint"),
        if key["signs"] == true { "signs" } else { "" }.to_owned(),
    ];
    Row { cells, object: key }
}
