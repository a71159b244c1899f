//! The `diagnostics` verbs.

use crate::api::Api;
use crate::args::Diagnostics;
use crate::error::Error;
use crate::output::{Output, Row};
use forebay_admin_api::diagnostics::{Diagnosis, EnableDiagnosticsRequest};

/// `forebay diagnostics ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Diagnostics) -> Result<(), Error> {
    match command {
        Diagnostics::On { path, time } => {
            let enabled = api.enable_diagnostics(&path, &EnableDiagnosticsRequest { duration: time.into() }).await?;
            output.one(&format!("{path}: diagnostics are on until {}", enabled.until), &enabled)
        }
        Diagnostics::Off { path } => {
            let disabled = api.disable_diagnostics(&path).await?;
            let text = if disabled.was_on { "diagnostics are off" } else { "diagnostics were already off" };
            output.one(&format!("{path}: {text}"), &disabled)
        }
        Diagnostics::List { tenant } => {
            let rows = api.diagnostics(tenant.as_ref().map(Into::into)).await?.into_iter().map(row).collect();
            output.listing(&["integration", "until", "since", "by"], rows, "diagnostics are off for all integrations")
        }
    }
}

fn row(one: Diagnosis) -> Row<Diagnosis> {
    let cells = vec![format!("{}/{}", one.tenant, one.integration), one.until.to_string(), one.since.to_string(), one.by.clone()];
    Row { cells, object: one }
}
