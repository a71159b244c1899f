//! `forebay apply`, `diff` and `validate`: files, checked, against what is stored.

use forebay_runtime::settings::Settings;
use forebay_store::{Store, Who};
use serde_json::Value;

use crate::alert_change::{self, PlannedAlert};
use crate::args::{Apply, Paths};
use crate::change::{self, agreed, plan, summary};
use crate::connection_change::{self, PlannedConnection};
use crate::connections;
use crate::documents::{ConnectionDocument, Documents, Found, counted};
use crate::error::Error;
use crate::output::{Output, Row, note, pretty, write};

/// `forebay apply`: nothing is written unless all of it is right. Connections come first, since the definitions' steps use them.
pub(crate) async fn apply(output: &Output, settings: &Settings, apply: &Apply) -> Result<(), Error> {
    let documents = Documents::read_right(&apply.paths, "nothing was applied")?;
    let keys = if documents.connections.is_empty() { None } else { Some(connections::keys(settings)?) };
    let connections = connections::with_secrets(&documents.connections)?;
    let store = crate::client_store(settings).await?;
    let connections_planned = match &keys {
        Some(keys) => connection_change::plan(&store, connections.iter().map(|new| (new.path.as_str(), Ok(new))), Ok(keys)).await?,
        None => Vec::new(),
    };
    let planned = plan(&store, &documents.definitions).await?;
    let alerts_planned = alert_change::plan(&store, &documents.alerts).await?;
    let is_change = planned.iter().any(change::Planned::is_change);
    let others_change = connections_planned.iter().any(PlannedConnection::is_change) || alerts_planned.iter().any(PlannedAlert::is_change);
    if is_change || others_change {
        agreed(&planned, &connections_planned, &alerts_planned, apply.yes, output.is_json())?;
    }
    let stored = match &keys {
        Some(keys) => connections::store_changed(&store, &connections, &connections_planned, keys).await?,
        None => Vec::new(),
    };
    let applied = if is_change {
        store.apply(&documents.definitions, &author()).await?
    } else {
        planned.into_iter().map(|one| one.applied).collect()
    };
    let alerts = alert_change::store_changed(&store, &documents.alerts, &alerts_planned).await?;
    show(output, stored, applied.iter().map(change::row).collect(), alerts)?;
    if !output.is_json() {
        let changes = connections_planned.iter().map(PlannedConnection::change).chain(applied.iter().map(|one| one.change));
        note(&summary("applied", &changes.chain(alerts_planned.iter().map(PlannedAlert::change)).collect::<Vec<_>>()));
    }
    Ok(())
}

/// One array for programs; for people a table for each kind.
fn show(output: &Output, connections: Vec<Row>, definitions: Vec<Row>, alerts: Vec<Row>) -> Result<(), Error> {
    if output.is_json() {
        return output.listing(&[], connections.into_iter().chain(definitions).chain(alerts).collect(), "");
    }
    if !connections.is_empty() {
        output.listing(&connections::COLUMNS, connections, "")?;
    }
    if !definitions.is_empty() {
        output.listing(&["change", "integration", "version"], definitions, "")?;
    }
    if !alerts.is_empty() {
        output.listing(&alert_change::COLUMNS, alerts, "")?;
    }
    Ok(())
}

/// `forebay diff`: what `apply` would change.
///
/// # Errors
/// [`Error::Differs`] when something would; a failure where that is not known of a connection.
pub(crate) async fn diff(output: &Output, settings: &Settings, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read_right(&paths.paths, "nothing was compared")?;
    let store = crate::client_store(settings).await?;
    let planned = plan(&store, &documents.definitions).await?;
    let connections = compared(&store, settings, &documents.connections).await?;
    let alerts = alert_change::plan(&store, &documents.alerts).await?;
    let changed = || planned.iter().filter(|one| one.is_change());
    let connections_changed = || connections.iter().filter(|one| one.is_change());
    let alerts_changed = || alerts.iter().filter(|one| one.is_change());
    if output.is_json() {
        let objects = connections_changed().map(PlannedConnection::object).chain(changed().map(change::Planned::object));
        write(&pretty(&objects.chain(alerts_changed().map(PlannedAlert::object)).collect::<Value>()))?;
    } else {
        let texts = connections_changed().map(PlannedConnection::text).chain(changed().map(change::Planned::text));
        let texts = texts.chain(alerts_changed().map(PlannedAlert::text)).collect::<Vec<_>>();
        if !texts.is_empty() {
            write(&texts.join("\n"))?;
        }
    }
    let unknown = connections.iter().filter(|one| one.is_unknown()).count();
    if changed().count() + connections_changed().count() + alerts_changed().count() > unknown {
        return Err(Error::Differs);
    }
    match unknown {
        0 => Ok(()),
        count => Err(Error::Failed(format!("nothing else differs, but {} could not be compared", counted(count, "connection")))),
    }
}

/// Without the key, or the secrets that a file names, a connection that is stored stays unknown.
async fn compared(store: &Store, settings: &Settings, documents: &[ConnectionDocument]) -> Result<Vec<PlannedConnection>, Error> {
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let keys = connections::keys(settings);
    let read: Vec<_> = documents.iter().map(|document| (document.path.as_str(), connections::with_its_secrets(document))).collect();
    connection_change::plan(store, read.iter().map(|(path, new)| (*path, new.as_ref())), keys.as_ref()).await
}

/// `forebay validate`: reads and compiles everything, with no service at hand.
pub(crate) fn validate(output: &Output, paths: &Paths) -> Result<(), Error> {
    let documents = Documents::read(&paths.paths)?;
    let problems = &documents.problems;
    if output.is_json() {
        write(&pretty(&problems.iter().map(Found::object).collect::<Value>()))?;
    } else if problems.is_empty() {
        let and = |count: usize, what: &str| if count == 0 { String::new() } else { format!(" and {}", counted(count, what)) };
        let (connections, alerts) = (and(documents.connections.len(), "connection"), and(documents.alerts.len(), "alert"));
        write(&format!("{}{connections}{alerts}: no problem", counted(documents.definitions.len(), "definition")))?;
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
