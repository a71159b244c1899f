//! Definitions of integrations and their versions.

use crate::Operations;
use crate::actor::{Actor, Visible};
use crate::difference::{Difference, differences, text_differences};
use crate::error::OperationError;
use forebay_contract::definition::{Definition, Problem};
use forebay_contract::schema::BodySchema;
use forebay_contract::{IntegrationPath, Name};
use forebay_store::{Applied, Change, IntegrationRow, NewDefinition, Role, StoredVersion, Which};
use forebay_workflow::Program;
use serde_json::Value;
use std::sync::Arc;

/// A definition compared with the stored one.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The change that applying it would make.
    pub applied: Applied,
    /// Every field that changes, if it is updated.
    pub differences: Vec<Difference>,
    /// The lines of its text that differ, each after `- ` or `+ `, if it is updated without a change of fields.
    pub text_differences: Vec<String>,
    /// True if it accepted calls before; `None`: it is new.
    pub was_enabled: Option<bool>,
    /// True if it accepts calls after.
    pub enabled: bool,
}

/// An older version that is the newest again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The change.
    pub applied: Applied,
    /// The version with the same definition.
    pub same_as: i32,
}

/// Checks that the fields are valid, and that every mapping and template compiles.
///
/// # Errors
/// All problems.
pub fn check_definition(document: &Value) -> Result<Definition, Vec<Problem>> {
    let definition = Definition::from_value(document).map_err(|error| error.problems)?;
    Program::check(&definition)?;
    Ok(definition)
}

/// Returns warnings about a valid definition that may cause harm: each with its path and a remedy.
#[must_use]
pub fn definition_warnings(definition: &Definition) -> Vec<String> {
    let schema = definition.trigger.webhook().and_then(|webhook| webhook.schema.as_ref());
    let Some(schema) = schema.and_then(|schema| BodySchema::compile(schema).ok()) else { return Vec::new() };
    let Some(part) = schema.branching_recursion() else { return Vec::new() };
    vec![format!(
        "trigger.webhook.body.schema{part}: two references for the same member lead back to this part, so that the check of a body may take twice the time for each nested level. A deep body that does not match gets 422 without a list of places. Refer to the part once for each member, outside of alternatives (anyOf, oneOf, allOf, if)"
    )]
}

