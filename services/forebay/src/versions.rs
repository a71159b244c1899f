//! `forebay versions` and `rollback`: the history of a definition.

use forebay_admin_api::integrations::{AppliedDefinition, Change, RollbackRequest, RolledBack, VersionSummary};
use forebay_operations::Difference;

use crate::api::Api;
use crate::args::{Rollback, Versions};
use crate::change::{Changes, confirm_plan, difference};
use crate::error::Error;
use crate::output::{Output, Row};

/// Differences that a row of the listing names; the others are counted.
const MAX_NAMED: usize = 3;

/// `forebay versions`: the newest first.
pub(crate) async fn versions(output: &Output, api: &Api, versions: &Versions) -> Result<(), Error> {
    let all = api.versions(&versions.path).await?;
    output.listing(
        &["version", "created", "by", "what changed"],
        all.into_iter().map(|version| row(version.summary)).collect(),
        "no versions",
    )
}

/// `export --version` gives the document and its text.
fn row(version: VersionSummary) -> Row<VersionSummary> {
    let changed: Vec<Difference> = version.differences.iter().map(difference).collect();
    let short = match (version.same_as, version.version == 1) {
        (Some(same), _) => format!("same as version {same}"),
        (None, true) => "created".to_owned(),
        (None, false) if changed.is_empty() && version.text_changed => "only comments or layout".to_owned(),
        (None, false) => named(changed),
    };
    let number = version.version.to_string();
    let cells = vec![
        if version.current { format!("{number} (current)") } else { number },
        version.created_at.to_second(),
        version.created_by.clone(),
        short,
    ];
    Row { cells, object: version }
}

fn named(changed: Vec<Difference>) -> String {
    let mut names: Vec<String> = changed.iter().take(MAX_NAMED).map(Difference::short).collect();
    if changed.len() > MAX_NAMED {
        names.push(format!("{} more", changed.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// `forebay rollback`: an older version's definition becomes the newest version.
pub(crate) async fn rollback(output: &Output, api: &Api, rollback: &Rollback) -> Result<(), Error> {
    let path = &rollback.path;
    let planned = api.rollback(path, RollbackRequest { to: rollback.to, dry_run: true }).await?;
    let same_as = planned.same_as;
    let plan = Changes::of_definition(planned.applied.clone());
    let done = if plan.changed().is_empty() {
        planned
    } else {
        confirm_plan(&plan, rollback.yes, output.is_json())?;
        // Uses the confirmed version, because a newer one may exist by now.
        api.rollback(path, RollbackRequest { to: Some(same_as), dry_run: false }).await?
    };
    let version = done.applied.version;
    let text = match done.applied.change {
        Change::Unchanged => format!("{path}: version {version} has the same definition as version {same_as}"),
        Change::Created | Change::Updated => format!("{path}: version {version} has the definition of version {same_as}"),
    };
    let applied = AppliedDefinition { enabled: None, was_enabled: None, differences: None, text_differences: None, ..done.applied };
    output.one(&text, &RolledBack { applied, same_as: done.same_as })
}
