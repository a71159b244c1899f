//! From the text of a file to its documents as JSON.
//!
//! No scalar is changed. A plain scalar that YAML reads as a number keeps its digits if they are also a JSON number (`1.10`). In any other
//! spelling (`01234`, `+46701234567`, `0x1F`, `1_000`) it stays text, so that a field for a text gets that text and a field for a number
//! reports it. In a field for a value of any type the intention is unknown, so it is refused there.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// The file is neither YAML nor JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DocumentError {
    /// The line, from 1; 0: unknown.
    pub line: u64,
    /// The column, from 1; 0: unknown.
    pub column: u64,
    /// The problem that the parser found.
    pub message: String,
}

/// The fields of a definition that accept a value of any type. There, the spelling of an unquoted scalar decides between a number and a text.
const ANY_VALUE: [&[&str]; 2] = [&["trigger", "schedule", "input"], &["trigger", "webhook", "body", "schema"]];

/// Reads all documents of a YAML text (separated by `---`; JSON is also YAML). Empty documents are left out.
///
/// # Errors
/// The first place at which the text is not YAML, including a repeated key. An unquoted scalar in `schedule.input` or in a schema that is a
/// number in YAML but not in JSON: it must be quoted to be a text, or written as a JSON number.
pub fn documents(text: &str) -> Result<Vec<Value>, DocumentError> {
    let reader = ValueReader { text };
    parse(text)?.into_iter().map(|node| reader.value(node, &mut Vec::new())).collect()
}

/// Returns all documents of a text with the place of each node. Empty documents are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Spanned<Node>>, DocumentError> {
    // YAML 1.2 booleans only: with those of 1.1, an integration named `n`, `on` or `yes` would not be a text.
    let options = serde_saphyr::options! { strict_booleans: true, non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
    let nodes = serde_saphyr::from_multiple_with_options::<Spanned<Node>>(text, options).map_err(|error| DocumentError {
        line: error.location().map_or(0, |at| at.line()),
        column: error.location().map_or(0, |at| at.column()),
        message: message_of(error.without_snippet()),
    })?;
    Ok(nodes.into_iter().filter(|node| !matches!(node.value, Node::Null)).collect())
}

/// Returns the error for the author of the document. The texts of the library are for programmers, and repeat the place.
fn message_of(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the field '{}' is given twice: remove one", key.escape_debug()),
        Error::NullIntoString { .. } => {
            "the name of a field is missing: write it before the colon, in quotes if it is a word such as null".to_owned()
        }
        Error::BinaryNotUtf8 { .. } => "binary data is not supported: write it in Base64, as text".to_owned(),
        error => UserMessageFormatter.format_message(error).replace(char::is_control, " "),
    }
}

/// Makes JSON values of nodes, and reads numbers from the text of the file.
struct ValueReader<'t> {
    text: &'t str,
}

impl ValueReader<'_> {
    fn value(&self, node: Spanned<Node>, path: &mut Vec<String>) -> Result<Value, DocumentError> {
        Ok(match node.value {
            Node::Null => Value::Null,
            Node::Bool(boolean) => match self.written(node.defined) {
                // Other spellings, such as `True`, stay text: a field for a boolean accepts them, and a header is sent as written.
                Some(word) if word != "true" && word != "false" && !is_any_value(path) => Value::String(word.to_owned()),
                _ => Value::Bool(boolean),
            },
            Node::Number => self.number(node.defined, path)?,
            Node::Text(text) => Value::String(text),
            Node::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    path.push(String::new());
                    values.push(self.value(item, path)?);
                    path.pop();
                }
                Value::Array(values)
            }
            Node::Object(entries) => {
                let mut object = Map::with_capacity(entries.len());
                for (name, value) in entries {
                    path.push(name.value);
                    let value = self.value(value, path)?;
                    object.insert(path.pop().unwrap_or_default(), value);
                }
                Value::Object(object)
            }
        })
    }

    fn number(&self, at: Location, path: &[String]) -> Result<Value, DocumentError> {
        let refused = |message| DocumentError { line: at.line(), column: at.column(), message };
        let Some(written) = self.written(at) else { return Err(refused("the number can't be found in the text".to_owned())) };
        // Writing a parsed JSON number may change its text: `1e+5` for `1E5`, and 0 for `-0`.
        let number = written.parse::<Number>().ok();
        if let Some(number) = number.filter(|number| number.as_str() == written && written != "-0") {
            return Ok(Value::Number(number));
        }
        if is_any_value(path) {
            return Err(refused(format!(
                "'{written}' is a number that JSON writes in another way: write it in quotes if it is a text, else without a sign, leading \
                 zeros or an exponent"
            )));
        }
        Ok(Value::String(written.to_owned()))
    }

    /// Returns the text of the scalar in the file.
    fn written(&self, at: Location) -> Option<&str> {
        let start = usize::try_from(at.span().byte_offset()?).ok()?;
        let length = usize::try_from(at.span().byte_len()?).ok()?;
        let written = self.text.get(start..start.checked_add(length)?)?.trim();
        // A tag may make a number of a quoted scalar: `!!int "5"`.
        let unquoted = ['"', '\''].iter().find_map(|quote| written.strip_prefix(*quote)?.strip_suffix(*quote));
        Some(unquoted.unwrap_or(written))
    }
}

fn is_any_value(path: &[String]) -> bool {
    ANY_VALUE.iter().any(|field| path.len() >= field.len() && field.iter().zip(path).all(|(expected, name)| expected == name))
}

/// A node of a document. A number is read from the text of the file, so that its digits stay.
pub(super) enum Node {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Node>>),
    Object(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Node, E> {
        Ok(Node::Bool(boolean))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Node, E> {
        std::str::from_utf8(bytes)
            .map(|text| Node::Text(text.to_owned()))
            .map_err(|_| E::custom("binary data is not supported: write it in Base64, as text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element()? {
            read.push(item);
        }
        Ok(Node::List(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut read = Vec::new();
        while let Some(name) = entries.next_key::<Spanned<String>>()? {
            read.push((name, entries.next_value()?));
        }
        // Reads all entries, which some readers rely on.
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Node::Object(read))
    }
}

/// Writes a document as YAML, with the order of its fields; as JSON, which is also YAML, where a value has no plain form that reads back
/// the same.
#[must_use]
pub fn to_yaml(document: &Value) -> String {
    let written = serde_saphyr::to_string(&Written(document)).unwrap_or_default();
    let reads_back = documents(&written).is_ok_and(|read| read == std::slice::from_ref(document));
    if reads_back { written } else { format!("{document:#}\n") }
}

/// Serializes a value in another format than JSON. serde_json gives its numbers to other serializers as a map with a private key.
struct Written<'v>(&'v Value);

impl serde::Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(boolean) => serializer.serialize_bool(*boolean),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Object(object) => serializer.collect_map(object.iter().map(|(name, value)| (name, Written(value)))),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => serializer.serialize_i64(number),
                (_, Some(number), _) => serializer.serialize_u64(number),
                (.., Some(number)) => serializer.serialize_f64(number),
                _ => Err(serde::ser::Error::custom("a number outside of the range of YAML libraries")),
            },
        }
    }
}
