//! The `tenants` verbs.

use forebay_store::{Store, TenantRow};
use serde_json::json;

use crate::apply::author;
use crate::args::Tenants;
use crate::error::Error;
use crate::output::{Output, Row};

/// `forebay tenants ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Tenants) -> Result<(), Error> {
    match command {
        Tenants::List => {
            let rows = store.list_tenants().await?.iter().map(row).collect();
            output.listing(&["tenant", "integrations", "docs"], rows, "no tenants")
        }
        Tenants::Set { tenant, docs } => {
            store.set_tenant_docs(&tenant, docs, &author()).await?;
            output.one(&format!("{tenant}: docs are {docs}"), &json!({ "tenant": tenant.as_str(), "docs": docs.as_str() }))
        }
    }
}

fn row(tenant: &TenantRow) -> Row {
    Row {
        cells: vec![tenant.name.to_string(), tenant.integrations.to_string(), tenant.docs.to_string()],
        object: json!({ "tenant": tenant.name.as_str(), "integrations": tenant.integrations, "docs": tenant.docs.as_str() }),
    }
}
