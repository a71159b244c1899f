//! Labels by which executions are found, such as the number of a work order.

use crate::name::is_name;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// The name of a label if the mapping returns a value without a name.
pub const DEFAULT_LABEL: &str = "label";
/// Maximum labels of one execution.
pub const MAX_LABELS: usize = 8;
/// Maximum characters of a value; a longer one is cut, both when it is stored and when it is searched for.
const MAX_VALUE_CHARS: usize = 200;

/// The reason for which a label is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The name is not valid.
    #[error("'{0}' is no name of a label: use 1 to 64 of the characters A-Z a-z 0-9 _ -")]
    Name(String),
    /// The value is not valid.
    #[error("the label '{0}' must be a text, a number, true or false, not {1}")]
    Value(String, &'static str),
    /// The label to search for is empty.
    #[error("the label '{0}' has no value")]
    Empty(String),
    /// The output of the mapping is not valid.
    #[error("the mapping must give an object of labels, a text or a number, and gave {0}")]
    Shape(&'static str),
    /// There are too many labels.
    #[error("the mapping gave {0} labels; at most {MAX_LABELS} are kept")]
    Many(usize),
    /// The text has no `=`.
    #[error("'{0}' is not of the form NAME=VALUE, such as workOrder=4711")]
    Form(String),
}

/// A label: a name and a value, written as `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The stored form, `name=value`.
    text: String,
    /// The place of the `=`.
    equals: usize,
}

impl Label {
    /// Creates a label; a value that is too long is cut, and its control characters become U+FFFD.
    ///
    /// # Errors
    /// A name that is not valid, or an empty value.
    pub fn new(name: &str, value: &str) -> Result<Self, LabelError> {
        if !is_name(name) {
            return Err(LabelError::Name(name.chars().take(80).collect()));
        }
        let value = label_value(value);
        if value.is_empty() {
            return Err(LabelError::Empty(name.to_owned()));
        }
        Ok(Self { text: format!("{name}={value}"), equals: name.len() })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[..self.equals]
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.text[self.equals + 1..]
    }

    /// Returns `name=value`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the labels in the output of a `label` mapping. Null or an empty text is no label.
    ///
    /// # Errors
    /// An output of another form; then there are no labels.
    pub fn all_of(output: &Value) -> Result<Vec<Self>, LabelError> {
        let entries: Vec<(&str, &Value)> = match output {
            Value::Object(members) => members.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            Value::Array(_) => return Err(LabelError::Shape("a list")),
            value => vec![(DEFAULT_LABEL, value)],
        };
        let mut labels = Vec::with_capacity(entries.len().min(MAX_LABELS));
        for (name, value) in entries {
            let text = match value {
                Value::Null => continue,
                Value::String(text) if text.is_empty() => continue,
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Array(_) => return Err(LabelError::Value(name.to_owned(), "a list")),
                Value::Object(_) => return Err(LabelError::Value(name.to_owned(), "an object")),
            };
            labels.push(Self::new(name, &text)?);
        }
        if labels.len() > MAX_LABELS {
            return Err(LabelError::Many(labels.len()));
        }
        Ok(labels)
    }
}

/// Returns the value of a label in its stored form, for a search without a name.
#[must_use]
pub fn label_value(text: &str) -> String {
    text.chars().take(MAX_VALUE_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (name, value) = text.split_once('=').ok_or_else(|| LabelError::Form(text.chars().take(80).collect()))?;
        Self::new(name, value)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(output: &Value) -> Result<Vec<String>, LabelError> {
        Label::all_of(output).map(|labels| labels.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_object_gives_a_label_for_each_value_and_a_value_alone_gives_one() {
        let output = json!({ "workOrder": 4711, "site": "Malmö=1", "urgent": true, "none": null, "empty": "" });
        assert_eq!(texts(&output).unwrap(), ["workOrder=4711", "site=Malmö=1", "urgent=true"]);
        assert_eq!(texts(&json!("A-1")).unwrap(), ["label=A-1"]);
        assert_eq!(texts(&json!(9_007_199_254_740_993_i64)).unwrap(), ["label=9007199254740993"]);
        assert!(texts(&Value::Null).unwrap().is_empty());
    }

    #[test]
    fn a_text_that_cannot_be_searched_for_is_no_label() {
        assert_eq!(texts(&json!(["a"])), Err(LabelError::Shape("a list")));
        assert_eq!(texts(&json!({ "a": [1] })), Err(LabelError::Value("a".into(), "a list")));
        assert_eq!(texts(&json!({ "a b": 1 })), Err(LabelError::Name("a b".into())));
        let many: serde_json::Map<_, _> = (0..9).map(|n| (format!("n{n}"), json!(n))).collect();
        assert_eq!(texts(&Value::Object(many)), Err(LabelError::Many(9)));
    }

    #[test]
    fn a_long_value_is_cut_and_found_by_the_whole() {
        let long = "ö".repeat(300);
        let label = Label::new("a", &long).unwrap();
        assert_eq!(label.value().chars().count(), 200);
        assert_eq!(format!("a={long}").parse::<Label>().unwrap(), label);
        assert_eq!(label_value(&long), label.value());
        assert_eq!(Label::new("a", "x\0").unwrap().value(), "x\u{fffd}");
        assert!("workOrder".parse::<Label>().unwrap_err().to_string().contains("NAME=VALUE"));
    }
}
