//! Reads lists of steps: the fields that every kind of step has, and the field that selects the kind.

use super::super::read::{MILLISECOND, optional_retry};
use super::identifier::is_identifier;
use super::step_fields::{MAX_STEP_TIMEOUT, StepFields};
use super::{Action, KINDS, Kind, OnError, Step, Stop};
use crate::fields::{Fields, Read, all_of};
use serde_json::Value;

pub(in crate::definition) const MAX_STEPS: usize = 200;
/// Maximum depth of nested steps.
const MAX_DEPTH: usize = 8;

impl StepFields<'_> {
    /// Reads a nested list of steps; `None` if the field is absent.
    pub(super) fn optional_steps(&self, fields: &Fields<'_>, field: &'static str) -> Read<Option<Vec<Step>>> {
        list_of_steps(fields, field, self.depth + 1)
    }

    /// Reads a nested list of steps.
    pub(super) fn required_steps(&self, fields: &Fields<'_>, field: &'static str) -> Read<Vec<Step>> {
        fields.required(field, self.optional_steps(fields, field), "a list of steps")
    }

    /// Reads a nested list of steps under a name that the author chooses.
    pub(super) fn steps_of(&self, fields: &Fields<'_>, name: &str, items: Vec<Fields<'_>>) -> Read<Vec<Step>> {
        nested_steps(fields, name, items, self.depth + 1)
    }
}

/// Reads the steps of a list; `None` if the field is absent.
pub(in crate::definition) fn steps(fields: &Fields<'_>, field: &'static str) -> Read<Option<Vec<Step>>> {
    list_of_steps(fields, field, 0)
}

fn list_of_steps(fields: &Fields<'_>, field: &'static str, depth: usize) -> Read<Option<Vec<Step>>> {
    fields.list(field)?.map(|items| nested_steps(fields, field, items, depth)).transpose()
}

fn nested_steps(fields: &Fields<'_>, field: &str, items: Vec<Fields<'_>>, depth: usize) -> Read<Vec<Step>> {
    if depth > MAX_DEPTH {
        return Err(fields.problem(field, format!("steps are nested more than {MAX_DEPTH} levels deep: use `call` for a part of them")));
    }
    all_of(items.into_iter().map(|item| step(item, depth)))
}

fn step(fields: Fields<'_>, depth: usize) -> Read<Step> {
    let id = id(&fields);
    let when = fields.mapping("when");
    let timeout = fields.duration("timeout", MILLISECOND, MAX_STEP_TIMEOUT);
    let own_retry = optional_retry(&fields);
    let on_error = on_error(&fields, depth);
    let of_kind = StepFields::new(&fields, depth);
    let action = match (fields.one_of(KINDS, "make a step of each"), &id) {
        (Ok(kind), Ok(id)) if is_without_content(&fields, kind) => Ok(without_content(id)),
        _ => fields.exactly_one_of(KINDS, "make a step of each").and_then(|kind| (kind.read)(&of_kind)),
    };
    let timeout_of_kind = of_kind.into_timeout();
    fields.finish();
    let (action, timeout_of_kind) = (action?, timeout_of_kind?);
    Ok(Step { id: id?, when: when?, timeout: timeout_of_kind.or(timeout?), retry: own_retry?, on_error: on_error?, action })
}

/// Returns true if a stored version has a step without content. Earlier versions of Forebay left such a step out.
fn is_without_content(fields: &Fields<'_>, kind: Option<Kind>) -> bool {
    fields.is_stored()
        && match kind {
            None => KINDS.iter().any(|(name, _)| fields.has_key(name)),
            Some(kind) => (kind.is_left_empty)(fields),
        }
}

/// Returns an action that fails the execution, which keeps its input: a call without an effect must not look like a success.
fn without_content(id: &str) -> Action {
    let error = format!("the step '{id}' has no content in this version of the definition: apply the definition again with it");
    Action::Stop(Stop { error: Some(error) })
}

fn id(fields: &Fields<'_>) -> Read<String> {
    let id = fields.required("id", fields.text("id"), "a name for the step's output, such as price")?;
    if is_identifier(&id) {
        return Ok(id);
    }
    Err(fields.problem(
        "id",
        format!(
            "'{id}' must begin with a letter or _ and go on with letters, digits and _ (64 at most), so that .steps.{{id}} is a mapping"
        ),
    ))
}

fn on_error(fields: &Fields<'_>, depth: usize) -> Read<OnError> {
    match fields.take("on_error")? {
        None => Ok(OnError::Fail),
        Some(Value::Array(items)) if items.is_empty() && !fields.is_stored() => {
            Err(fields.problem("on_error", "is empty: give steps, or write continue to go on without any"))
        }
        Some(Value::Array(_)) => Ok(list_of_steps(fields, "on_error", depth + 1)?.map_or(OnError::Fail, OnError::Steps)),
        Some(Value::String(word)) if word == "fail" => Ok(OnError::Fail),
        Some(Value::String(word)) if word == "continue" => Ok(OnError::Continue),
        Some(other) => Err(fields.wrong("on_error", "fail, continue or a list of steps", other)),
    }
}
