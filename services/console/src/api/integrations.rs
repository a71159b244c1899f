//! Definitions of integrations: lists, details, versions.

use super::paging::{cut, etag, expected, must_expect, name, path, tenant};
use super::response::{ApiResult, accepted, ok, ok_tagged, optional};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_admin_api::integrations::{
    AppliedDefinition, Change, Difference, IncludedPart, Integration, IntegrationQuery, RollbackRequest, RolledBack, Version,
    VersionSummary, WrittenDocument,
};
use forebay_admin_api::schedules::StartedRun;
use forebay_admin_api::{NamePath, NameText, PageQuery, Time};
use forebay_contract::IntegrationPath;
use forebay_contract::definition::documents;
use forebay_operations::{OperationError, Planned, check_definition, differences};
use forebay_store::{Applied, Change as StoredChange, IntegrationRow, NewDefinition, StoredVersion};
use serde_json::Value;

fn listed(row: IntegrationRow) -> Integration {
    Integration {
        tenant: row.tenant.to_string(),
        name: row.name.to_string(),
        version: row.version,
        enabled: row.enabled,
        description: row.description,
        updated_at: Time::from(row.updated_at),
        updated_by: row.updated_by,
        document: None,
        source: None,
    }
}

/// Returns the integration with its definition.
fn shown(version: StoredVersion) -> Integration {
    let text = |field: &str| version.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    Integration {
        tenant: version.path.tenant.to_string(),
        name: version.path.name.to_string(),
        version: version.version,
        enabled: version.document.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        description: text("description"),
        updated_at: Time::from(version.created_at),
        source: Some(version.text()),
        updated_by: version.created_by,
        document: Some(version.document),
    }
}

fn path_of(one: &Integration) -> Result<IntegrationPath, Failure> {
    let name = |text: &str| name(&NameText::new(text));
    Ok(IntegrationPath { tenant: name(&one.tenant)?, name: name(&one.name)? })
}

/// `GET /integrations`.
pub(super) async fn list(caller: Caller, query: web::Query<IntegrationQuery>) -> ApiResult {
    let operations = &caller.state.operations;
    let tenant = tenant(query.tenant.as_ref())?;
    let rows = operations.list_integrations(&caller.actor, tenant.as_ref()).await?;
    let mut page = cut(&*query, rows, |row| format!("{}/{}", row.tenant, row.name), listed)?;
    if query.include == Some(IncludedPart::Source) {
        let paths: Vec<IntegrationPath> = page.items.iter().map(path_of).collect::<Result<_, _>>()?;
        page.items = operations.current_versions(&caller.actor, &paths).await?.into_iter().map(shown).collect();
    }
    ok(page)
}

/// `GET /integrations/{tenant}/{name}`.
pub(super) async fn get(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let version = caller.state.operations.integration(&caller.actor, &path(&at)?).await?;
    ok_tagged(&etag(version.version), shown(version))
}

/// Returns the document, and its text; the text is empty if the document was sent as JSON.
pub(super) fn read(written: WrittenDocument) -> Result<(Value, String), Failure> {
    match (written.source, written.document) {
        (Some(source), Some(document)) => Ok((document, source)),
        (None, Some(document)) => Ok((document, String::new())),
        (Some(source), None) => {
            let mut read = documents(&source).map_err(|error| Failure::invalid(error.to_string()))?;
            match (read.len(), read.pop()) {
                (1, Some(document)) => Ok((document, source)),
                _ => Err(Failure::invalid("source: must contain one document".to_owned())),
            }
        }
        (None, None) => Err(Failure::invalid("send `source` or `document`".to_owned())),
    }
}

/// Checks a definition on another thread than the server's: compiling may take as long as mappings may.
pub(super) async fn checked(document: Value, source: String) -> Result<NewDefinition, OperationError> {
    let checked = tokio::task::spawn_blocking(move || {
        let definition = check_definition(&document)?;
        Ok(NewDefinition { definition, document, source })
    });
    let result = checked.await.map_err(|_| OperationError::Failed("a definition could not be checked".to_owned()))?;
    result.map_err(OperationError::Problems)
}

pub(super) fn change(change: StoredChange) -> Change {
    match change {
        StoredChange::Created => Change::Created,
        StoredChange::Updated => Change::Updated,
        StoredChange::Unchanged => Change::Unchanged,
    }
}

