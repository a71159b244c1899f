//! Connections to message brokers (AMQP 0-9-1).

use super::field_readers::secret;
use super::tls::{trusted, url_trust};
use super::{ConnectionType, ServerTrust, described};
use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use crate::secret::Secret;
use serde_json::json;

pub(super) const NAME: &str = "amqp";

/// Secret fields, relative to the kind.
pub(super) const SECRETS: &[&[&str]] = &[&["url"]];

/// A message broker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AmqpConnection {
    /// `amqp://` or `amqps://`, including credentials.
    pub url: Secret,
    /// The certificate that the broker must present.
    pub trust: ServerTrust,
}

impl ConnectionType for AmqpConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        let Self { url, trust } = self;
        vec![("url", url.expose().to_owned()), ("tls", trusted(trust))]
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<AmqpConnection> {
    let url =
        fields.required("url", secret(&fields, "url", false), "the broker's address, such as amqps://user:password@broker.example/vhost");
    let url = url.and_then(|url| match url.expose().starts_with("amqp://") || url.expose().starts_with("amqps://") {
        true => Ok(url),
        false => Err(fields.problem("url", "must begin with amqp:// or amqps://")),
    });
    let trust = url_trust(&fields, url.as_ref().is_ok_and(|url| url.expose().starts_with("amqps://")), "amqps://");
    fields.finish();
    Ok(AmqpConnection { url: url?, trust: trust? })
}

pub(super) fn schema() -> KindSchema {
    let connection = json!({
        "description": "A message broker (AMQP 0-9-1).",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "tls": { "$ref": "#/$defs/serverTrust" },
            "url": described::secret("amqp:// or amqps://, credentials included.")
        },
        "required": ["url"]
    });
    KindSchema::new(json!({ "$ref": "#/$defs/amqpConnection" }), json!({ "amqpConnection": connection }))
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] =
    &["amqp: { url: 'amqps://a:b@c', tls: { certificate: '00112233445566778899001122334455667788990011223344556677889900AA' } }"];