impl Operations {
    /// Returns the integrations that the person may see, by tenant and name.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_integrations(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<IntegrationRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_integrations(tenants.one()).await?;
        rows.retain(|row| tenants.has(&row.tenant));
        Ok(rows)
    }

    /// Returns the current version of an integration.
    ///
    /// # Errors
    /// [`OperationError::NotFound`]; those of the store.
    pub async fn integration(&self, actor: &Actor, path: &IntegrationPath) -> Result<StoredVersion, OperationError> {
        actor.may(&path.tenant, Role::Viewer)?;
        let found = self.store.current_versions(Which::Paths(std::slice::from_ref(path))).await?;
        found.into_iter().next().ok_or_else(|| OperationError::NotFound(format!("the integration {path}")))
    }

    /// Returns the current versions of these integrations, if they exist, by tenant and name.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn current_versions(&self, actor: &Actor, paths: &[IntegrationPath]) -> Result<Vec<StoredVersion>, OperationError> {
        for path in paths {
            actor.may(&path.tenant, Role::Viewer)?;
        }
        Ok(self.store.current_versions(Which::Paths(paths)).await?)
    }

    /// Returns all versions of an integration, the newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn versions(&self, actor: &Actor, path: &IntegrationPath) -> Result<Vec<StoredVersion>, OperationError> {
        actor.may(&path.tenant, Role::Viewer)?;
        Ok(self.store.versions(path).await?)
    }

    /// Compares definitions with the current versions; writes nothing.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn plan(&self, actor: &Actor, definitions: &[NewDefinition]) -> Result<Vec<Planned>, OperationError> {
        for new in definitions {
            actor.may(&new.definition.tenant, Role::Viewer)?;
        }
        self.store.check_sizes(definitions)?;
        self.compare(definitions).await
    }

    async fn compare(&self, definitions: &[NewDefinition]) -> Result<Vec<Planned>, OperationError> {
        let applied = self.store.plan(definitions).await?;
        let paths: Vec<IntegrationPath> = applied.iter().map(|one| one.path.clone()).collect();
        let current = self.store.current_versions(Which::Paths(&paths)).await?;
        let mut planned = Vec::with_capacity(applied.len());
        for (new, applied) in definitions.iter().zip(applied) {
            let current = current.iter().find(|stored| stored.path == applied.path);
            let differences = current.map(|stored| differences(&stored.document, &new.document)).unwrap_or_default();
            let only_text_differs = applied.change == Change::Updated && differences.is_empty();
            let of_text = |stored: &StoredVersion| text_differences(&stored.text(), &new.source);
            planned.push(Planned {
                text_differences: current.filter(|_| only_text_differs).map(of_text).unwrap_or_default(),
                differences,
                was_enabled: current.map(|stored| is_enabled(&stored.document)),
                enabled: new.definition.enabled,
                applied,
            });
        }
        Ok(planned)
    }

    /// Makes each definition the current version of its integration: all of them, or none.
    ///
    /// # Errors
    /// A tenant in which the person may not change definitions; those of the store.
    pub async fn apply(&self, actor: &Actor, definitions: &[NewDefinition]) -> Result<Vec<Applied>, OperationError> {
        let Some(first) = definitions.first() else { return Ok(Vec::new()) };
        let principal = actor.may(&first.definition.tenant, Role::Developer)?;
        for new in definitions {
            actor.may(&new.definition.tenant, Role::Developer)?;
        }
        self.store.check_sizes(definitions)?;
        Ok(self.store.apply(definitions, principal).await?)
    }

    /// Makes a definition the current version, if the current one is still `expected`; 0: it must not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Changed`](forebay_store::StoreError::Changed); those of [`Self::apply`].
    pub async fn save(&self, actor: &Actor, definition: &NewDefinition, expected: i32) -> Result<Applied, OperationError> {
        let principal = actor.may(&definition.definition.tenant, Role::Developer)?;
        self.store.check_sizes(std::slice::from_ref(definition))?;
        Ok(self.store.apply_over(definition, expected, principal).await?)
    }

    /// Makes an older version's definition the newest version. `to` absent: the one before the current. `expected` is the version that must
    /// still be the current one.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: there is no such version, or this program would refuse it; those of [`Self::save`].
    pub async fn rollback(
        &self,
        actor: &Actor,
        path: &IntegrationPath,
        to: Option<i32>,
        expected: Option<i32>,
    ) -> Result<RolledBack, OperationError> {
        let principal = actor.may(&path.tenant, Role::Developer)?;
        let source = self.rollback_source(path, to).await?;
        let applied = self.store.apply_over(&source.definition, expected.unwrap_or(source.newest), principal).await?;
        Ok(RolledBack { applied, same_as: source.same_as })
    }

    /// Returns the change that [`Self::rollback`] would make, and the version with the same definition as the newest; writes nothing.
    ///
    /// # Errors
    /// Those of [`Self::rollback`].
    pub async fn plan_rollback(&self, actor: &Actor, path: &IntegrationPath, to: Option<i32>) -> Result<(Planned, i32), OperationError> {
        actor.may(&path.tenant, Role::Developer)?;
        let source = self.rollback_source(path, to).await?;
        let planned = self.compare(&[source.definition]).await?.pop();
        planned.map(|planned| (planned, source.same_as)).ok_or_else(|| OperationError::NotFound(format!("the integration {path}")))
    }

    async fn rollback_source(&self, path: &IntegrationPath, to: Option<i32>) -> Result<RollbackSource, OperationError> {
        let versions = self.store.versions(path).await?;
        let newest = versions.first().map_or(0, |version| version.version);
        let older = match to {
            Some(number) => versions
                .into_iter()
                .find(|version| version.version == number)
                .ok_or_else(|| OperationError::Refused(format!("{path} has no version {number}: it has the versions 1 to {newest}")))?,
            None => versions
                .into_iter()
                .nth(1)
                .ok_or_else(|| OperationError::Refused(format!("{path} has only one version: a rollback needs an older version")))?,
        };
        // The version ran before: rules that were added later must not prevent a rollback to it.
        let definition =
            Definition::from_stored(&older.document).map_err(|error| error.problems).and_then(compiled).map_err(|problems| {
                let problems: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
                let number = older.version;
                OperationError::Refused(format!("version {number} of {path} cannot be applied by this version of Forebay{problems}"))
            })?;
        let definition = NewDefinition { definition, document: older.document, source: older.source };
        Ok(RollbackSource { definition, same_as: older.version, newest })
    }
}

/// Returns the definition if its programs compile.
fn compiled(definition: Definition) -> Result<Definition, Vec<Problem>> {
    Program::compile(Arc::new(definition.clone()))?;
    Ok(definition)
}

/// A rollback: an older version that becomes the newest.
struct RollbackSource {
    definition: NewDefinition,
    same_as: i32,
    newest: i32,
}

fn is_enabled(document: &Value) -> bool {
    document.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}

impl Planned {
    /// Returns true if applying it would change anything.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.applied.change != Change::Unchanged
    }
}

/// Returns the tenants of a listing: the requested one, or all that the person may see.
pub(crate) fn visible(actor: &Actor, tenant: Option<&Name>, role: Role) -> Result<Visible, OperationError> {
    match tenant {
        Some(tenant) => {
            actor.may(tenant, role)?;
            Ok(Visible::Only(vec![tenant.clone()]))
        }
        None => Ok(actor.tenants(role)),
    }
}
