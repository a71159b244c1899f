//! Reads [`Connection`]s.

use super::{Connection, DECLARATIONS, Declaration};
use crate::fields::{DefinitionError, Fields, Origin, Problems, Read};
use serde_json::Value;

impl Connection {
    /// Reads a connection from its document, in which every secret is text.
    ///
    /// # Errors
    /// All problems, each with the path of the field and never with the value of a secret.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Written)
    }

    /// Reads a connection that an earlier version of Forebay accepted and stored. Rules that were added later do not apply, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// Those of [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Stored)
    }
}

fn read(document: &Value, origin: Origin) -> Result<Connection, DefinitionError> {
    Problems::of_document(document, origin, Connection::is_document(document), root)
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
