//! The only reader of JSON that is stored, forwarded or shown: numbers keep their text.
//!
//! serde_json keeps the digits, but writes `1E5` as `1e+5` and reads `-0` as 0.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Reads a JSON value from UTF-8.
///
/// # Errors
/// Those of serde_json: not JSON, not UTF-8, or deeper than 128 levels.
pub fn read_json(text: &[u8]) -> serde_json::Result<Value> {
    let value = serde_json::from_slice(text)?;
    if !has_rewritten_number(text) {
        return Ok(value);
    }
    verbatim(serde_json::from_slice(text)?)
}

/// Creates an object from these members. `json!` would parse the numbers in them again, and write `1E5` as `1e+5`.
#[must_use]
pub fn object_of<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Reads a field that contains a value: `#[serde(deserialize_with = "forebay_contract::json::value")]`.
///
/// # Errors
/// Those of [`read_json`].
pub fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    read_json(raw.get().as_bytes()).map_err(serde::de::Error::custom)
}

/// Reads a document that a person or a program has written. A repeated field is refused, as in YAML, since one of the two would be ignored.
///
/// # Errors
/// Those of [`value`], and a repeated name.
pub fn document<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match repeated_name(&raw) {
        Ok(None) => read_json(raw.get().as_bytes()).map_err(serde::de::Error::custom),
        Ok(Some(name)) => Err(serde::de::Error::custom(format!("the field '{name}' is given twice: remove one of the two"))),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// Reads a document that may be absent.
///
/// # Errors
/// Those of [`document`].
pub fn optional_document<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    document(deserializer).map(|value| Some(value).filter(|value| !value.is_null()))
}

fn repeated_name(raw: &RawValue) -> serde_json::Result<Option<String>> {
    let text = raw.get();
    let inner = match text.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text)?,
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(text)?;
            let mut names = std::collections::HashSet::new();
            if let Some((name, _)) = members.0.iter().find(|(name, _)| !names.insert(name.as_str())) {
                return Ok(Some(name.clone()));
            }
            members.0.into_iter().map(|(_, member)| member).collect()
        }
        _ => Vec::new(),
    };
    for raw in inner {
        if let Some(name) = repeated_name(raw)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Reads a field that may be absent; null counts as absent.
///
/// # Errors
/// Those of [`read_json`].
pub fn optional_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    value(deserializer).map(|value| Some(value).filter(|value| !value.is_null()))
}

/// Reads a field that contains an object.
///
/// # Errors
/// Those of [`read_json`], and a value that is not an object.
pub fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match value(deserializer)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde::de::Error::custom("expected an object")),
    }
}

/// Reads a field that contains a list.
///
/// # Errors
/// Those of [`read_json`].
pub fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let raw = Vec::<Box<RawValue>>::deserialize(deserializer)?;
    raw.iter().map(|raw| read_json(raw.get().as_bytes()).map_err(serde::de::Error::custom)).collect()
}

/// Returns the JSON number of `text`: in the form of JSON, or with a leading `+`, leading zeros or a bare point (`.5`, `5.`). The digits
/// are kept. `None` if it is not a number.
#[must_use]
pub fn number(text: &str) -> Option<Number> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = unsigned.find(['e', 'E']).map_or((unsigned, ""), |at| unsigned.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = exponent.get(1..).unwrap_or_default();
    let exponent_digits = exponent_digits.strip_prefix(['+', '-']).unwrap_or(exponent_digits);
    let is_number = is_digits(whole) && is_digits(fraction) && is_digits(exponent_digits) && !(whole.is_empty() && fraction.is_empty());
    if !is_number || exponent.is_empty() != exponent_digits.is_empty() {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(Number::from_string_unchecked(format!("{sign}{whole}{point}{fraction}{exponent}")))
}

/// Returns true if serde_json would write a number of `json` in another form: one with an exponent, or the integer `-0`.
fn has_rewritten_number(json: &[u8]) -> bool {
    let (mut at, mut previous) = (0, 0);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_string(json, at),
            b'e' | b'E' if previous == b'.' || u8::is_ascii_digit(&previous) => return true,
            b'0' if previous == b'-' && !matches!(json.get(at + 1), Some(b'.')) => return true,
            _ => {}
        }
        previous = byte;
        at += 1;
    }
    false
}

