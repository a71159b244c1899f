//! Authentication of calls to an HTTP service.

use crate::connection::described;
use crate::connection::field_readers::{required, required_secret, url};
use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use crate::secret::Secret;
use http::HeaderName;
use serde_json::{Value, json};

/// The default header of a key.
const DEFAULT_HEADER: &str = "X-API-Key";

/// The authentication of calls to an HTTP service.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpAuthentication {
    /// No authentication.
    None,
    /// Basic authentication (RFC 7617).
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A key in a header.
    ApiKey {
        /// The header's name.
        header: String,
        /// The key.
        value: Secret,
    },
    /// A bearer token (RFC 6750).
    Bearer(Secret),
    /// RFC 6749, section 4.4: client credentials. The token is reused until shortly before it expires.
    OAuth2(ClientCredentials),
}

/// Client credentials of OAuth 2.0.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientCredentials {
    /// The endpoint that issues tokens.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The scope, separated by spaces; empty: none is requested.
    pub scope: String,
    /// Additional parameters of the token request, such as `audience`.
    pub parameters: Vec<(String, String)>,
    /// True if the client's credentials are sent in the body, and not as Basic authentication.
    pub in_body: bool,
}

impl HttpAuthentication {
    /// Returns the endpoint that receives the credentials besides the service itself.
    pub(super) fn token_url(&self) -> Option<&str> {
        match self {
            Self::None | Self::Basic { username: _, password: _ } | Self::ApiKey { header: _, value: _ } | Self::Bearer(_) => None,
            Self::OAuth2(credentials) => {
                let ClientCredentials { token_url, client_id: _, client_secret: _, scope: _, parameters: _, in_body: _ } = credentials;
                Some(token_url)
            }
        }
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<HttpAuthentication> {
    #[derive(Clone, Copy)]
    enum Kind {
        Basic,
        ApiKey,
        Bearer,
        OAuth2,
    }
    let kinds = [("basic", Kind::Basic), ("api_key", Kind::ApiKey), ("bearer", Kind::Bearer), ("oauth2", Kind::OAuth2)];
    let kind = fields.one_of(&kinds, "use one of them");
    let object = |field| fields.required(field, fields.object(field), "");
    let read = kind.and_then(|kind| match kind {
        Some(Kind::Basic) => basic(object("basic")?),
        Some(Kind::ApiKey) => api_key(object("api_key")?),
        Some(Kind::Bearer) => bearer(object("bearer")?),
        Some(Kind::OAuth2) => client_credentials(object("oauth2")?).map(HttpAuthentication::OAuth2),
        None if fields.is_stored() => Ok(HttpAuthentication::None),
        None => Err(fields.problem_here("needs one of basic, api_key, bearer, oauth2; remove it for calls without authentication")),
    });
    fields.finish();
    read
}

fn basic(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let username = required(&fields, "username", "the user name");
    let password = required_secret(&fields, "password");
    fields.finish();
    Ok(HttpAuthentication::Basic { username: username?, password: password? })
}

fn api_key(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let header = fields.text("header").map(|header| header.unwrap_or_else(|| DEFAULT_HEADER.to_owned()));
    if let Ok(header) = &header
        && header.parse::<HeaderName>().is_err()
    {
        fields.problem("header", format!("'{header}' is no header name"));
    }
    let value = required_secret(&fields, "value");
    fields.finish();
    Ok(HttpAuthentication::ApiKey { header: header?, value: value? })
}

fn bearer(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let token = required_secret(&fields, "token");
    fields.finish();
    Ok(HttpAuthentication::Bearer(token?))
}

fn client_credentials(fields: Fields<'_>) -> Read<ClientCredentials> {
    let token_url = url(&fields, "token_url", "where tokens come from");
    let client_id = required(&fields, "client_id", "the client");
    let client_secret = required_secret(&fields, "client_secret");
    let scope = fields.text_or_blank("scope");
    let parameters = fields.texts("parameters");
    let in_body = fields.word("credentials_in", &[("header", false), ("body", true)]);
    fields.finish();
    Ok(ClientCredentials {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: scope?.unwrap_or_default(),
        parameters: parameters?,
        in_body: in_body?.unwrap_or(false),
    })
}

/// The schema of the field `authentication`.
pub(super) fn schema() -> KindSchema {
    let mut api_key_header = described::text("The header's name.");
    api_key_header["default"] = json!(DEFAULT_HEADER);
    let object = |about: &str, properties: Value, required: &[&str]| json!({ "description": about, "type": "object", "additionalProperties": false, "properties": properties, "required": required });
    let definitions = json!({
        "authentication": {
            "description": "How calls are authenticated.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "basic": { "$ref": "#/$defs/basic" },
                "api_key": { "$ref": "#/$defs/apiKey" },
                "bearer": { "$ref": "#/$defs/bearer" },
                "oauth2": { "$ref": "#/$defs/oauth2" }
            },
            "maxProperties": 1
        },
        "basic": object(
            "User name and password (RFC 7617).",
            json!({ "username": described::text("User name."), "password": described::secret("Password.") }),
            &["username", "password"],
        ),
        "apiKey": object(
            "A key in a header.",
            json!({ "header": api_key_header, "value": described::secret("The key.") }),
            &["value"],
        ),
        "bearer": object("A token (RFC 6750).", json!({ "token": described::secret("The token.") }), &["token"]),
        "oauth2": object(
            "Client credentials (RFC 6749, section 4.4).",
            json!({
                "token_url": described::url("Where tokens come from."),
                "client_id": described::text("The client."),
                "client_secret": described::secret("Its secret."),
                "scope": described::text("Scopes, separated by spaces."),
                "parameters": {
                    "description": "More parameters of the token request, such as audience.",
                    "type": "object",
                    "additionalProperties": { "type": ["string", "number", "boolean"] }
                },
                "credentials_in": {
                    "description": "Whether the client's credentials travel as Basic authentication or in the body.",
                    "enum": ["header", "body"],
                    "default": "header"
                }
            }),
            &["token_url", "client_id", "client_secret"],
        )
    });
    KindSchema::new(json!({ "$ref": "#/$defs/authentication" }), definitions)
}
