//! `forebay audit`: who changed what.

use forebay_store::{AuditFilter, AuditRow, Store};
use serde_json::{Value, json};

use crate::args::Audit;
use crate::error::Error;
use crate::output::{Output, Row, micros_ago, rfc3339, to_the_second};

/// `forebay audit ...`.
pub(crate) async fn perform(output: &Output, store: &Store, command: Audit) -> Result<(), Error> {
    let Audit::List { tenant, since, by, action, target, limit } = command;
    let filter = AuditFilter {
        tenants: tenant.map(|tenant| vec![tenant]),
        since: since.map(micros_ago),
        by,
        action,
        target,
        limit,
        ..AuditFilter::default()
    };
    let rows = store.list_audit(&filter).await?.into_iter().map(row).collect();
    output.listing(&["at", "by", "action", "target", "before", "after"], rows, "no changes")
}

fn row(line: AuditRow) -> Row {
    let short = |value: &Option<Value>| value.as_ref().map(shortened).unwrap_or_default();
    let cells = vec![
        to_the_second(line.at),
        line.who.name.clone(),
        line.action.clone(),
        line.target.clone(),
        short(&line.before),
        short(&line.after),
    ];
    let object = json!({
        "id": line.id,
        "at": rfc3339(line.at),
        "by": line.who.name,
        "byKind": line.who.kind.as_str(),
        "tenant": line.tenant.as_ref().map(|tenant| tenant.as_str()),
        "action": line.action,
        "target": line.target,
        "before": line.before,
        "after": line.after,
    });
    Row { cells, object }
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
