//! The secret fields of a connection's document, and the references to secrets in variables and files.

use super::{Connection, DECLARATIONS};
use crate::fields::{DefinitionError, Problem};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A reference to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSource<'a> {
    /// An environment variable.
    Env(&'a str),
    /// A file; a line break at its end is not part of the secret.
    File(&'a str),
}

impl Connection {
    /// Replaces every `{ env: NAME }` and `{ file: PATH }` by the text of the secret. `look_up` returns the text of the variable or the
    /// file, or the reason for which it cannot be read.
    ///
    /// # Errors
    /// All secrets that could not be read.
    pub fn resolve_secrets(
        document: &Value,
        look_up: impl Fn(SecretSource<'_>) -> Result<String, String>,
    ) -> Result<Value, DefinitionError> {
        let mut problems = Vec::new();
        let resolved = resolve(document, "", &look_up, &mut problems);
        if problems.is_empty() { Ok(resolved) } else { Err(DefinitionError { problems }) }
    }

    /// Returns the paths, in the form of problems, of the values that are written as `{ env: NAME }` or `{ file: PATH }`.
    #[must_use]
    pub fn looked_up_fields(document: &Value) -> Vec<String> {
        let value_at = |path: &[String]| path.iter().try_fold(document, |value, name| value.get(name));
        let all = Self::secret_fields(document);
        let looked_up = all.iter().filter(|path| value_at(path).is_some_and(|value| source_of(value).is_some()));
        looked_up.map(|path| path.join(".")).collect()
    }

    /// Returns the paths of all secrets of a document: fields that are always secret, and values that are written as `{ env: NAME }` or `{
    /// file: PATH }`.
    #[must_use]
    pub fn secret_fields(document: &Value) -> BTreeSet<Vec<String>> {
        let mut found = BTreeSet::new();
        collect(document, &mut Vec::new(), &mut found);
        found
    }
}

/// Removes the secrets at these paths from two versions of a document. Returns, for each that either version has, its path and `unchanged`,
/// `changed`, `added` or `removed`.
pub fn take_secrets(before: &mut Value, after: &mut Value, paths: &BTreeSet<Vec<String>>) -> Vec<(String, &'static str)> {
    let change = |path: &Vec<String>| {
        let change = match (take_field(before, path), take_field(after, path)) {
            (Some(before), Some(after)) if before == after => "unchanged",
            (Some(_), Some(_)) => "changed",
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (None, None) => return None,
        };
        Some((path.join("."), change))
    };
    paths.iter().filter_map(change).collect()
}

/// Removes a field from a document; `None`: it has no such field.
pub fn take_field(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, outer) = path.split_last()?;
    let object = outer.iter().try_fold(document, |value, name| value.get_mut(name))?;
    object.as_object_mut()?.shift_remove(last)
}

fn source_of(value: &Value) -> Option<SecretSource<'_>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    match object.iter().next()? {
        (kind, Value::String(name)) if kind == "env" => Some(SecretSource::Env(name)),
        (kind, Value::String(name)) if kind == "file" => Some(SecretSource::File(name)),
        _ => None,
    }
}

/// Returns the problem of `{ env: }` and `{ file: }` without a name.
fn names_nothing(object: &Map<String, Value>) -> Option<&'static str> {
    let (kind, value) = object.iter().next().filter(|_| object.len() == 1)?;
    let is_empty = value.is_null() || value.as_str().is_some_and(|name| name.trim().is_empty());
    match kind.as_str() {
        "env" if is_empty => Some("names no variable: write { env: NAME }"),
        "file" if is_empty => Some("names no file: write { file: PATH }"),
        _ => None,
    }
}

fn resolve(value: &Value, path: &str, look_up: &impl Fn(SecretSource<'_>) -> Result<String, String>, problems: &mut Vec<Problem>) -> Value {
    let Some(object) = value.as_object() else { return value.clone() };
    if let Some(message) = names_nothing(object) {
        problems.push(Problem { path: path.to_owned(), message: message.to_owned() });
        return Value::String(String::new());
    }
    if let Some(source) = source_of(value) {
        return look_up(source).map(Value::String).unwrap_or_else(|message| {
            problems.push(Problem { path: path.to_owned(), message });
            Value::String(String::new())
        });
    }
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    object.iter().map(|(name, value)| (name.clone(), resolve(value, &inner(name), look_up, problems))).collect()
}

fn collect(value: &Value, path: &mut Vec<String>, found: &mut BTreeSet<Vec<String>>) {
    if source_of(value).is_some() || is_secret(path) {
        found.insert(path.clone());
        return;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        path.push(name.clone());
        collect(value, path, found);
        path.pop();
    }
}

fn is_secret(path: &[String]) -> bool {
    let Some((kind, path)) = path.split_first() else { return false };
    let fits =
        |field: &&[&str]| field.len() == path.len() && field.iter().zip(path).all(|(pattern, name)| *pattern == "*" || pattern == name);
    DECLARATIONS.iter().any(|declared| declared.name == kind && declared.secrets.iter().any(fits))
}
