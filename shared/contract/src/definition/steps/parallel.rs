//! The `parallel` step: runs branches in parallel.

use super::identifier::is_identifier;
use super::step_fields::StepFields;
use super::step_kind::StepKind;
use super::{InnerSteps, Step};
use crate::fields::{Fields, Read, all_of};
use crate::name::Name;
use crate::published::KindSchema;
use serde_json::json;

/// Branches that run in parallel and are joined.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parallel {
    /// The branches, at least one.
    pub branches: Vec<Branch>,
}

/// A branch of a `parallel` step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Branch {
    /// The name of its result in the output.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
}

impl Parallel {
    /// Returns the nested lists of steps; their places are relative to the field `parallel`.
    pub(super) fn inner(&self) -> Vec<InnerSteps<'_>> {
        let of_branch = self.branches.iter().map(|branch| InnerSteps {
            place: branch.name.clone(),
            label: Some(branch.name.clone()),
            steps: &branch.steps,
        });
        of_branch.collect()
    }
}

impl StepKind for Parallel {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("parallel")?;
        let names = fields.names();
        if names.is_empty() {
            return Err(fields.problem_here("needs at least one branch: a name with a list of steps"));
        }
        let branches = all_of(names.into_iter().map(|name| branch(&fields, name, step)))?;
        Ok(Self { branches })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({
                "description": "Runs branches at once and joins them: names with lists of steps.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" },
                "additionalProperties": { "type": "array", "items": { "$ref": "#/$defs/step" } }
            }),
            json!({}),
        )
    }

    fn summary(&self) -> String {
        format!("{} branches at once", self.branches.len())
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}

fn branch(fields: &Fields<'_>, name: String, step: &StepFields<'_>) -> Read<Branch> {
    if !is_identifier(&name) {
        fields.problem(&name, "must begin with a letter or _ and go on with letters, digits and _");
    }
    let steps = step.steps_of(fields, &name, fields.list_of(&name)?)?;
    Ok(Branch { name, steps })
}
