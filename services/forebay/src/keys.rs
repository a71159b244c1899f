//! The `keys` verbs.

use forebay_store::{KeyChange, KeyRow, NewKey, Store};
use serde_json::json;

use crate::apply::author;
use crate::args::{Expiry, Keys};
use crate::error::Error;
use crate::output::{Output, Row, micros_from_now, rfc3339, to_the_second};

/// `forebay keys ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Keys) -> Result<(), Error> {
    match command {
        Keys::Create { tenant, label, integration, key, expires } => {
            let expires_at = expires.map(micros_from_now);
            let created = store.create_key(NewKey { tenant, label, integrations: integration, value: key, expires_at }, &author()).await?;
            let text = format!("id   {}\nkey  {}\nThe key is not shown again.", created.id, created.key);
            output.one(&text, &json!({ "id": created.id.to_string(), "key": created.key }))
        }
        Keys::List { tenant } => {
            let keys = store.list_keys(tenant.as_ref()).await?;
            let rows = keys.into_iter().map(row).collect();
            output.listing(&["id", "tenant", "label", "integrations", "created", "last use", "expires", "ends in"], rows, "no keys")
        }
        Keys::Update { id, label, integration, expires } => {
            let expires_at = expires.map(|expires| match expires {
                Expiry::In(time) => Some(micros_from_now(time)),
                Expiry::Never => None,
            });
            store.update_key(id, KeyChange { label, integrations: integration, expires_at }, None, &author()).await?;
            output.one(&format!("updated {id}"), &json!({ "id": id.to_string(), "updated": true }))
        }
        Keys::Delete { id } => {
            store.delete_key(id, &author()).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

fn row(key: KeyRow) -> Row {
    let object = json!({
        "id": key.id.to_string(),
        "tenant": key.tenant.as_str(),
        "label": key.label,
        "integrations": key.integrations,
        "createdAt": rfc3339(key.created_at),
        "lastUsedAt": key.last_used_at.map(rfc3339),
        "expiresAt": key.expires_at.map(rfc3339),
        "hint": key.hint,
    });
    let cells = vec![
        key.id.to_string(),
        key.tenant.to_string(),
        key.label,
        key.integrations.join(" "),
        to_the_second(key.created_at),
        key.last_used_at.map(to_the_second).unwrap_or_else(|| "never".to_owned()),
        key.expires_at.map(to_the_second).unwrap_or_else(|| "never".to_owned()),
        key.hint.unwrap_or_default(),
    ];
    Row { cells, object }
}
