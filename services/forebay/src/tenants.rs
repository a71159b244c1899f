//! The `tenants` verbs.

use crate::api::Api;
use crate::args::{Payloads, Tenants};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::text;
use forebay_runtime::settings::format_bytes;
use serde_json::{Value, json};

/// `forebay tenants ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Tenants) -> Result<(), Error> {
    match command {
        Tenants::List => {
            let rows = api.list("tenants", &[]).await?.into_iter().map(row).collect();
            output.listing(&["tenant", "integrations", "docs", "payloads"], rows, "no tenants")
        }
        Tenants::Set { tenant, docs, payloads } => {
            let (mut said, mut change) = (Vec::new(), json!({}));
            let mut object = json!({ "tenant": tenant.as_str() });
            if let Some(docs) = docs {
                said.push(format!("docs are {docs}"));
                change["docs"] = docs.as_str().into();
                object["docs"] = docs.as_str().into();
            }
            if let Some(payloads) = payloads {
                let most = match payloads {
                    Payloads::All => None,
                    Payloads::AtMost(bytes) => Some(bytes),
                };
                said.push(format!("payloads: {}", most.map_or_else(|| "all".to_owned(), format_bytes)));
                change["payloadBytes"] = most.map_or_else(|| "all".into(), Value::from);
                object["payloadBytes"] = json!(most);
            }
            api.patch(&format!("tenants/{tenant}"), &change).await?;
            output.one(&format!("{tenant}: {}", said.join(", ")), &object)
        }
    }
}

fn row(tenant: Value) -> Row {
    let payloads = tenant["payloadBytes"].as_u64().map_or_else(|| "all".to_owned(), format_bytes);
    let cells = vec![text(&tenant, "tenant"), text(&tenant, "integrations"), text(&tenant, "docs"), payloads];
    Row { cells, object: tenant }
}
