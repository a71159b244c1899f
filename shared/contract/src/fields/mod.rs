//! Reads the fields of one JSON object and collects every problem with its path, so that an author sees all mistakes at once.
//!
//! A reader returns a value, or `Ok(None)` for an absent field, or [`Reported`]. Only [`Problems::add`] makes a `Reported`, so a reader
//! cannot ignore a part of a document without a problem that names it.

use crate::duration::{format_duration, parse_duration};
use crate::name::{Name, NameError};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::time::Duration;

mod problem;
#[cfg(test)]
mod tests;

pub use problem::{DefinitionError, Problem};

/// Maximum bytes of a description.
const MAX_DESCRIPTION_BYTES: usize = 8 * 1024;

/// Fields that select a kind ([`Fields::one_of`]) and that mean an empty object without a value.
const MAY_BE_EMPTY: [&str; 5] = ["webhook", "schedule", "respond", "stop", "halted"];

/// Proof that a problem was recorded. It has no public constructor: see [`Problems::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported(());

/// The result of a reader. `Err` means that a problem is recorded and the document will be refused.
pub(crate) type Read<T> = Result<T, Reported>;

/// The source of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A person or program submits it now: every rule applies.
    Written,
    /// An earlier version of Forebay accepted it: rules that were added later do not apply, so that an upgrade stops no integration. An
    /// empty field counts as absent, as it did for that version.
    Stored,
}

/// Problems found so far, shared by the readers of nested objects.
pub(crate) struct Problems {
    found: RefCell<Vec<Problem>>,
    origin: Origin,
    /// True if the values of the document may be secrets.
    hides_values: bool,
}

impl Problems {
    /// Describes a value; only its kind if values are hidden.
    fn described(&self, value: &Value) -> String {
        match value {
            Value::String(_) if self.hides_values => "text".to_owned(),
            Value::Number(_) if self.hides_values => "a number".to_owned(),
            value => describe(value),
        }
    }

    pub(crate) fn add(&self, path: impl Into<String>, message: impl Into<String>) -> Reported {
        let problem = Problem { path: path.into(), message: message.into() };
        let mut found = self.found.borrow_mut();
        // Two readers may read the same field.
        if !found.contains(&problem) {
            found.push(problem);
        }
        Reported(())
    }

