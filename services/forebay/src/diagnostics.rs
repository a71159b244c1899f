//! The `diagnostics` verbs.

use forebay_contract::unix_micros;
use forebay_store::{DiagnosisRow, Store};
use serde_json::json;

use crate::apply::author;
use crate::args::Diagnostics;
use crate::error::Error;
use crate::output::{Output, Row, rfc3339};

/// `forebay diagnostics ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Diagnostics) -> Result<(), Error> {
    match command {
        Diagnostics::On { path, time } => {
            let integration = store.integration(&path).await?;
            let until = unix_micros().saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
            store.diagnose(integration.id, until, &author()).await?;
            let object = json!({ "tenant": path.tenant.as_str(), "integration": path.name.as_str(), "until": rfc3339(until) });
            output.one(&format!("{path}: everything is recorded until {}", rfc3339(until)), &object)
        }
        Diagnostics::Off { path } => {
            let integration = store.integration(&path).await?;
            let was_on = store.end_diagnosis(integration.id).await?;
            let text = if was_on { "diagnostics are off" } else { "diagnostics were off" };
            let object = json!({ "tenant": path.tenant.as_str(), "integration": path.name.as_str(), "wasOn": was_on });
            output.one(&format!("{path}: {text}"), &object)
        }
        Diagnostics::List { tenant } => {
            let mut rows = store.list_diagnoses().await?;
            rows.retain(|row| tenant.as_ref().is_none_or(|tenant| tenant.as_str() == row.tenant));
            output.listing(&["integration", "until", "since", "by"], rows.iter().map(row).collect(), "diagnostics are off everywhere")
        }
    }
}

fn row(diagnosis: &DiagnosisRow) -> Row {
    let (until, since) = (rfc3339(diagnosis.until), rfc3339(diagnosis.since));
    Row {
        object: json!({
            "tenant": diagnosis.tenant,
            "integration": diagnosis.integration,
            "until": until,
            "since": since,
            "by": diagnosis.by,
        }),
        cells: vec![format!("{}/{}", diagnosis.tenant, diagnosis.integration), until, since, diagnosis.by.clone()],
    }
}
