//! `forebay apply`, `diff` and `validate`: files, checked, against what is stored.

use std::path::PathBuf;

use forebay_runtime::settings::Settings;
use serde_json::Value;

use crate::args::{Apply, Paths};
use crate::change::{self, agreed, plan, summary};
use crate::documents::{Documents, Found, counted};
use crate::error::Error;
use crate::output::{Output, note, pretty, write};

/// `forebay apply`: all or nothing.
pub(crate) async fn apply(output: &Output, settings: &Settings, apply: &Apply) -> Result<(), Error> {
    let documents = read_storable(&apply.paths, "nothing was applied")?;
    let store = crate::client_store(settings).await?;
    let planned = plan(&store, &documents.definitions).await?;
    let applied = if planned.iter().any(change::Planned::is_change) {
        agreed(&planned, apply.yes, output.is_json())?;
        store.apply(&documents.definitions, &author()).await?
    } else {
        planned.into_iter().map(|one| one.applied).collect()
    };
    output.listing(&["change", "integration", "version"], applied.iter().map(change::row).collect(), "nothing")?;
    if !output.is_json() {
        note(&summary("applied", applied.iter()));
    }
    Ok(())
}

/// `forebay diff`: what `apply` would change.
///
/// # Errors
/// [`Error::Differs`] when something would.
pub(crate) async fn diff(output: &Output, settings: &Settings, paths: &Paths) -> Result<(), Error> {
    let documents = read_storable(&paths.paths, "nothing was compared")?;
    let planned = plan(&crate::client_store(settings).await?, &documents.definitions).await?;
    let changed = || planned.iter().filter(|one| one.is_change());
    if output.is_json() {
        write(&pretty(&changed().map(change::Planned::object).collect::<Value>()))?;
    } else if changed().next().is_some() {
        write(&changed().map(change::Planned::text).collect::<Vec<_>>().join("\n"))?;
    }
    if changed().next().is_some() { Err(Error::Differs) } else { Ok(()) }
}

/// `forebay validate`: reads and compiles everything, with no service at hand.
pub(crate) fn validate(output: &Output, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read(&paths.paths)?;
    let problems = &documents.problems;
    if output.is_json() {
        write(&pretty(&problems.iter().map(Found::object).collect::<Value>()))?;
    } else if problems.is_empty() {
        let (definitions, connections) = (documents.definitions.len(), documents.connections.len());
        let connections = if connections == 0 { String::new() } else { format!(" and {}", counted(connections, "connection")) };
        write(&format!("{}{connections}: no problem", counted(definitions, "definition")))?;
    } else {
        write(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Failed(counted(problems.len(), "problem"))) }
}

/// What the store takes.
fn read_storable(paths: &[PathBuf], undone: &str) -> Result<Documents, Error> {
    let documents = Documents::read_right(paths, undone)?;
    // Left out silently, a connection would be missing where a step looks for it.
    if let Some(connection) = documents.connections.first() {
        let place = format!("{}: the connection {}", connection.file, connection.path);
        return Err(Error::Failed(format!("{place} is right, but this version of Forebay stores definitions only: {undone}")));
    }
    Ok(documents)
}

/// Who uses the command, for the history.
pub(crate) fn author() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "forebay command".to_owned())
}
