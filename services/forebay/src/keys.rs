//! The `keys` verbs.

use crate::api::Api;
use crate::args::{Expiry, Keys, NamedKey};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second, second_or_never, text};
use crate::standard_input;
use forebay_admin_api::keys::CreatedKey;
use forebay_contract::{Name, format_duration};
use serde_json::{Value, json};
use uuid::Uuid;

/// `forebay keys ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Keys) -> Result<(), Error> {
    match command {
        Keys::Create { tenant, label, integration, key, expires, signing, all_outcomes } => {
            let lasts = expires.map(format_duration);
            let integration = names(&integration);
            let key = standard_input::key(key).await?;
            let body = json!({
                "tenant": tenant.as_str(), "label": label, "integrations": integration, "key": key, "lasts": lasts, "signs": signing,
                "allOutcomes": all_outcomes,
            });
            let made: CreatedKey = api.post_for("keys", &body).await?;
            let said = format!("id   {}\nkey  {}\nThe key is not shown again.", made.id, made.key);
            output.one(&said, &json!(made))
        }
        Keys::List { tenant } => {
            let rows = api.list("keys", &[("tenant", tenant.map(|tenant| tenant.to_string()))]).await?.into_iter().map(row).collect();
            output.listing(
                &["id", "tenant", "label", "integrations", "created", "last use", "expires", "ends in", "use", "outcomes"],
                rows,
                "no keys",
            )
        }
        Keys::Update { id, label, integration, expires, all_outcomes } => {
            let lasts = expires.map(|expires| match expires {
                Expiry::In(time) => format_duration(time),
                Expiry::Never => "never".to_owned(),
            });
            let integration = integration.as_deref().map(names);
            let change = json!({ "label": label, "integrations": integration, "lasts": lasts, "allOutcomes": all_outcomes });
            api.patch(&format!("keys/{id}"), &change).await?;
            output.one(&format!("updated {id}"), &json!({ "id": id.to_string(), "updated": true }))
        }
        Keys::Grant { key, integration } => change(output, api, &key, "grant", &integration).await,
        Keys::Revoke { key, integration } => change(output, api, &key, "revoke", &integration).await,
        Keys::Delete { id } => {
            api.delete(&format!("keys/{id}")).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

/// Grants or revokes integrations, and tells all that the key opens then.
async fn change(output: &Output, api: &Api, key: &NamedKey, how: &str, integrations: &[Name]) -> Result<(), Error> {
    let id = find(api, key).await?;
    let key = api.patch(&format!("keys/{id}"), &json!({ how: names(integrations) })).await?;
    let opens = match text(&key, "integrations") {
        nothing if nothing.is_empty() => "nothing".to_owned(),
        names => names,
    };
    output.one(&format!("{} ({id}) opens {opens}", text(&key, "label")), &key)
}

/// The id of a key; by its label, of the only one that has it.
async fn find(api: &Api, key: &NamedKey) -> Result<Uuid, Error> {
    let label = match (key.id, &key.label) {
        (Some(id), _) => return Ok(id),
        (None, Some(label)) => label,
        (None, None) => return Err(Error::Usage("name a key by its id or by --label".to_owned())),
    };
    let all = api.list("keys", &[("tenant", key.tenant.as_ref().map(ToString::to_string))]).await?;
    let found: Vec<&Value> = all.iter().filter(|one| one["label"] == label.as_str()).collect();
    match found.as_slice() {
        [only] => text(only, "id").parse().map_err(|_| Error::Failed(format!("the key '{label}' has no id that can be read"))),
        [] => Err(Error::Failed(format!("there is no key '{label}': `forebay keys list` shows all"))),
        several => {
            let ids: Vec<String> = several.iter().map(|one| format!("{} in {}", text(one, "id"), text(one, "tenant"))).collect();
            Err(Error::Usage(format!("{} keys have the label '{label}', so name one by its id: {}", several.len(), ids.join(", "))))
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
        if key["allOutcomes"] == true { "all" } else { "" }.to_owned(),
    ];
    Row { cells, object: key }
}
