//! `forebay versions` and `rollback`: the history of a definition.

use forebay_contract::IntegrationPath;
use forebay_contract::definition::Problem;
use forebay_operations::{Difference, differences};
use forebay_store::{NewDefinition, Store, StoredVersion};
use serde_json::{Value, json};

use crate::apply::author;
use crate::args::{Rollback, Versions};
use crate::change::{self, agreed, plan};
use crate::documents::check_definition;
use crate::error::Error;
use crate::output::{Output, Row, rfc3339, to_the_second};

/// Differences that a row of the listing names; the others are counted.
const MOST_NAMED: usize = 3;

/// `forebay versions`: the newest first.
pub(crate) async fn versions(output: &Output, store: &Store, versions: &Versions) -> Result<(), Error> {
    let versions = store.versions(&versions.path).await?;
    let mut rows = Vec::with_capacity(versions.len());
    for (index, version) in versions.iter().enumerate() {
        let older = &versions[index + 1..];
        rows.push(row(version, older, index == 0));
    }
    output.listing(&["version", "created", "by", "what changed"], rows, "no versions")
}

fn row(version: &StoredVersion, older: &[StoredVersion], is_current: bool) -> Row {
    let changed = older.first().map(|before| differences(&before.document, &version.document));
    let same_as = older.iter().find(|other| other.document == version.document).map(|other| other.version);
    let short = match (&changed, same_as) {
        (_, Some(same)) => format!("back to version {same}"),
        (None, None) => "created".to_owned(),
        (Some(changed), None) => named(changed),
    };
    let object = json!({
        "version": version.version,
        "current": is_current,
        "createdAt": rfc3339(version.created_at),
        "createdBy": version.created_by,
        "sameAs": same_as,
        "differences": changed.iter().flatten().map(Difference::object).collect::<Value>(),
    });
    let cells = vec![
        format!("{}{}", version.version, if is_current { " (current)" } else { "" }),
        to_the_second(version.created_at),
        version.created_by.clone(),
        short,
    ];
    Row { cells, object }
}

fn named(changed: &[Difference]) -> String {
    let mut names: Vec<String> = changed.iter().take(MOST_NAMED).map(Difference::short).collect();
    if changed.len() > MOST_NAMED {
        names.push(format!("{} more", changed.len() - MOST_NAMED));
    }
    names.join(", ")
}

/// `forebay rollback`: an older version's definition becomes the newest version.
pub(crate) async fn rollback(output: &Output, store: &Store, rollback: &Rollback) -> Result<(), Error> {
    let path = &rollback.path;
    let versions = store.versions(path).await?;
    let wanted = target(&versions, rollback)?;
    let new = NewDefinition {
        definition: check_definition(&wanted.document).map_err(|problems| unusable(path, wanted.version, &problems))?,
        document: wanted.document.clone(),
        source: wanted.source.clone(),
    };
    let planned = plan(store, std::slice::from_ref(&new)).await?;
    let applied = if planned.iter().any(change::Planned::is_change) {
        agreed(&planned, &[], &[], rollback.yes, output.is_json())?;
        store.apply(&[new], &author()).await?
    } else {
        planned.into_iter().map(|one| one.applied).collect()
    };
    let Some(applied) = applied.first() else { return Ok(()) };
    let text = match applied.change {
        forebay_store::Change::Unchanged => format!("{path}: version {} says the same as version {}", applied.version, wanted.version),
        _ => format!("{path}: version {} is version {} again", applied.version, wanted.version),
    };
    let mut object = change::row(applied).object;
    object["sameAs"] = json!(wanted.version);
    output.one(&text, &object)
}

fn target<'a>(versions: &'a [StoredVersion], rollback: &Rollback) -> Result<&'a StoredVersion, Error> {
    let path = &rollback.path;
    match rollback.to {
        Some(number) => versions.iter().find(|version| version.version == number).ok_or_else(|| {
            let newest = versions.first().map_or(0, |version| version.version);
            Error::Failed(format!("{path} has no version {number}; it has 1 to {newest}"))
        }),
        None => versions.get(1).ok_or_else(|| Error::Failed(format!("{path} has one version only: there is nothing to go back to"))),
    }
}

/// A version that this program would refuse must not become the newest.
fn unusable(path: &IntegrationPath, version: i32, problems: &[Problem]) -> Error {
    let problems: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Error::Failed(format!("version {version} of {path} cannot be applied by this version of Forebay{}", problems.concat()))
}
