//! Definitions of integrations: listing, one of them, its versions.

use super::paging::{Paged, etag, expected, must_expect, name, rfc3339, whole};
use super::{ApiResult, accepted, ok, ok_tagged, optional};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_contract::IntegrationPath;
use forebay_contract::definition::documents;
use forebay_operations::{Difference, OperationError, Planned, check_definition, differences};
use forebay_store::{Applied, Change, IntegrationRow, NewDefinition, StoredVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    tenant: String,
    name: String,
    /// The current version.
    version: i32,
    enabled: bool,
    description: String,
    updated_at: String,
    /// Who applied the current version.
    updated_by: String,
    /// The definition as JSON, where `include=source` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
    /// The text of its author, comments included, where `include=source` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

fn listed(row: IntegrationRow) -> Integration {
    Integration {
        tenant: row.tenant.to_string(),
        name: row.name.to_string(),
        version: row.version,
        enabled: row.enabled,
        description: row.description,
        updated_at: rfc3339(row.updated_at),
        updated_by: row.updated_by,
        document: None,
        source: None,
    }
}

/// With the definition.
fn shown(version: StoredVersion) -> Integration {
    let text = |field: &str| version.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    Integration {
        tenant: version.path.tenant.to_string(),
        name: version.path.name.to_string(),
        version: version.version,
        enabled: version.document.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        description: text("description"),
        updated_at: rfc3339(version.created_at),
        source: Some(version.text()),
        updated_by: version.created_by,
        document: Some(version.document),
    }
}

impl Integration {
    fn path(&self) -> Result<IntegrationPath, Failure> {
        Ok(IntegrationPath { tenant: name(&self.tenant)?, name: name(&self.name)? })
    }
}

/// What a listing of integrations is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
    include: Option<String>,
}

/// `GET /integrations`.
pub(super) async fn list(caller: Caller, asked: web::Query<Asked>) -> ApiResult {
    let has_source = match asked.include.as_deref() {
        None => false,
        Some("source") => true,
        Some(other) => return Err(Failure::bad_request(format!("include: only source can be included, not {other}")).into()),
    };
    let (operations, tenant) = (&caller.state.operations, asked.tenant.as_deref().map(name).transpose()?);
    let rows = operations.list_integrations(&caller.actor, tenant.as_ref()).await?;
    let paged = Paged::new(asked.limit, asked.cursor.clone());
    let mut page = paged.cut(rows, |row| format!("{}/{}", row.tenant, row.name), listed)?;
    if has_source {
        let paths: Vec<IntegrationPath> = page.items.iter().map(Integration::path).collect::<Result<_, _>>()?;
        page.items = operations.current_versions(&caller.actor, &paths).await?.into_iter().map(shown).collect();
    }
    ok(page)
}

pub(super) type At = web::Path<(String, String)>;

pub(super) fn path(at: At) -> Result<IntegrationPath, Failure> {
    let (tenant, integration) = at.into_inner();
    let named = |text: &str| name(text).map_err(|failure| Failure::not_found(failure.detail));
    Ok(IntegrationPath { tenant: named(&tenant)?, name: named(&integration)? })
}

/// `GET /integrations/{tenant}/{name}`.
pub(super) async fn get(caller: Caller, at: At) -> ApiResult {
    let version = caller.state.operations.integration(&caller.actor, &path(at)?).await?;
    ok_tagged(&etag(version.version), shown(version))
}

/// A definition, as text or as JSON.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = WrittenDocument)]
pub(super) struct Written {
    /// YAML or JSON; what the author wrote is kept with its comments.
    source: Option<String>,
    /// The same as JSON, where there is no text.
    #[serde(default, deserialize_with = "forebay_contract::json::optional_document")]
    document: Option<Value>,
    /// Of a connection: fields whose values are secrets beyond those that always are, each as a list of names.
    #[serde(default)]
    pub(super) secret_fields: Vec<Vec<String>>,
}

impl Written {
    /// The document, and its text; that is empty where the document was given alone.
    pub(super) fn read(self) -> Result<(Value, String), Failure> {
        match (self.source, self.document) {
            (Some(source), Some(document)) => Ok((document, source)),
            (None, Some(document)) => Ok((document, String::new())),
            (Some(source), None) => {
                let mut read = documents(&source).map_err(|error| Failure::invalid(error.to_string()))?;
                match (read.len(), read.pop()) {
                    (1, Some(document)) => Ok((document, source)),
                    _ => Err(Failure::invalid("source: must hold one document".to_owned())),
                }
            }
            (None, None) => Err(Failure::invalid("source or document is required".to_owned())),
        }
    }
}

/// Checks a definition beside the server's own threads: compiling may take as long as mappings may.
pub(super) async fn checked(document: Value, source: String) -> Result<NewDefinition, OperationError> {
    let checked = tokio::task::spawn_blocking(move || {
        let definition = check_definition(&document)?;
        Ok(NewDefinition { definition, document, source })
    });
    let result = checked.await.map_err(|_| OperationError::Failed("a definition could not be checked".to_owned()))?;
    result.map_err(OperationError::Problems)
}

