//! `forebay audit`: who changed what.

use crate::api::Api;
use crate::args::Audit;
use crate::error::Error;
use crate::output::{Output, Row, time_ago};
use crate::shown::{second, text};
use forebay_contract::{Name, with_causes};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

/// `forebay audit ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Audit) -> Result<(), Error> {
    let (tenant, since, by, action, target, limit) = match command {
        Audit::List { tenant, since, by, action, target, limit } => (tenant, since, by, action, target, limit),
        Audit::Export { tenant, since } => return export(api, tenant, since).await,
    };
    let query = [
        ("tenant", tenant.map(|tenant| tenant.to_string())),
        ("since", since.map(time_ago)),
        ("by", by),
        ("action", action),
        ("target", target),
    ];
    let rows = api.list_some("audit", &query, limit).await?.into_iter().map(row).collect();
    output.listing(&["at", "by", "from", "action", "target", "before", "after"], rows, "no changes")
}

/// As it comes: it may be more than fits into memory.
async fn export(api: &Api, tenant: Option<Name>, since: Option<Duration>) -> Result<(), Error> {
    let query = [("tenant", tenant.map(|tenant| tenant.to_string())), ("since", since.map(time_ago))];
    let mut answer = api.follow("audit/export", &query).await?;
    let cut =
        |error: reqwest::Error| Error::Failed(format!("the audit log was not written to its end: {}", with_causes(&error.without_url())));
    let mut output = std::io::stdout().lock();
    while let Some(part) = answer.chunk().await.map_err(cut)? {
        output.write_all(&part).map_err(|source| Error::Io { doing: "cannot write the audit log".to_owned(), source })?;
    }
    Ok(())
}

fn row(line: Value) -> Row {
    let short = |field: &str| if line[field].is_null() { String::new() } else { shortened(&line[field]) };
    let cells = vec![
        second(&line, "at"),
        text(&line, "by"),
        text(&line, "address"),
        text(&line, "action"),
        text(&line, "target"),
        short("before"),
        short("after"),
    ];
    Row { cells, object: line }
}

/// Enough to tell lines apart; `--output json` has all of it.
fn shortened(value: &Value) -> String {
    const MAX_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
