//! Reads the fields of one JSON object and collects every problem with its path, so that an author sees all mistakes at once.

use crate::duration::parse_duration;
use crate::name::{Name, NameError};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

/// One mistake in a definition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Where, such as `trigger.webhook.query.customerid.type`; empty for the document itself.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Problems found so far, shared by the readers of nested objects.
#[derive(Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(crate) fn add(&self, path: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.into(), message: message.into() });
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One object under a path. What a `take` method does not find or cannot read is `None`; a wrong value is also a problem.
pub(crate) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    known: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value, path: impl Into<String>, problems: &'a Problems) -> Option<Self> {
        let path = path.into();
        match value {
            Value::Object(object) => Some(Self { path, object, known: RefCell::default(), problems }),
            other => {
                problems.add(path, format!("must be a mapping of fields, not {}", describe(other)));
                None
            }
        }
    }

    pub(crate) fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    pub(crate) fn problem(&self, field: &str, message: impl Into<String>) {
        self.problems.add(self.path_of(field), message);
    }

    pub(crate) fn problem_here(&self, message: impl Into<String>) {
        self.problems.add(self.path.clone(), message);
    }

    /// The field's value; YAML's `field:` without a value counts as absent.
    pub(crate) fn take(&self, field: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(field);
        self.object.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn object(&self, field: &'static str) -> Option<Fields<'a>> {
        Fields::of(self.take(field)?, self.path_of(field), self.problems)
    }

    /// Whether the field is written, a value or none behind it.
    pub(crate) fn has_key(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    /// The field's object; `field:` without a value is an empty one.
    pub(crate) fn object_or_empty(&self, field: &'static str) -> Option<Fields<'a>> {
        match self.take(field) {
            None if self.has_key(field) => Fields::of(empty_object(), self.path_of(field), self.problems),
            None => None,
            Some(value) => Fields::of(value, self.path_of(field), self.problems),
        }
    }

    /// Every entry of an object whose keys the author chooses; `name:` without a value is an empty object.
    pub(crate) fn entries(&self) -> Vec<(String, Fields<'a>)> {
        let mut entries = Vec::with_capacity(self.object.len());
        for (name, value) in self.object {
            let value = if value.is_null() { empty_object() } else { value };
            entries.extend(Fields::of(value, self.path_of(name), self.problems).map(|fields| (name.clone(), fields)));
        }
        entries
    }

    /// A required name.
    pub(crate) fn name(&self, field: &'static str) -> Option<Name> {
        if self.take(field).is_none() {
            self.problem(field, "is required");
            return None;
        }
        self.text(field)?.parse().map_err(|error: NameError| self.problem(field, error.to_string())).ok()
    }

    /// A name that may be absent.
    pub(crate) fn optional_name(&self, field: &'static str) -> Option<Name> {
        self.take(field)?;
        self.name(field)
    }

    /// The program of a mapping; a number or a boolean is one too.
    pub(crate) fn mapping(&self, field: &'static str) -> Option<String> {
        match self.take(field)? {
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(boolean) => Some(boolean.to_string()),
            Value::String(text) => Some(text.clone()),
            other => self.wrong(field, "a mapping, which is text", other),
        }
    }

    /// The objects of a list.
    pub(crate) fn list(&self, field: &'static str) -> Option<Vec<Fields<'a>>> {
        self.take(field)?;
        self.list_of(field)
    }

    /// The objects of a list under a name that the author chooses.
    pub(crate) fn list_of(&self, name: &str) -> Option<Vec<Fields<'a>>> {
        let value = self.object.get(name)?;
        let Some(items) = value.as_array() else { return self.wrong(name, "a list", value) };
        let path = self.path_of(name);
        let read = |(index, item)| Fields::of(item, format!("{path}[{index}]"), self.problems);
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    /// All names of an object whose names the author chooses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.object.keys().cloned().collect()
    }

    pub(crate) fn text(&self, field: &'static str) -> Option<&'a str> {
        let value = self.take(field)?;
        value.as_str().or_else(|| self.wrong(field, "text", value))
    }

    pub(crate) fn boolean(&self, field: &'static str) -> Option<bool> {
        let value = self.take(field)?;
        value.as_bool().or_else(|| self.wrong(field, "true or false", value))
    }

    /// A whole number within the bounds, both included.
    pub(crate) fn whole(&self, field: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(field)?;
        value
            .as_u64()
            .filter(|number| (least..=most).contains(number))
            .or_else(|| self.wrong(field, &format!("a whole number from {least} to {most}"), value))
    }

    /// A duration within the bounds, both included.
    pub(crate) fn duration(&self, field: &'static str, least: Duration, most: Duration) -> Option<Duration> {
        let text = self.text(field)?;
        match parse_duration(text) {
            Ok(duration) if duration >= least && duration <= most => Some(duration),
            Ok(_) => {
                let format = crate::duration::format_duration;
                self.problem(field, format!("must be from {} to {}, not {text}", format(least), format(most)));
                None
            }
            Err(error) => {
                self.problem(field, error.to_string());
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, field: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(field)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.problem(field, format!("must be {}, not '{text}'{}", names.join(" or "), did_you_mean(text, &names)));
        None
    }

    /// An object of texts such as headers, in the order of the file.
    pub(crate) fn texts(&self, field: &'static str) -> Vec<(String, String)> {
        let Some(value) = self.take(field) else { return Vec::new() };
        let Some(object) = value.as_object() else {
            self.wrong::<()>(field, "a mapping of names to text", value);
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(object.len());
        for (name, value) in object {
            match value {
                Value::String(text) => texts.push((name.clone(), text.clone())),
                Value::Number(_) | Value::Bool(_) => texts.push((name.clone(), value.to_string())),
                other => self.problems.add(format!("{}.{name}", self.path_of(field)), format!("must be text, not {}", describe(other))),
            }
        }
        texts
    }

    /// Reports every field that was not asked for. Call it after all others.
    pub(crate) fn finish(self) {
        let known = self.known.borrow();
        #[cfg(test)]
        RECORDED.with_borrow_mut(|objects| objects.push((self.path.clone(), known.clone())));
        for field in self.object.keys() {
            if !known.contains(&field.as_str()) {
                let hint = did_you_mean(field, &known);
                let hint = if hint.is_empty() { format!("; known here: {}", known.join(", ")) } else { hint };
                self.problem(field, format!("unknown field{hint}"));
            }
        }
    }

    fn wrong<T>(&self, field: &str, wanted: &str, value: &Value) -> Option<T> {
        self.problem(field, format!("must be {wanted}, not {}", describe(value)));
        None
    }
}

#[cfg(test)]
thread_local! {
    static RECORDED: RefCell<Vec<(String, Vec<&'static str>)>> = const { RefCell::new(Vec::new()) };
}

/// What `read` gives, and every object that it read: its path and the fields that are known there.
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

/// A value for an error text: its kind, and its text when short.
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