/// What applying a definition did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppliedDefinition {
    tenant: String,
    name: String,
    id: String,
    version: i32,
    /// `created`, `updated` or `unchanged`.
    #[schema(value_type = String)]
    change: Change,
    /// Of a dry run: whether it accepts calls after.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// Of a dry run: whether it accepted calls before; absent: it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_enabled: Option<bool>,
    /// Of a dry run: every field that changes, as `path`, `before`, `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Value>,
    /// Of a dry run, where only comments or layout change: the lines of the text that change, each after `- ` or `+ `.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_differences: Option<Vec<String>>,
}

pub(super) fn applied(one: &Applied) -> AppliedDefinition {
    AppliedDefinition {
        tenant: one.path.tenant.to_string(),
        name: one.path.name.to_string(),
        id: one.id.to_string(),
        version: one.version,
        change: one.change,
        enabled: None,
        was_enabled: None,
        differences: None,
        text_differences: None,
    }
}

/// With what a dry run tells.
pub(super) fn planned(one: &Planned) -> AppliedDefinition {
    let differences = one.differences.iter().map(Difference::object).collect();
    AppliedDefinition {
        enabled: Some(one.enabled),
        was_enabled: one.was_enabled,
        differences: Some(differences),
        text_differences: Some(one.text_differences.clone()).filter(|lines| !lines.is_empty()),
        ..applied(&one.applied)
    }
}

/// `PUT /integrations/{tenant}/{name}`.
pub(super) async fn put(caller: Caller, request: HttpRequest, at: At, written: web::Json<Written>) -> ApiResult {
    let path = path(at)?;
    let expected = must_expect(&request)?;
    let (document, source) = written.into_inner().read()?;
    let new = checked(document, source).await?;
    if new.definition.path() != path {
        return Err(Failure::invalid(format!("the document is of {}, and this is the address of {path}", new.definition.path())).into());
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

/// A version of an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    version: i32,
    current: bool,
    created_at: String,
    created_by: String,
    /// An older version that says the same.
    same_as: Option<i32>,
    /// Every field that it changed, as `path`, `before`, `after`.
    differences: Value,
    /// Whether its text differs from the version before, in comments or layout too.
    text_changed: bool,
    document: Value,
    source: String,
}

/// `GET /integrations/{tenant}/{name}/versions`.
pub(super) async fn versions(caller: Caller, at: At, paged: web::Query<Paged>) -> ApiResult {
    let all = caller.state.operations.versions(&caller.actor, &path(at)?).await?;
    let mut rows = Vec::with_capacity(all.len());
    for (index, version) in all.iter().enumerate() {
        let older = &all[index + 1..];
        let changed = older.first().map(|before| differences(&before.document, &version.document)).unwrap_or_default();
        rows.push(Version {
            version: version.version,
            current: index == 0,
            created_at: rfc3339(version.created_at),
            created_by: version.created_by.clone(),
            same_as: older.iter().find(|other| other.is_same(version)).map(|other| other.version),
            differences: changed.iter().map(Difference::object).collect(),
            text_changed: older.first().is_some_and(|before| !before.is_same(version)),
            document: version.document.clone(),
            source: version.text(),
        });
    }
    // The newest first.
    ok(paged.cut(rows, |row| format!("{:010}", i32::MAX - row.version), |row| row)?)
}

/// Where to go back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = RollbackTo)]
pub(super) struct Back {
    /// The version; without, the one before the current.
    #[serde(default, deserialize_with = "whole")]
    to: Option<i32>,
    /// Only says what would change.
    #[serde(default)]
    dry_run: bool,
}

/// What going back did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BackAgain {
    #[serde(flatten)]
    applied: AppliedDefinition,
    /// The version that the current one says the same as.
    same_as: i32,
}

/// `POST /integrations/{tenant}/{name}/rollback`.
pub(super) async fn rollback(caller: Caller, request: HttpRequest, at: At, body: web::Bytes) -> ApiResult {
    let Back { to, dry_run } = optional(&body)?;
    let (path, operations) = (path(at)?, &caller.state.operations);
    if dry_run {
        let (one, same_as) = operations.plan_rollback(&caller.actor, &path, to).await?;
        return ok(BackAgain { applied: planned(&one), same_as });
    }
    let done = operations.rollback(&caller.actor, &path, to, expected(&request)?).await?;
    ok_tagged(&etag(done.applied.version), BackAgain { applied: applied(&done.applied), same_as: done.same_as })
}

/// A run that was started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    tenant: String,
    integration: String,
    execution_id: String,
}

/// `POST /integrations/{tenant}/{name}/run`.
pub(super) async fn run(caller: Caller, at: At) -> ApiResult {
    let path = path(at)?;
    let id = caller.state.operations.run_now(&caller.actor, &path).await?;
    accepted(Run { tenant: path.tenant.to_string(), integration: path.name.to_string(), execution_id: id.to_string() })
}