/// Returns the place of the closing quote of the string that begins at `start`.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at;
        }
        at += 2;
    }
    json.len()
}

fn verbatim(raw: &RawValue) -> serde_json::Result<Value> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            items.into_iter().map(verbatim).collect()
        }
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(text)?;
            let members: serde_json::Result<Map<String, Value>> =
                members.0.into_iter().map(|(name, member)| Ok((name, verbatim(member)?))).collect();
            members.map(Value::Object)
        }
        Some(b'-' | b'0'..=b'9') => Ok(Value::Number(Number::from_string_unchecked(text.to_owned()))),
        _ => serde_json::from_str(text),
    }
}

/// The members of an object, in order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_document_with_a_field_that_is_given_twice_is_refused() {
        #[derive(Debug, Deserialize)]
        struct Sent {
            #[serde(deserialize_with = "document")]
            document: Value,
        }
        let read = |text: &str| serde_json::from_str::<Sent>(&format!("{{\"document\": {text}}}"));
        assert_eq!(read(r#"{"a": [{"b": 1E5}, {"b": 1}]}"#).unwrap().document.to_string(), r#"{"a":[{"b":1E5},{"b":1}]}"#);
        let error = read(r#"{"a": [{"b": 1, "c": 2, "b": 3}]}"#).unwrap_err().to_string();
        assert!(error.contains("the field 'b' is given twice"), "{error}");
    }

    #[test]
    fn numbers_keep_the_text_that_they_were_written_with() {
        for text in [
            "-0",
            "[-0,-0.0,0]",
            "1E5",
            "1e400",
            "[1.10,12345678901234567.89,1e-5,-1E+05]",
            r#"{"a":[{"b":-0,"c":[1e5]}],"d":"-0 1e5","e":true,"f":null}"#,
            r#"{"\"":-0,"\\":"\\\"1e5","a":1}"#,
            "123456789012345678901234567890",
        ] {
            assert_eq!(read_json(text.as_bytes()).unwrap().to_string(), text);
        }
        assert!(!has_rewritten_number(br#"{"date":"-0","e1":1.5,"x":[true,false,null,-0.5,"1e5"]}"#));
        let odd = read_json(b"[1E5,-0]").unwrap();
        assert_eq!(object_of([("b", odd.clone()), ("a", Value::Null)]).to_string(), r#"{"b":[1E5,-0],"a":null}"#);
        assert_eq!(read_json(b" [ 1e5 , { \"a\" : -0 } ] ").unwrap().to_string(), r#"[1e5,{"a":-0}]"#);
        assert!(read_json(b"[1e5,]").is_err() && read_json(b"-").is_err() && read_json("[".repeat(200).as_bytes()).is_err());
    }

    #[test]
    fn a_number_in_a_text_keeps_its_digits() {
        for (text, expected) in [
            ("1.10", Some("1.10")),
            ("12345678901234567.89", Some("12345678901234567.89")),
            ("+007.50", Some("7.50")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("-0", Some("-0")),
            ("-000.0", Some("-0.0")),
            ("1E5", Some("1E5")),
            ("1e400", Some("1e400")),
            ("", None),
            (".", None),
            ("-", None),
            ("1e", None),
            ("1e+", None),
            ("e5", None),
            ("1.2.3", None),
            ("1,5", None),
            ("+-1", None),
            ("NaN", None),
            ("inf", None),
            ("0x1", None),
            ("1 ", None),
            ("1_0", None),
        ] {
            assert_eq!(number(text).map(|number| number.to_string()).as_deref(), expected, "{text}");
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?",
            "\\PC{0,8}".prop_map(|text| json!(text).to_string()),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(inner, 0..5).prop_map(|items| {
                    let members = items.iter().enumerate().map(|(index, item)| format!("\"e-0 {index}\":{item}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_written_as_it_was_read(text in any_text()) {
            prop_assert_eq!(read_json(text.as_bytes()).unwrap().to_string(), text);
        }

        #[test]
        fn a_number_is_one_that_json_has(text in "[-+0-9.eE]{0,10}") {
            let Some(number) = number(&text) else {
                prop_assert!(serde_json::from_str::<Number>(&text).is_err());
                return Ok(());
            };
            prop_assert!(serde_json::from_str::<Number>(number.as_str()).is_ok(), "{number}");
        }
    }
}
