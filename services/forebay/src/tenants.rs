//! The `tenants` verbs.

use crate::api::Api;
use crate::args::{Payloads, Tenants};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::pauses;
use forebay_admin_api::DocsAccessName;
use forebay_admin_api::tenants::{PayloadLimit, Tenant, UpdateTenantRequest};
use forebay_runtime::settings::format_bytes;
use serde_json::json;

/// `forebay tenants ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Tenants) -> Result<(), Error> {
    match command {
        Tenants::List => {
            let rows = api.tenants().await?.into_iter().map(row).collect();
            output.listing(&["tenant", "integrations", "docs", "payloads"], rows, "no tenants")
        }
        Tenants::Set { tenant, docs, payloads } => {
            let (mut changes, mut change) = (Vec::new(), UpdateTenantRequest::default());
            let mut object = json!({ "tenant": tenant.as_str() });
            if let Some(docs) = docs {
                changes.push(format!("docs: {docs}"));
                change.docs = Some(DocsAccessName::new(docs.as_str()));
                object["docs"] = docs.as_str().into();
            }
            if let Some(payloads) = payloads {
                let max = match payloads {
                    Payloads::All => None,
                    Payloads::AtMost(bytes) => Some(bytes),
                };
                changes.push(format!("payloads: {}", max.map_or_else(|| "all".to_owned(), format_bytes)));
                change.payload_bytes = Some(max.map_or_else(PayloadLimit::all, PayloadLimit::bytes));
                object["payloadBytes"] = json!(max);
            }
            api.update_tenant(&tenant, &change).await?;
            output.one(&format!("{tenant}: {}", changes.join(", ")), &object)
        }
        Tenants::Pause { tenant, pause } => {
            pauses::pause(output, api, &format!("tenants/{tenant}"), &format!("the tenant {tenant}"), pause).await
        }
        Tenants::Resume { tenant } => pauses::resume(output, api, &format!("tenants/{tenant}"), &format!("the tenant {tenant}")).await,
    }
}

fn row(tenant: Tenant) -> Row<Tenant> {
    let payloads = tenant.payload_bytes.map_or_else(|| "all".to_owned(), format_bytes);
    let cells = vec![tenant.tenant.clone(), tenant.integrations.to_string(), tenant.docs.clone(), payloads];
    Row { cells, object: tenant }
}