    /// Reads a whole document. `hides_values`: problems do not contain its values, which may be secrets. `read` may continue after a problem;
    /// its value is used only if there was none.
    ///
    /// # Errors
    /// All problems, each with the path of its field.
    pub(crate) fn of_document<T>(
        document: &Value,
        origin: Origin,
        hides_values: bool,
        read: impl FnOnce(Fields<'_>) -> Read<T>,
    ) -> Result<T, DefinitionError> {
        let problems = Self { found: RefCell::default(), origin, hides_values };
        let value = Fields::of(document, "", &problems).and_then(read);
        let found = problems.found.into_inner();
        match value {
            Ok(value) if found.is_empty() => Ok(value),
            _ => Err(DefinitionError { problems: found }),
        }
    }
}

/// Runs all readers, so that each reports its problems, and returns all values or none.
pub(crate) fn all_of<T>(reads: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let reads: Vec<Read<T>> = reads.collect();
    reads.into_iter().collect()
}

/// An object at a path.
pub(crate) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    allowed: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value, path: impl Into<String>, problems: &'a Problems) -> Read<Self> {
        let path = path.into();
        match value {
            Value::Object(object) => Ok(Self { path, object, allowed: RefCell::default(), problems }),
            Value::Null => Err(problems.add(path, "is empty: write its fields, or remove it")),
            other => Err(problems.add(path, format!("must be a mapping of fields, not {}", problems.described(other)))),
        }
    }

    pub(crate) fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    pub(crate) fn problem(&self, field: &str, message: impl Into<String>) -> Reported {
        self.problems.add(self.path_of(field), message)
    }

    pub(crate) fn problem_here(&self, message: impl Into<String>) -> Reported {
        self.problems.add(self.path.clone(), message)
    }

    pub(crate) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Returns true if an earlier version accepted the document, so that rules that were added later do not apply.
    pub(crate) fn is_stored(&self) -> bool {
        self.problems.origin == Origin::Stored
    }

    /// Records that the field is allowed, since a reader reads it. Two readers may read the same field.
    fn allow(&self, field: &'static str) {
        let mut allowed = self.allowed.borrow_mut();
        if !allowed.contains(&field) {
            allowed.push(field);
        }
    }

    /// Returns the field's value; `None` if the field is absent. A field without a value is a problem.
    pub(crate) fn take(&self, field: &'static str) -> Read<Option<&'a Value>> {
        self.allow(field);
        match self.object.get(field) {
            Some(Value::Null) if self.is_stored() => Ok(None),
            Some(Value::Null) => Err(self.empty(field)),
            value => Ok(value),
        }
    }

    /// Returns any value of the field, including null; null if the field is absent.
    pub(crate) fn any_value(&self, field: &'static str) -> Value {
        self.allow(field);
        self.object.get(field).cloned().unwrap_or(Value::Null)
    }

    /// Reports a problem if the value is absent. `hint` describes the value, such as `a list of steps`.
    pub(crate) fn required<T>(&self, field: &'static str, value: Read<Option<T>>, hint: &str) -> Read<T> {
        value?.ok_or_else(|| match hint {
            "" => self.problem(field, "is required"),
            hint => self.problem(field, format!("is required: {hint}")),
        })
    }

    /// Returns the one of several fields that is present. More than one is a problem, whose text ends with `advice`.
    pub(crate) fn one_of<K: Copy>(&self, kinds: &[(&'static str, K)], advice: &str) -> Read<Option<K>> {
        kinds.iter().for_each(|(name, _)| self.allow(name));
        let mut written = kinds.iter().filter(|(name, _)| self.is_written(name));
        match (written.next(), written.next()) {
            (Some(_), Some(_)) => Err(self.problem_here(format!("has more than one of {}: {advice}", names_of(kinds).join(", ")))),
            (first, _) => Ok(first.map(|(_, kind)| *kind)),
        }
    }

    /// Returns the one of several fields that is present; none of them is a problem too.
    pub(crate) fn exactly_one_of<K: Copy>(&self, kinds: &[(&'static str, K)], advice: &str) -> Read<K> {
        let chosen = self.one_of(kinds, advice)?;
        chosen.ok_or_else(|| self.problem_here(format!("needs one of {}", names_of(kinds).join(", "))))
    }

    pub(crate) fn object(&self, field: &'static str) -> Read<Option<Fields<'a>>> {
        self.take(field)?.map(|value| Fields::of(value, self.path_of(field), self.problems)).transpose()
    }

    /// Returns true if the field is present, with or without a value.
    pub(crate) fn has_key(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    /// Returns true if the field is present; in a stored document a field without a value counts as absent, unless it is read as an empty
    /// object.
    fn is_written(&self, field: &str) -> bool {
        let is_empty_object = MAY_BE_EMPTY.contains(&field);
        self.object.get(field).is_some_and(|value| !value.is_null() || is_empty_object || !self.is_stored())
    }

    /// Returns the field's object; `field:` without a value is an empty one.
    pub(crate) fn object_or_empty(&self, field: &'static str) -> Read<Option<Fields<'a>>> {
        self.allow(field);
        let value = self.object.get(field).map(|value| if value.is_null() { empty_object() } else { value });
        value.map(|value| Fields::of(value, self.path_of(field), self.problems)).transpose()
    }

    /// Returns every entry of an object whose keys the author chooses; `name:` without a value is an empty object.
    pub(crate) fn entries(&self) -> Read<Vec<(String, Fields<'a>)>> {
        all_of(self.object.iter().map(|(name, value)| {
            let value = if value.is_null() { empty_object() } else { value };
            Ok((name.clone(), Fields::of(value, self.path_of(name), self.problems)?))
        }))
    }

    /// Reads a required name.
    pub(crate) fn name(&self, field: &'static str) -> Read<Name> {
        self.required(field, self.optional_name(field), "")
    }

    /// Reads a name that may be absent.
    pub(crate) fn optional_name(&self, field: &'static str) -> Read<Option<Name>> {
        let parse = |text: String| text.parse().map_err(|error: NameError| self.problem(field, error.to_string()));
        self.text(field)?.map(parse).transpose()
    }

    /// Reads a mapping; a number or a boolean is also one.
    pub(crate) fn mapping(&self, field: &'static str) -> Read<Option<String>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        let program = text_of(value).ok_or_else(|| self.wrong(field, "the text of a jq program", value))?;
        if is_number_in_another_form(&program) && !self.is_stored() {
            let advice = "is a jq program, and this one would be the number without its leading zeros, sign or point: write '\"TEXT\"' for a \
                          text, or the number as JSON writes it";
            return Err(self.problem(field, format!("'{program}' {advice}")));
        }
        self.not_blank(field, program)
    }

    /// Reads a list of objects.
    pub(crate) fn list(&self, field: &'static str) -> Read<Option<Vec<Fields<'a>>>> {
        self.take(field)?.map(|_| self.list_of(field)).transpose()
    }

    /// Reads a list of objects under a name that the author chooses.
    pub(crate) fn list_of(&self, name: &str) -> Read<Vec<Fields<'a>>> {
        let value = self.object.get(name).unwrap_or(&Value::Null);
        let items = value.as_array().ok_or_else(|| self.wrong(name, "a list", value))?;
        let path = self.path_of(name);
        all_of(items.iter().enumerate().map(|(index, item)| Fields::of(item, format!("{path}[{index}]"), self.problems)))
    }

    /// Returns all names of an object whose names the author chooses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.object.keys().cloned().collect()
    }

    /// Reads a text. A blank one is a problem, and so is an unquoted number, which must be quoted to keep its digits.
    pub(crate) fn text(&self, field: &'static str) -> Read<Option<String>> {
        match self.text_or_blank(field)? {
            Some(text) => self.not_blank(field, text),
            None => Ok(None),
        }
    }

    /// Reads a text that may be blank.
    pub(crate) fn text_or_blank(&self, field: &'static str) -> Read<Option<String>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        value.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| self.no_text(field, value))
    }

    /// Reads the description. The database stores it as a text, which cannot contain NUL.
    pub(crate) fn description(&self) -> Read<Option<String>> {
        match self.text_or_blank("description")? {
            Some(text) if text.contains('\0') && !self.is_stored() => {
                Err(self.problem("description", "a description cannot hold the character U+0000"))
            }
            Some(text) if text.len() > MAX_DESCRIPTION_BYTES && !self.is_stored() => {
                let bytes = text.len();
                let detail =
                    format!("has {bytes} bytes, and a description may have {MAX_DESCRIPTION_BYTES}: shorten it, or refer to a document");
                Err(self.problem("description", detail))
            }
            text => Ok(text),
        }
    }

    /// Reads any scalar as text: the digits of a number and the word of a boolean as they are written.
    pub(crate) fn scalar(&self, field: &'static str) -> Read<Option<String>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        text_of(value).map(Some).ok_or_else(|| self.no_text(field, value))
    }

    fn no_text(&self, field: &str, value: &Value) -> Reported {
        match value {
            Value::Number(_) | Value::Bool(_) => {
                self.problem(field, format!("must be text, not {}: write it in quotes", self.problems.described(value)))
            }
            other => self.wrong(field, "text", other),
        }
    }

    fn not_blank(&self, field: &str, text: String) -> Read<Option<String>> {
        match text.trim().is_empty() {
            true if self.is_stored() => Ok(Some(text)),
            true => Err(self.empty(field)),
            false => Ok(Some(text)),
        }
    }

    fn empty(&self, field: &str) -> Reported {
        self.problem(field, "is empty: give a value, or remove the field")
    }

    pub(crate) fn boolean(&self, field: &'static str) -> Read<Option<bool>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        match value {
            Value::Bool(boolean) => Ok(Some(*boolean)),
            // The other spellings of YAML's core schema (YAML 1.2.2, section 10.3.2).
            Value::String(text) if matches!(text.as_str(), "True" | "TRUE") => Ok(Some(true)),
            Value::String(text) if matches!(text.as_str(), "False" | "FALSE") => Ok(Some(false)),
            other => Err(self.wrong(field, "true or false", other)),
        }
    }

    /// Reads a whole number from `min` to `max`.
    pub(crate) fn whole(&self, field: &'static str, min: u64, max: u64) -> Read<Option<u64>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        let number = value.as_u64().filter(|number| (min..=max).contains(number));
        number.map(Some).ok_or_else(|| self.wrong(field, &format!("a whole number from {min} to {max}"), value))
    }

    /// Reads a number for which `fits` returns true. `expected` describes such numbers, such as `a number from 1 to 10`.
    pub(crate) fn number(&self, field: &'static str, fits: impl FnOnce(f64) -> bool, expected: &str) -> Read<Option<f64>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        let number = value.as_f64().filter(|number| fits(*number));
        number.map(Some).ok_or_else(|| self.wrong(field, expected, value))
    }

    /// Reads a duration from `min` to `max`.
    pub(crate) fn duration(&self, field: &'static str, min: Duration, max: Duration) -> Read<Option<Duration>> {
        if let Ok(Some(Value::Number(number))) = self.take(field) {
            return Err(self.problem(field, format!("must be a duration, not {number}: write a unit, such as {number}s")));
        }
        let Some(text) = self.text(field)? else { return Ok(None) };
        match parse_duration(&text) {
            Ok(duration) if duration >= min && duration <= max => Ok(Some(duration)),
            Ok(_) => Err(self.problem(field, format!("must be from {} to {}, not {text}", format_duration(min), format_duration(max)))),
            Err(error) => Err(self.problem(field, error.to_string())),
        }
    }

    /// Reads one of a few words.
    pub(crate) fn word<T: Clone>(&self, field: &'static str, words: &[(&'static str, T)]) -> Read<Option<T>> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(meaning.clone()));
        }
        let names = names_of(words);
        Err(self.problem(field, format!("must be {}, not '{text}'{}", names.join(" or "), did_you_mean(&text, &names))))
    }

    /// Reads an object of texts such as headers, in the order of the file. Numbers and booleans are texts as written.
    pub(crate) fn texts(&self, field: &'static str) -> Read<Vec<(String, String)>> {
        let Some(value) = self.take(field)? else { return Ok(Vec::new()) };
        let object = value.as_object().ok_or_else(|| self.wrong(field, "a mapping of names to text", value))?;
        all_of(object.iter().map(|(name, value)| {
            let wrong = || match value {
                Value::Null => self.empty(&format!("{field}.{name}")),
                other => self.wrong(&format!("{field}.{name}"), "text", other),
            };
            text_of(value).map(|text| (name.clone(), text)).ok_or_else(wrong)
        }))
    }

    /// Reads a list of texts. `expected` describes them, such as `the names of integrations`.
    pub(crate) fn list_of_texts(&self, field: &'static str, expected: &str) -> Read<Option<Vec<String>>> {
        let Some(value) = self.take(field)? else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| self.wrong(field, &format!("a list of {expected}"), value))?;
        let read = |(index, item): (usize, &Value)| match item {
            Value::String(text) if !text.is_empty() || self.is_stored() => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Err(self.no_text(&format!("{field}[{index}]"), item)),
            other => Err(self.wrong(&format!("{field}[{index}]"), &format!("one of {expected}"), other)),
        };
        all_of(items.iter().enumerate().map(read)).map(Some)
    }

    /// Reports every unknown field. Called after all readers.
    pub(crate) fn finish(self) {
        let allowed = self.allowed.borrow();
        #[cfg(test)]
        RECORDED.with_borrow_mut(|objects| objects.push((self.path.clone(), allowed.clone())));
        for field in self.object.keys() {
            if !allowed.contains(&field.as_str()) {
                let hint = did_you_mean(field, &allowed);
                let hint = if hint.is_empty() { format!("; known here: {}", allowed.join(", ")) } else { hint };
                self.problem(field, format!("unknown field{hint}"));
            }
        }
    }

    /// Reports that the value is not of the expected type, such as `a list`.
    pub(crate) fn wrong(&self, field: &str, expected: &str, value: &Value) -> Reported {
        self.problem(field, format!("must be {expected}, not {}", self.problems.described(value)))
    }
}

