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
            let on = api.enable_diagnostics(&path, &EnableDiagnosticsRequest { duration: time.into() }).await?;
            output.one(&format!("{path}: everything is recorded until {}", on.until), &on)
        }
        Diagnostics::Off { path } => {
            let off = api.disable_diagnostics(&path).await?;
            let text = if off.was_on { "diagnostics are off" } else { "diagnostics were off" };
            output.one(&format!("{path}: {text}"), &off)
        }
        Diagnostics::List { tenant } => {
            let rows = api.diagnostics(tenant.as_ref().map(Into::into)).await?.into_iter().map(row).collect();
            output.listing(&["integration", "until", "since", "by"], rows, "diagnostics are off everywhere")
        }
    }
}

fn row(one: Diagnosis) -> Row<Diagnosis> {
    let cells = vec![format!("{}/{}", one.tenant, one.integration), one.until.to_string(), one.since.to_string(), one.by.clone()];
    Row { cells, object: one }
}
