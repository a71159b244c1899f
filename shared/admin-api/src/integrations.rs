//! Integrations: their definitions and versions.

use crate::json::{both, present, whole};
use crate::text::NameText;
use crate::time::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// An integration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Integration {
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// The current version.
    pub version: i32,
    /// True if it accepts calls.
    pub enabled: bool,
    /// For people.
    pub description: String,
    /// The time at which the current version was applied.
    pub updated_at: Time,
    /// The person who applied the current version.
    pub updated_by: String,
    /// The definition as JSON, where `include=source` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "forebay_contract::json::optional_value")]
    pub document: Option<Value>,
    /// The text of its author, comments included, where `include=source` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A part of an integration that a listing leaves out unless it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IncludedPart {
    /// The document and its source.
    Source,
}

/// A page of integrations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IntegrationQuery {
    /// Only this tenant's
    #[param(inline)]
    pub tenant: Option<NameText>,
    /// Maximum rows on a page, 1 to 1000; by default 100
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The `next` of the page before
    pub cursor: Option<String>,
    /// source: with document and source
    #[param(inline)]
    pub include: Option<IncludedPart>,
}

crate::paging::paged!(IntegrationQuery);

/// A document, as text or as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WrittenDocument {
    /// YAML or JSON; the text of its author is stored with its comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The same as JSON, where there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "forebay_contract::json::optional_document")]
    #[schema(value_type = Object)]
    pub document: Option<Value>,
    /// Of a connection: fields whose values are secrets beyond those that always are, each as a list of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_fields: Vec<Vec<String>>,
}

/// A field that differs between two documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Such as `trigger.webhook.methods`; a step is named by its id: `steps[price].set`.
    pub path: String,
    /// Absent: the field is new.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub before: Option<Value>,
    /// Absent: the field is removed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub after: Option<Value>,
}

/// The change that applying a document makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Created,
    /// It differs.
    Updated,
    /// It is the same.
    Unchanged,
}

impl Change {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A definition that was applied, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedDefinition {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub name: String,
    /// The integration's id.
    pub id: String,
    /// The version that is current then.
    pub version: i32,
    /// The change of the integration.
    pub change: Change,
    /// Of a dry run: whether it accepts calls after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Of a dry run: whether it accepted calls before; absent: it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_enabled: Option<bool>,
    /// Of a dry run: every field that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<Vec<Difference>>,
    /// Of a dry run, where only comments or layout change: the lines of the text that change, each after `- ` or `+ `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_differences: Option<Vec<String>>,
}

impl AppliedDefinition {
    /// `tenant/name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }
}

/// A version of an integration, without its definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionSummary {
    /// Its number.
    pub version: i32,
    /// True if it is the current one.
    pub current: bool,
    /// The time at which it was applied.
    pub created_at: Time,
    /// The person who applied it.
    pub created_by: String,
    /// An older version with the same definition.
    pub same_as: Option<i32>,
    /// Every field that it changed.
    pub differences: Vec<Difference>,
    /// True if its text differs from the version before, in comments or layout too.
    pub text_changed: bool,
}

/// A version of an integration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Version {
    /// The version without its definition.
    #[serde(flatten)]
    pub summary: VersionSummary,
    /// The definition as JSON.
    pub document: Value,
    /// The text of its author.
    pub source: String,
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(deserialize_with = "forebay_contract::json::value")]
            document: Value,
            source: String,
        }
        let (summary, Written { document, source }) = both(deserializer)?;
        Ok(Self { summary, document, source })
    }
}

/// A version to go back to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RollbackRequest {
    /// The version; without, the one before the current.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 2147483647)]
    pub to: Option<i32>,
    /// Only returns what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// A definition that was rolled back, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolledBack {
    /// The definition.
    #[serde(flatten)]
    pub applied: AppliedDefinition,
    /// The version with the same definition as the current one.
    pub same_as: i32,
}

impl<'de> Deserialize<'de> for RolledBack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Older {
            same_as: i32,
        }
        let (applied, Older { same_as }) = both(deserializer)?;
        Ok(Self { applied, same_as })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_tells_null_from_absent_and_keeps_the_digits() {
        for text in [r#"{"path":"a","before":null,"after":1E5}"#, r#"{"path":"a","after":-0}"#, r#"{"path":"a","before":1}"#] {
            let read: Difference = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn a_version_is_read_as_it_was_written() {
        let text = r#"{"version":2,"current":true,"createdAt":"2026-11-24T10:00:00Z","createdBy":"anna","sameAs":null,"differences":[],"textChanged":false,"document":{"a":1E5},"source":"a: 1E5"}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Version>(text).unwrap()).unwrap(), text);
        let text = r#"{"tenant":"t","name":"n","id":"i","version":3,"change":"updated","sameAs":1}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<RolledBack>(text).unwrap()).unwrap(), text);
    }
}
