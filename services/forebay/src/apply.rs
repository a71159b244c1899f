//! `forebay apply`, `diff` and `validate`: check files and compare them with the stored documents.

use forebay_admin_api::integrations::WrittenDocument;
use serde_json::Value;

use crate::alerts;
use crate::api::Api;
use crate::args::{Apply, Paths};
use crate::change::{self, Changes, confirm_plan};
use crate::connections;
use crate::documents::{Documents, FileProblem, counted};
use crate::error::Error;
use crate::output::{Output, note, write, write_json};

/// `forebay apply`: stores everything, or nothing if a document has a problem.
pub(crate) async fn apply(output: &Output, api: &Api, apply: &Apply) -> Result<(), Error> {
    let documents = Documents::read_valid(&apply.paths, "nothing was applied")?;
    let all = api_documents(&documents, connections::with_secrets(&documents.connections)?);
    let plan = change::apply(api, all.clone(), true).await?;
    let is_change = !plan.changed().is_empty();
    if is_change {
        confirm_plan(&plan, apply.yes, output.is_json())?;
    }
    let applied = if is_change { change::apply(api, all, false).await? } else { plan };
    applied.show(output)?;
    if !output.is_json() {
        note(&applied.summary("applied"));
    }
    applied.print_notes();
    Ok(())
}

/// Returns documents in the form of the API; `connections` contain their secrets.
fn api_documents(documents: &Documents, connections: Vec<WrittenDocument>) -> Vec<WrittenDocument> {
    let definitions = documents.definitions.iter().map(|new| WrittenDocument {
        document: Some(new.document.clone()),
        source: Some(new.source.clone()),
        ..WrittenDocument::default()
    });
    connections.into_iter().chain(definitions).chain(documents.alerts.iter().map(alerts::written)).collect()
}

/// `forebay diff`: shows the changes that `apply` would make.
///
/// # Errors
/// [`Error::Differs`] if there are changes; a failure if a connection could not be compared.
pub(crate) async fn diff(output: &Output, api: &Api, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read_valid(&paths.paths, "nothing was compared")?;
    let (mut complete, mut without_secrets) = (Vec::new(), Vec::new());
    for document in &documents.connections {
        match connections::with_its_secrets(document) {
            Ok(connection) => complete.push(connection),
            Err(error) => without_secrets.push((document.path.as_str(), error.to_string())),
        }
    }
    let mut plan = change::apply(api, api_documents(&documents, complete), true).await?;
    add_without_secrets(api, &mut plan, &without_secrets).await?;
    let changed = plan.changed();
    if output.is_json() {
        write_json(&changed.iter().map(|one| one.object()).collect::<Vec<_>>())?;
    } else if !changed.is_empty() {
        write(&changed.iter().map(|one| one.text()).collect::<Vec<_>>().join("\n"))?;
    }
    match changed.iter().filter(|one| one.is_uncompared()).count() {
        uncompared if changed.len() > uncompared => Err(Error::Differs),
        0 => Ok(()),
        count => Err(Error::Failed(format!("nothing else differs, but {} could not be compared", counted(count, "connection")))),
    }
}

/// Adds connections whose secrets are not available: the plan says only if they exist.
async fn add_without_secrets(api: &Api, plan: &mut Changes, connections: &[(&str, String)]) -> Result<(), Error> {
    if connections.is_empty() {
        return Ok(());
    }
    let stored = api.connections(None).await?;
    for (path, reason) in connections {
        let is_stored = stored.iter().any(|one| one.path() == *path);
        if is_stored { plan.add_uncompared_connection(path, reason) } else { plan.add_new_connection(path) }
    }
    Ok(())
}

/// `forebay validate`: reads and compiles everything, without any service.
pub(crate) fn validate(output: &Output, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read_nonempty(&paths.paths)?;
    let problems = &documents.problems;
    if output.is_json() {
        write_json(&problems.iter().map(FileProblem::object).collect::<Vec<Value>>())?;
    } else if problems.is_empty() {
        let and = |count: usize, what: &str| if count == 0 { String::new() } else { format!(" and {}", counted(count, what)) };
        let (connections, alerts) = (and(documents.connections.len(), "connection"), and(documents.alerts.len(), "alert rule"));
        write(&format!("{}{connections}{alerts}: no problems", counted(documents.definitions.len(), "definition")))?;
    } else {
        write(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Failed(counted(problems.len(), "problem"))) }
}
