//! `forebay versions` and `rollback`: the history of a definition.

use forebay_operations::Difference;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Rollback, Versions};
use crate::change::{Changes, agreed};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second, text};

/// Differences that a row of the listing names; the others are counted.
const MAX_NAMED: usize = 3;

/// `forebay versions`: the newest first.
pub(crate) async fn versions(output: &Output, api: &Api, versions: &Versions) -> Result<(), Error> {
    let all = api.list(&format!("integrations/{}/versions", versions.path), &[]).await?;
    output.listing(&["version", "created", "by", "what changed"], all.into_iter().map(row).collect(), "no versions")
}

fn row(mut version: Value) -> Row {
    let changed: Vec<Difference> = version["differences"].as_array().into_iter().flatten().map(Difference::of_object).collect();
    let short = match (version["sameAs"].as_i64(), version["version"] == 1) {
        (Some(same), _) => format!("back to version {same}"),
        (None, true) => "created".to_owned(),
        (None, false) if changed.is_empty() && version["textChanged"] == true => "comments or layout only".to_owned(),
        (None, false) => named(changed),
    };
    let number = text(&version, "version");
    let cells = vec![
        if version["current"] == true { format!("{number} (current)") } else { number },
        second(&version, "createdAt"),
        text(&version, "createdBy"),
        short,
    ];
    if let Some(fields) = version.as_object_mut() {
        // `export --version` gives these.
        fields.retain(|name, _| !matches!(name.as_str(), "document" | "source"));
    }
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
    let address = format!("integrations/{path}/rollback");
    let planned = api.post(&address, &json!({ "to": rollback.to, "dryRun": true })).await?;
    let same_as = planned["sameAs"].clone();
    let plan = Changes::of_definition(planned.clone());
    let done = if plan.changed().is_empty() {
        planned
    } else {
        agreed(&plan, rollback.yes, output.is_json())?;
        // The version that was agreed to, whatever has become the newest meanwhile.
        api.post(&address, &json!({ "to": same_as })).await?
    };
    let version = text(&done, "version");
    let said = match done["change"] == "unchanged" {
        true => format!("{path}: version {version} says the same as version {same_as}"),
        false => format!("{path}: version {version} is version {same_as} again"),
    };
    let fields = ["tenant", "name", "id", "version", "change", "sameAs"];
    output.one(&said, &fields.iter().map(|field| ((*field).to_owned(), done[*field].clone())).collect())
}
