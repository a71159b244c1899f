//! Connections to HTTP services.

mod authentication;

pub use authentication::{ClientCredentials, HttpAuthentication};

use super::field_readers::url;
use super::tls::{trusted, url_trust};
use super::{ConnectionType, ServerTrust, described};
use crate::fields::{Fields, Read, all_of};
use crate::published::KindSchema;
use crate::secret::Secret;
use http::HeaderName;
use serde_json::json;

pub(super) const NAME: &str = "http";

/// Secret fields, relative to the kind; `*` stands for any name.
pub(super) const SECRETS: &[&[&str]] = &[
    &["headers", "*"],
    &["authentication", "basic", "password"],
    &["authentication", "api_key", "value"],
    &["authentication", "bearer", "token"],
    &["authentication", "oauth2", "client_secret"],
];

/// An HTTP service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpConnection {
    /// Its address, `http://` or `https://`; paths of steps are below it.
    pub url: String,
    /// The certificate that the server must present. For a `token_url` on another host, an authority is trusted in addition to those of the
    /// machine; a certificate has no effect there, since it belongs to the host of this connection.
    pub trust: ServerTrust,
    /// The authentication of calls.
    pub authentication: HttpAuthentication,
    /// Headers of every call, by name.
    pub headers: Vec<(String, Secret)>,
}

impl ConnectionType for HttpConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        let Self { url, trust, authentication, headers: _ } = self;
        let mut fields = vec![("url", url.clone()), ("tls", trusted(trust))];
        fields.extend(authentication.token_url().map(|url| ("authentication.oauth2.token_url", url.to_owned())));
        fields
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<HttpConnection> {
    let url = url(&fields, "url", "the service's address, such as https://erp.example/api");
    let trust = url_trust(&fields, url.as_ref().is_ok_and(|url| url.to_ascii_lowercase().starts_with("https://")), "https://");
    let authentication = fields.object("authentication").and_then(|fields| fields.map(authentication::read).transpose());
    let headers = fields.texts("headers").and_then(|headers| all_of(headers.into_iter().map(|header| secret_header(&fields, header))));
    fields.finish();
    Ok(HttpConnection { url: url?, trust: trust?, authentication: authentication?.unwrap_or(HttpAuthentication::None), headers: headers? })
}

fn secret_header(fields: &Fields<'_>, (name, value): (String, String)) -> Read<(String, Secret)> {
    match name.parse::<HeaderName>() {
        // The value may be a credential whose variable or file was empty.
        Ok(_) if value.trim().is_empty() && !fields.is_stored() => {
            Err(fields.problem(&format!("headers.{name}"), "is empty: give a value, or remove the header"))
        }
        Ok(_) => Ok((name, Secret::new(value))),
        Err(_) => Err(fields.problem("headers", format!("'{name}' is no header name"))),
    }
}

pub(super) fn schema() -> KindSchema {
    let KindSchema { field, mut definitions } = authentication::schema();
    let connection = json!({
        "description": "An HTTP service.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "url": described::url("Its address, without user name and password; paths of steps go under it."),
            "tls": { "$ref": "#/$defs/serverTrust" },
            "authentication": field,
            "headers": {
                "description": "Headers of every call: names with text or secrets.",
                "type": "object",
                "additionalProperties": { "anyOf": [{ "type": ["string", "number", "boolean"] }, { "$ref": "#/$defs/secret" }] }
            }
        },
        "required": ["url"]
    });
    definitions.shift_insert(0, "httpConnection".to_owned(), connection);
    KindSchema { field: json!({ "$ref": "#/$defs/httpConnection" }), definitions }
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] = &[
    "http: { url: 'https://a.example/b', headers: { X: { env: K } }, authentication: { basic: { username: u, password: { env: P } } } }",
    "http: { url: 'http://a.example:80', authentication: { api_key: { value: v } } }",
    "http: { url: 'http://a.example', authentication: { bearer: { token: v } } }",
    "http: { url: 'http://a.example', authentication: { oauth2: { token_url: 'http://a.example', client_id: c, client_secret: s } } }",
];
