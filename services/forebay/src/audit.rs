//! The `audit` verbs.

use crate::api::Api;
use crate::args::Audit;
use crate::error::Error;
use crate::output::{Output, Row, time_ago};
use crate::shown::or_empty;
use forebay_admin_api::audit::{AuditEntry, AuditFilter};
use forebay_contract::with_causes;
use serde_json::Value;
use std::io::Write;

/// `forebay audit ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Audit) -> Result<(), Error> {
    let (filter, limit) = match command {
        Audit::List { tenant, since, by, action, target, limit } => {
            let tenant = tenant.as_ref().map(Into::into);
            (AuditFilter { tenant, since: since.map(time_ago), by, action, target, until: None }, limit)
        }
        Audit::Export { tenant, since } => {
            let tenant = tenant.as_ref().map(Into::into);
            return export(api, AuditFilter { tenant, since: since.map(time_ago), ..AuditFilter::default() }).await;
        }
    };
    let rows = api.audit(filter, limit).await?.into_iter().map(row).collect();
    output.listing(&["at", "by", "from", "action", "target", "before", "after"], rows, "no changes")
}

/// Writes entries as they arrive: they may not fit into memory.
async fn export(api: &Api, filter: AuditFilter) -> Result<(), Error> {
    let mut response = api.export_audit(&filter).await?;
    let cut = |error: reqwest::Error| {
        Error::Failed(format!("the connection ended before the end of the audit log: {}", with_causes(&error.without_url())))
    };
    let mut output = std::io::stdout().lock();
    while let Some(part) = response.chunk().await.map_err(cut)? {
        output.write_all(&part).map_err(|source| Error::Io { doing: "cannot write the audit log".to_owned(), source })?;
    }
    Ok(())
}

fn row(entry: AuditEntry) -> Row<AuditEntry> {
    let short = |value: &Value| if value.is_null() { String::new() } else { shortened(value) };
    let cells = vec![
        entry.at.to_second(),
        entry.by.clone(),
        or_empty(entry.address.as_ref()),
        entry.action.clone(),
        entry.target.clone(),
        short(&entry.before),
        short(&entry.after),
    ];
    Row { cells, object: entry }
}

/// Shortens a value for the table; `--output json` has all of it.
fn shortened(value: &Value) -> String {
    const MAX_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
