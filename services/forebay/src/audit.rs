//! `forebay audit`: who changed what.

use crate::api::Api;
use crate::args::Audit;
use crate::error::Error;
use crate::output::{Output, Row, micros_ago, rfc3339};
use crate::shown::{second, text};
use serde_json::Value;

/// `forebay audit ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Audit) -> Result<(), Error> {
    let Audit::List { tenant, since, by, action, target, limit } = command;
    let query = [
        ("tenant", tenant.map(|tenant| tenant.to_string())),
        ("since", since.map(|since| rfc3339(micros_ago(since)))),
        ("by", by),
        ("action", action),
        ("target", target),
    ];
    let rows = api.list_some("audit", &query, limit).await?.into_iter().map(row).collect();
    output.listing(&["at", "by", "action", "target", "before", "after"], rows, "no changes")
}

fn row(line: Value) -> Row {
    let short = |field: &str| if line[field].is_null() { String::new() } else { shortened(&line[field]) };
    let cells = vec![second(&line, "at"), text(&line, "by"), text(&line, "action"), text(&line, "target"), short("before"), short("after")];
    Row { cells, object: line }
}

/// Enough to tell lines apart; `--output json` has all of it.
fn shortened(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
