//! Readers of single fields, for the kinds of connection.

use crate::fields::{Fields, Read};
use crate::secret::Secret;
use http::Uri;
use serde_json::Value;

pub(super) fn port(fields: &Fields<'_>) -> Read<Option<u16>> {
    Ok(fields.whole("port", 1, u64::from(u16::MAX))?.and_then(|port| u16::try_from(port).ok()))
}

pub(super) fn required(fields: &Fields<'_>, field: &'static str, hint: &str) -> Read<String> {
    fields.required(field, fields.text(field), hint)
}

pub(super) fn required_secret(fields: &Fields<'_>, field: &'static str) -> Read<Secret> {
    fields.required(field, secret(fields, field, false), "")
}

/// Reads a secret. Problems never contain its value.
pub(super) fn secret(fields: &Fields<'_>, field: &'static str, may_be_blank: bool) -> Read<Option<Secret>> {
    match fields.take(field)? {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() && !may_be_blank && !fields.is_stored() => {
            Err(fields.problem(field, "is empty: give the secret as text, { env: NAME } or { file: PATH }"))
        }
        Some(Value::String(text)) => Ok(Some(Secret::new(text.as_str()))),
        Some(_) => Err(fields.problem(field, "must be text, { env: NAME } or { file: PATH }; write a number in quotes")),
    }
}

/// Reads the address of an HTTP service.
pub(super) fn url(fields: &Fields<'_>, field: &'static str, hint: &str) -> Read<String> {
    let text = fields.required(field, fields.text(field), hint)?;
    match text.parse::<Uri>() {
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() => {
            Err(fields.problem(field, "must be an address such as https://erp.example/api"))
        }
        Err(_) => Err(fields.problem(field, "must be an address such as https://erp.example/api")),
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(fields.problem(field, "must hold no user name and password: use authentication.basic"))
        }
        Ok(_) => Ok(text),
    }
}
