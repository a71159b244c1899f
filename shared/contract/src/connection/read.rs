//! Reads [`Connection`]s, and the fields that several kinds have.

use super::{Connection, DECLARATIONS, Declaration};
use crate::definition::DefinitionError;
use crate::fields::{Fields, Origin, Problems, Read};
use crate::secret::Secret;
use serde_json::Value;

pub(super) fn connection(document: &Value, origin: Origin) -> Result<Connection, DefinitionError> {
    Problems::of_document(document, origin, root).map_err(|problems| DefinitionError { problems })
}

fn root(fields: Fields<'_>) -> Read<Connection> {
    let tenant = fields.name("tenant");
    let name = fields.name("connection");
    let description = fields.description();
    let enabled = fields.boolean("enabled");
    let kind = fields
        .exactly_one_of(&DECLARATIONS.each_ref().map(|declared| (declared.name, declared)), "make a connection of each")
        .and_then(|Declaration { name, read, .. }| read(fields.required(name, fields.object(name), "")?));
    fields.finish();
    Ok(Connection {
        tenant: tenant?,
        name: name?,
        description: description?.unwrap_or_default(),
        enabled: enabled?.unwrap_or(true),
        kind: kind?,
    })
}

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