#[cfg(test)]
thread_local! {
    static RECORDED: RefCell<Vec<(String, Vec<&'static str>)>> = const { RefCell::new(Vec::new()) };
}

/// Returns the result of `read`, and the path of every object that it read with the fields that are allowed there.
#[cfg(test)]
pub(crate) fn recorded<T>(read: impl FnOnce() -> T) -> (T, Vec<(String, Vec<&'static str>)>) {
    RECORDED.take();
    let result = read();
    (result, RECORDED.take())
}

fn empty_object() -> &'static Value {
    static EMPTY: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    EMPTY.get_or_init(|| Value::Object(Map::new()))
}

/// Returns the text of a scalar: numbers keep the digits of the document.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns true if jq reads the text as a number, and JSON does not: `007`, `+1`, `.5`, `1.`.
fn is_number_in_another_form(text: &str) -> bool {
    let text = text.trim();
    crate::json::number(text).is_some() && serde_json::from_str::<serde_json::Number>(text).is_err()
}

fn names_of<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
    words.iter().map(|(word, _)| *word).collect()
}

/// Describes a value for an error text: its kind, and its text if it is short.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("'{}'", text.chars().take(60).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn did_you_mean(text: &str, words: &[&str]) -> String {
    let likeness = |word: &str| strsim::jaro_winkler(&text.to_lowercase(), word);
    let best = words.iter().map(|word| (likeness(word), word)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, word)) if score > 0.75 => format!("; did you mean '{word}'?"),
        _ => String::new(),
    }
}
