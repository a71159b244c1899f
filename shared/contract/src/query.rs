//! Declared query parameters: from the query string of a call to typed values.

use crate::definition::{QueryKind, QueryParameter};
use crate::json;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A problem of a declared parameter in a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A required parameter is absent.
    #[error("the query parameter '{name}' is required ({kind})")]
    Missing {
        /// The parameter.
        name: String,
        /// Its declared type.
        kind: &'static str,
    },
    /// A value that is not of the declared type.
    #[error("the query parameter '{name}' must be of the type {kind}, not '{value}'")]
    WrongType {
        /// The parameter.
        name: String,
        /// Its declared type.
        kind: &'static str,
        /// The value, cut to 60 characters.
        value: String,
    },
    /// A declared parameter is repeated: the intended value is unknown.
    #[error("the query parameter '{name}' is given more than once; send it once")]
    Repeated {
        /// The parameter.
        name: String,
    },
    /// The percent-encoding is not UTF-8.
    #[error("the query parameter '{name}' is not valid UTF-8 after percent-decoding")]
    Encoding {
        /// The parameter as sent.
        name: String,
    },
}

/// Reads the declared parameters from a raw query string (without `?`). Parameters that are not declared are left out. `+` is a space, as
/// in HTML forms and most clients.
///
/// # Errors
/// Every declared parameter that is missing, repeated or of the wrong type.
pub fn read_query(raw: &str, declared: &[QueryParameter]) -> Result<Map<String, Value>, Vec<QueryError>> {
    let mut values = Map::new();
    let mut errors = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name_text) = decode(name) else { continue };
        let Some(parameter) = declared.iter().find(|parameter| parameter.name == name_text) else { continue };
        let Some(text) = decode(value) else {
            errors.push(QueryError::Encoding { name: name_text });
            continue;
        };
        if values.contains_key(&parameter.name) {
            errors.push(QueryError::Repeated { name: name_text });
            continue;
        }
        match typed_value(parameter.kind, &text) {
            Some(value) => _ = values.insert(name_text, value),
            None => {
                let value = text.chars().take(60).collect();
                errors.push(QueryError::WrongType { name: name_text, kind: parameter.kind.as_str(), value });
            }
        }
    }
    for parameter in declared {
        if values.contains_key(&parameter.name) {
            continue;
        }
        let has_error = errors.iter().any(|error| error.name() == parameter.name);
        match &parameter.default {
            Some(default) if !has_error => _ = values.insert(parameter.name.clone(), default.clone()),
            None if parameter.required && !has_error => {
                errors.push(QueryError::Missing { name: parameter.name.clone(), kind: parameter.kind.as_str() });
            }
            _ => {}
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

impl QueryError {
    fn name(&self) -> &str {
        match self {
            Self::Missing { name, .. } | Self::WrongType { name, .. } | Self::Repeated { name } | Self::Encoding { name } => name,
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

/// Returns the value of a text in the declared type; `None` if it has none.
pub(crate) fn typed_value(kind: QueryKind, text: &str) -> Option<Value> {
    match kind {
        QueryKind::String => Some(Value::String(text.to_owned())),
        QueryKind::Integer => text.parse::<i64>().ok().map(Value::from),
        QueryKind::Number => json::number(text).map(Value::Number),
        QueryKind::Boolean => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameter(name: &str, kind: QueryKind, required: bool, default: Option<Value>) -> QueryParameter {
        QueryParameter { name: name.to_owned(), description: String::new(), kind, required, default }
    }

    fn declared() -> Vec<QueryParameter> {
        vec![
            parameter("customerid", QueryKind::Integer, true, None),
            parameter("customername", QueryKind::String, false, Some(json!("TheCompany"))),
            parameter("discount", QueryKind::Number, false, None),
            parameter("urgent", QueryKind::Boolean, false, None),
        ]
    }

    #[test]
    fn values_arrive_in_their_declared_type_and_defaults_fill_in() {
        let values = read_query("customerid=42&discount=0.5&urgent=true&unknown=1", &declared()).unwrap();
        assert_eq!(Value::Object(values), json!({"customerid": 42, "customername": "TheCompany", "discount": 0.5, "urgent": true}));
        let values = read_query("customerid=-7&customername=A%26B+%C3%B6", &declared()).unwrap();
        assert_eq!(Value::Object(values), json!({"customerid": -7, "customername": "A&B ö"}));
    }

    #[test]
    fn a_number_keeps_the_digits_of_the_call() {
        for (sent, expected) in [
            ("1.10", "1.10"),
            ("12345678901234567.89", "12345678901234567.89"),
            ("100000000000000000001", "100000000000000000001"),
            ("-0", "-0"),
            ("1E5", "1E5"),
            ("1e400", "1e400"),
            (".5", "0.5"),
        ] {
            let values = read_query(&format!("customerid=1&discount={sent}"), &declared()).unwrap();
            assert_eq!(values["discount"].to_string(), expected);
        }
    }

    #[test]
    fn every_mistake_is_reported_once() {
        let cases = [
            ("", vec!["'customerid' is required"]),
            ("customerid=x&urgent=yes", vec!["'customerid' must be of the type integer, not 'x'", "'urgent' must be"]),
            ("customerid=1&customerid=2", vec!["'customerid' is given more than once"]),
            ("customerid=1&customername=%FF", vec!["'customername' is not valid UTF-8"]),
            ("customerid=9223372036854775808", vec!["must be of the type integer"]),
            ("customerid=1&discount=NaN", vec!["must be of the type number"]),
            ("customerid=1&discount=1%2C5", vec!["'discount' must be of the type number, not '1,5'"]),
            ("customerid=1&discount=0x1", vec!["must be of the type number"]),
            ("customerid=", vec!["must be of the type integer"]),
        ];
        for (raw, expected) in cases {
            let errors = read_query(raw, &declared()).unwrap_err();
            assert_eq!(errors.len(), expected.len(), "{raw}: {errors:?}");
            for (error, text) in errors.iter().zip(expected) {
                assert!(error.to_string().contains(text), "{raw}: {error}");
            }
        }
    }
}
