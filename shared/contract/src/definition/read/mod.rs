//! Reads a [`Definition`] from JSON, field by field in the order of the design's example.

mod body_rule;
mod bounds;
mod headers;
mod respond;
mod retry;
mod trigger;

pub(super) use body_rule::{body_rule, body_rule_of};
pub(super) use bounds::MILLISECOND;
pub(super) use headers::headers;
pub(super) use respond::respond;
pub(super) use retry::optional_retry;

use self::bounds::DAY;
use super::steps;
use super::{Definition, Diagnostics, OnFailure, Step, Trigger};
use crate::connection::Connection;
use crate::fields::{DefinitionError, Fields, Origin, Problems, Read};
use serde_json::Value;
use std::collections::HashSet;

/// Maximum redacted names: each field of each payload is compared with all of them.
const MAX_REDACTED: usize = 100;

impl Definition {
    /// Reads a definition from its document.
    ///
    /// # Errors
    /// All problems, each with the path of the field.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Written)
    }

    /// Reads a definition that an earlier version of Forebay accepted and stored. Rules that were added later do not apply, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// Those of [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Stored)
    }
}

fn read(document: &Value, origin: Origin) -> Result<Definition, DefinitionError> {
    // The values of a connection that is read as a definition may be secrets.
    Problems::of_document(document, origin, Connection::is_document(document), root)
}

fn root(fields: Fields<'_>) -> Read<Definition> {
    let tenant = fields.name("tenant");
    let name = fields.name("name");
    let description = fields.description();
    let enabled = fields.boolean("enabled");
    let paused = fields.boolean("paused");
    let trigger = trigger::trigger(&fields);
    let retry = optional_retry(&fields);
    let on_failure = fields.word("on_failure", &[("continue", OnFailure::Continue), ("halt", OnFailure::Halt)]);
    let diagnostics = match fields.object("diagnostics") {
        Ok(Some(fields)) => diagnostics(fields),
        Ok(None) => Ok(Diagnostics::default()),
        Err(reported) => Err(reported),
    };
    let input = fields.mapping("input");
    let label = fields.mapping("label");
    let steps = steps::steps(&fields, "steps");
    let respond = fields.object_or_empty("respond").and_then(|fields| fields.map(respond).transpose());
    if let (Ok(Some(OnFailure::Halt)), Ok(trigger)) = (&on_failure, &trigger)
        && !trigger.policy().is_ordered()
    {
        fields.problem(
            "on_failure",
            "halt needs an ordered trigger: set trigger.webhook.ordered or trigger.schedule.ordered, or use continue",
        );
    }
    if let (Ok(trigger), Ok(Some(steps))) = (&trigger, &steps) {
        check_steps(steps, trigger, fields.problems());
    }
    fields.finish();
    Ok(Definition {
        tenant: tenant?,
        name: name?,
        description: description?.unwrap_or_default(),
        enabled: enabled?.unwrap_or(true),
        paused: paused?.unwrap_or(false),
        trigger: trigger?,
        retry: retry?.unwrap_or_default(),
        on_failure: on_failure?.unwrap_or(OnFailure::Continue),
        diagnostics: diagnostics?,
        input: input?,
        label: label?,
        steps: steps?.unwrap_or_default(),
        respond: respond?,
    })
}

/// Checks the rules about all steps together, at any depth.
fn check_steps(steps: &[Step], trigger: &Trigger, problems: &Problems) {
    let all = Step::all(steps);
    if all.len() > steps::MAX_STEPS {
        problems.add("steps", format!("has {} steps; at most {} are allowed", all.len(), steps::MAX_STEPS));
    }
    let mut ids = HashSet::new();
    for step in &all {
        if !ids.insert(step.id.as_str()) {
            problems
                .add("steps", format!("the id '{}' is given to two steps; ids are unique in a workflow, inner steps included", step.id));
        }
        step.action.check(&step.id, trigger, problems);
    }
}

fn diagnostics(fields: Fields<'_>) -> Read<Diagnostics> {
    let (input, output, steps) = (fields.boolean("input"), fields.boolean("output"), fields.boolean("steps"));
    let retention = fields.duration("keep", MILLISECOND, DAY * 3650);
    let redact = fields.list_of_texts("redact", "names of fields, such as [password]");
    if let Ok(Some(names)) = &redact
        && names.len() > MAX_REDACTED
    {
        fields.problem("redact", format!("has {} names; at most {MAX_REDACTED} are allowed", names.len()));
    }
    fields.finish();
    Ok(Diagnostics {
        input: input?.unwrap_or(false),
        output: output?.unwrap_or(false),
        steps: steps?.unwrap_or(false),
        retention: retention?,
        redact: redact?.unwrap_or_default(),
    })
}
