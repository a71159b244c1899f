//! The `tenants` verbs.

use forebay_runtime::settings::format_bytes;
use forebay_store::{Store, TenantRow};
use serde_json::json;

use crate::apply::author;
use crate::args::{Payloads, Tenants};
use crate::error::Error;
use crate::output::{Output, Row};

/// `forebay tenants ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Tenants) -> Result<(), Error> {
    match command {
        Tenants::List => {
            let rows = store.list_tenants().await?.iter().map(row).collect();
            output.listing(&["tenant", "integrations", "docs", "payloads"], rows, "no tenants")
        }
        Tenants::Set { tenant, docs, payloads } => {
            let (mut text, mut object) = (Vec::new(), json!({ "tenant": tenant.as_str() }));
            if let Some(docs) = docs {
                store.set_tenant_docs(&tenant, docs, &author()).await?;
                text.push(format!("docs are {docs}"));
                object["docs"] = docs.as_str().into();
            }
            if let Some(payloads) = payloads {
                let most = match payloads {
                    Payloads::All => None,
                    Payloads::AtMost(bytes) => Some(bytes),
                };
                store.set_tenant_payload_bytes(&tenant, most, &author()).await?;
                text.push(format!("payloads: {}", most.map_or_else(|| "all".to_owned(), format_bytes)));
                object["payloadBytes"] = json!(most);
            }
            output.one(&format!("{tenant}: {}", text.join(", ")), &object)
        }
    }
}

fn row(tenant: &TenantRow) -> Row {
    let payloads = tenant.payload_bytes.and_then(|bytes| u64::try_from(bytes).ok()).map_or_else(|| "all".to_owned(), format_bytes);
    Row {
        cells: vec![tenant.name.to_string(), tenant.integrations.to_string(), tenant.docs.to_string(), payloads],
        object: json!({
            "tenant": tenant.name.as_str(),
            "integrations": tenant.integrations,
            "docs": tenant.docs.as_str(),
            "payloadBytes": tenant.payload_bytes,
        }),
    }
}