pub(super) fn difference(one: &forebay_operations::Difference) -> Difference {
    Difference { path: one.path.clone(), before: one.before.clone(), after: one.after.clone() }
}

pub(super) fn applied(one: &Applied) -> AppliedDefinition {
    AppliedDefinition {
        tenant: one.path.tenant.to_string(),
        name: one.path.name.to_string(),
        id: one.id.to_string(),
        version: one.version,
        change: change(one.change),
        enabled: None,
        was_enabled: None,
        differences: None,
        text_differences: None,
    }
}

/// Returns the result of a dry run.
pub(super) fn planned(one: &Planned) -> AppliedDefinition {
    let differences = one.differences.iter().map(difference).collect();
    AppliedDefinition {
        enabled: Some(one.enabled),
        was_enabled: one.was_enabled,
        differences: Some(differences),
        text_differences: Some(one.text_differences.clone()).filter(|lines| !lines.is_empty()),
        ..applied(&one.applied)
    }
}

/// `PUT /integrations/{tenant}/{name}`.
pub(super) async fn put(caller: Caller, http: HttpRequest, at: web::Path<NamePath>, written: web::Json<WrittenDocument>) -> ApiResult {
    let path = path(&at)?;
    let expected = must_expect(&http)?;
    let (document, source) = read(written.into_inner())?;
    let new = checked(document, source).await?;
    if new.definition.path() != path {
        let text = format!("the document has the name {}, but the address has the name {path}: make them equal", new.definition.path());
        return Err(Failure::invalid(text).into());
    }
    let one = match expected {
        Some(version) => caller.state.operations.save(&caller.actor, &new, version).await?,
        None => match caller.state.operations.apply(&caller.actor, &[new]).await?.pop() {
            Some(one) => one,
            None => return Err(Failure::invalid("nothing was applied".to_owned()).into()),
        },
    };
    ok_tagged(&etag(one.version), applied(&one))
}

/// `GET /integrations/{tenant}/{name}/versions`.
pub(super) async fn versions(caller: Caller, at: web::Path<NamePath>, query: web::Query<PageQuery>) -> ApiResult {
    let all = caller.state.operations.versions(&caller.actor, &path(&at)?).await?;
    let mut rows = Vec::with_capacity(all.len());
    for (index, version) in all.iter().enumerate() {
        let older = &all[index + 1..];
        let changed = older.first().map(|before| differences(&before.document, &version.document)).unwrap_or_default();
        let summary = VersionSummary {
            version: version.version,
            current: index == 0,
            created_at: Time::from(version.created_at),
            created_by: version.created_by.clone(),
            same_as: older.iter().find(|other| other.is_same(version)).map(|other| other.version),
            differences: changed.iter().map(difference).collect(),
            text_changed: older.first().is_some_and(|before| !before.is_same(version)),
        };
        rows.push(Version { summary, document: version.document.clone(), source: version.text() });
    }
    // Sorted by version, the newest first.
    ok(cut(&*query, rows, |row| format!("{:010}", i32::MAX - row.summary.version), |row| row)?)
}

/// `POST /integrations/{tenant}/{name}/rollback`.
pub(super) async fn rollback(caller: Caller, http: HttpRequest, at: web::Path<NamePath>, body: web::Bytes) -> ApiResult {
    let RollbackRequest { to, dry_run } = optional(&body)?;
    let (path, operations) = (path(&at)?, &caller.state.operations);
    if dry_run {
        let (one, same_as) = operations.plan_rollback(&caller.actor, &path, to).await?;
        return ok(RolledBack { applied: planned(&one), same_as });
    }
    let done = operations.rollback(&caller.actor, &path, to, expected(&http)?).await?;
    ok_tagged(&etag(done.applied.version), RolledBack { applied: applied(&done.applied), same_as: done.same_as })
}

/// `POST /integrations/{tenant}/{name}/run`.
pub(super) async fn run(caller: Caller, at: web::Path<NamePath>) -> ApiResult {
    let path = path(&at)?;
    let id = caller.state.operations.run_now(&caller.actor, &path).await?;
    accepted(StartedRun { tenant: path.tenant.to_string(), integration: path.name.to_string(), execution_id: id.to_string() })
}
