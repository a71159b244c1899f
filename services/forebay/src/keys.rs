//! The `keys` verbs.

use crate::api::Api;
use crate::args::{Expiry, Keys, NamedKey};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{or_empty, second_or_never};
use crate::standard_input;
use forebay_admin_api::keys::{CreateKeyRequest, Key, UpdateKeyRequest};
use forebay_admin_api::{KeyLabel, KeyLifetime, KeyValue, NameText};
use forebay_contract::Name;
use serde_json::json;
use uuid::Uuid;

/// `forebay keys ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Keys) -> Result<(), Error> {
    match command {
        Keys::Create { tenant, label, integration, key, expires, signing, all_outcomes } => {
            let request = CreateKeyRequest {
                tenant: (&tenant).into(),
                label: KeyLabel::new(label),
                integrations: names(&integration),
                key: standard_input::key(key).await?.map(KeyValue::new),
                expires_in: expires.map(Into::into),
                signs: signing,
                all_outcomes,
            };
            let created = api.create_key(&request).await?;
            let text = format!("id   {}\nkey  {}\nThe key is not shown again.", created.id, created.key.expose());
            output.one(&text, &created)
        }
        Keys::List { tenant } => {
            let rows = api.keys(tenant.as_ref().map(Into::into)).await?.into_iter().map(row).collect();
            output.listing(
                &["id", "tenant", "label", "integrations", "created", "last use", "expires", "ends in", "use", "outcomes"],
                rows,
                "no keys",
            )
        }
        Keys::Update { id, label, integration, expires, all_outcomes } => {
            let expires_in = expires.map(|expires| match expires {
                Expiry::In(time) => time.into(),
                Expiry::Never => KeyLifetime::never(),
            });
            let integrations = integration.as_deref().map(names);
            let label = label.map(KeyLabel::new);
            api.update_key(id, &UpdateKeyRequest { label, integrations, expires_in, all_outcomes, ..UpdateKeyRequest::default() }).await?;
            output.one(&format!("updated {id}"), &json!({ "id": id.to_string(), "updated": true }))
        }
        Keys::Grant { key, integration } => {
            let request = UpdateKeyRequest { grant: Some(names(&integration)), ..UpdateKeyRequest::default() };
            change(output, api, &key, &request).await
        }
        Keys::Revoke { key, integration } => {
            let request = UpdateKeyRequest { revoke: Some(names(&integration)), ..UpdateKeyRequest::default() };
            change(output, api, &key, &request).await
        }
        Keys::Delete { id } => {
            api.delete_key(id).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

/// Grants or revokes integrations, and prints all integrations that the key may call then.
async fn change(output: &Output, api: &Api, key: &NamedKey, request: &UpdateKeyRequest) -> Result<(), Error> {
    let id = find(api, key).await?;
    let key = api.update_key(id, request).await?;
    let integrations = if key.integrations.is_empty() { "no integration".to_owned() } else { key.integrations.join(" ") };
    output.one(&format!("{} ({id}) may call {integrations}", key.label), &key)
}

/// Returns the id of a key; for a label, that of the only key with it.
async fn find(api: &Api, key: &NamedKey) -> Result<Uuid, Error> {
    let label = match (key.id, &key.label) {
        (Some(id), _) => return Ok(id),
        (None, Some(label)) => label,
        (None, None) => return Err(Error::Usage("give the key's id or --label".to_owned())),
    };
    let mut found = api.keys(key.tenant.as_ref().map(Into::into)).await?;
    found.retain(|one| one.label == *label);
    match found.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Error::Failed(format!("no key has the label '{label}': `forebay keys list` shows all keys"))),
        several => {
            let ids: Vec<String> = several.iter().map(|one| format!("{} in {}", one.id, one.tenant)).collect();
            Err(Error::Usage(format!("{} keys have the label '{label}': give the id of one: {}", several.len(), ids.join(", "))))
        }
    }
}

fn names(integrations: &[Name]) -> Vec<NameText> {
    integrations.iter().map(NameText::from).collect()
}

fn row(key: Key) -> Row<Key> {
    let cells = vec![
        key.id.to_string(),
        key.tenant.clone(),
        key.label.clone(),
        key.integrations.join(" "),
        key.created_at.to_second(),
        second_or_never(key.last_used_at.as_ref()),
        second_or_never(key.expires_at.as_ref()),
        or_empty(key.hint.as_ref()),
        if key.signs { "signs" } else { "" }.to_owned(),
        if key.all_outcomes { "all" } else { "" }.to_owned(),
    ];
    Row { cells, object: key }
}
