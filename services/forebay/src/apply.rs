//! `forebay apply`, `diff` and `validate`: files, checked, against what is stored.

use forebay_runtime::settings::Settings;
use forebay_store::Who;
use serde_json::Value;

use crate::args::{Apply, Paths};
use crate::change::{self, agreed, plan, summary};
use crate::connections;
use crate::documents::{Documents, Found, counted};
use crate::error::Error;
use crate::output::{Output, Row, note, pretty, write};

/// `forebay apply`: nothing is written unless all of it is right. Connections come first, since the definitions' steps use them.
pub(crate) async fn apply(output: &Output, settings: &Settings, apply: &Apply) -> Result<(), Error> {
    let documents = Documents::read_right(&apply.paths, "nothing was applied")?;
    let connections = if documents.connections.is_empty() {
        Vec::new()
    } else {
        connections::keys(settings)?;
        connections::with_secrets(&documents.connections)?
    };
    let store = crate::client_store(settings).await?;
    let planned = plan(&store, &documents.definitions).await?;
    let is_change = planned.iter().any(change::Planned::is_change);
    if is_change || !connections.is_empty() {
        agreed(&planned, &documents.connections, apply.yes, output.is_json())?;
    }
    let stored = connections::store_all(settings, &store, &connections).await?;
    let applied = if is_change {
        store.apply(&documents.definitions, &author()).await?
    } else {
        planned.into_iter().map(|one| one.applied).collect()
    };
    show(output, stored, applied.iter().map(change::row).collect())?;
    if !output.is_json() && !applied.is_empty() {
        note(&summary("applied", applied.iter()));
    }
    Ok(())
}

/// One array for programs; for people a table for each kind.
fn show(output: &Output, connections: Vec<Row>, definitions: Vec<Row>) -> Result<(), Error> {
    if output.is_json() {
        return output.listing(&[], connections.into_iter().chain(definitions).collect(), "");
    }
    if !connections.is_empty() {
        output.listing(&connections::COLUMNS, connections, "")?;
    }
    if !definitions.is_empty() {
        output.listing(&["change", "integration", "version"], definitions, "")?;
    }
    Ok(())
}

/// `forebay diff`: what `apply` would change. Connections are not compared: what is stored of them is encrypted.
///
/// # Errors
/// [`Error::Differs`] when something would.
pub(crate) async fn diff(output: &Output, settings: &Settings, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read_right(&paths.paths, "nothing was compared")?;
    let planned = plan(&crate::client_store(settings).await?, &documents.definitions).await?;
    let changed = || planned.iter().filter(|one| one.is_change());
    for connection in &documents.connections {
        note(&format!("the connection {} is not compared: `apply` stores it", connection.path));
    }
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

/// Who uses the command, for the history and the audit log: `USER@HOST`.
pub(crate) fn author() -> Who {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let host = host.map(|host| host.trim().to_owned()).unwrap_or_else(|_| "this host".to_owned());
    Who::from(format!("{}@{host}", user.as_deref().unwrap_or("forebay")).as_str())
}
