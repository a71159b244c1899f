//! Converts values to PostgreSQL's parameters: text, which the server parses by the parameter's type. So every type that it can parse is
//! supported, including those of extensions, and a value that does not fit is refused with the server's own text.

use super::instant::{Instant, instant};
use bytes::BytesMut;
use data_encoding::{BASE64, HEXLOWER};
use forebay_mapping::{Value, to_json};
use std::error::Error;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// The text of one parameter; `None`: NULL.
#[derive(Debug)]
pub(super) struct Parameter(Option<String>);

impl Parameter {
    /// # Errors
    /// The problem of the value.
    pub(super) fn new(value: &Value, kind: &Type) -> Result<Self, String> {
        text(value, kind).map(Self)
    }
}

fn text(value: &Value, kind: &Type) -> Result<Option<String>, String> {
    if value.is_null() {
        return Ok(None);
    }
    if let Kind::Domain(inner) = kind.kind() {
        return text(value, inner);
    }
    let text = match (value.as_str(), value.as_array()) {
        _ if [Type::JSON, Type::JSONB].contains(kind) => json(value),
        _ if *kind == Type::BYTEA => bytes(value)?,
        // PostgreSQL would silently drop the zone.
        (Some(text), _) if *kind == Type::TIMESTAMP => match instant(text) {
            Some(Instant::At(utc)) => utc.to_string(),
            _ => text.to_owned(),
        },
        (Some(text), _) => text.to_owned(),
        (None, Some(items)) if matches!(kind.kind(), Kind::Array(_)) => array(items, kind)?,
        (None, Some(_)) if !is_text(kind) => return Err(format!("an array does not fit the type {}", kind.name())),
        _ if value.entries().is_some() && matches!(kind.kind(), Kind::Composite(_)) => composite(value, kind)?,
        _ if value.entries().is_some() && !is_text(kind) => return Err(format!("an object does not fit the type {}", kind.name())),
        _ => json(value),
    };
    Ok(Some(text))
}

fn json(value: &Value) -> String {
    String::from_utf8_lossy(&to_json(value)).into_owned()
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::UNKNOWN].contains(kind)
}

/// Reads Base64, the form of byte columns, or `{ base64 }`, the `.body` of an unknown type.
fn bytes(value: &Value) -> Result<String, String> {
    let base64 = value.as_str().or_else(|| value.get("base64").and_then(Value::as_str));
    let base64 = base64.ok_or("bytea takes Base64 text, or an object with `base64`")?;
    let bytes = BASE64.decode(base64.as_bytes()).map_err(|error| format!("bytea takes Base64 (RFC 4648, with padding): {error}"))?;
    Ok(format!("\\x{}", HEXLOWER.encode(&bytes)))
}

/// Returns `("a",,"b")`, with all values quoted (PostgreSQL, section 8.16.6); a field that the object does not have is NULL.
fn composite(value: &Value, kind: &Type) -> Result<String, String> {
    let Kind::Composite(fields) = kind.kind() else { return Err(format!("an object does not fit the type {}", kind.name())) };
    let is_field = |name: &str| fields.iter().any(|field| field.name() == name);
    if let Some((name, _)) = value.entries().into_iter().flatten().find(|(name, _)| !is_field(name)) {
        return Err(format!("the type {} has no field '{name}'", kind.name()));
    }
    let mut texts = Vec::with_capacity(fields.len());
    for field in fields {
        let text = value.get(field.name()).map_or(Ok(None), |value| text(value, field.type_()))?;
        texts.push(text.map_or(String::new(), |text| quoted(&text)));
    }
    Ok(format!("({})", texts.join(",")))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns `{"a","b",NULL}`, with all values quoted (PostgreSQL, section 8.15.2).
fn array(items: &[Value], kind: &Type) -> Result<String, String> {
    let Kind::Array(element) = kind.kind() else { return Err(format!("an array does not fit the type {}", kind.name())) };
    let mut literal = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match item.as_array() {
            // In PostgreSQL nested arrays have the same type as those of one dimension.
            Some(inner) if ![Type::JSON, Type::JSONB].contains(element) => literal.push_str(&array(inner, kind)?),
            _ => match text(item, element)? {
                None => literal.push_str("NULL"),
                Some(text) => literal.push_str(&quoted(&text)),
            },
        }
    }
    literal.push('}');
    Ok(literal)
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(kind, out)
    }
}
