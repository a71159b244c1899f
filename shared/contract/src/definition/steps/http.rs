//! The `http` step: makes an HTTP call.

use super::super::read::{MILLISECOND, body_rule, headers};
use super::step_fields::{MAX_STEP_TIMEOUT, StepFields};
use super::step_kind::StepKind;
use crate::body::BodyRule;
use crate::credential_header::{STORED_IN_CLEAR, is_credential};
use crate::fields::{Fields, Read, all_of};
use crate::name::Name;
use crate::published::{KindSchema, described};
use http::Method;
use serde_json::{Value, json};

/// The methods of an `http` step.
const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("HEAD", Method::HEAD),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];

/// An HTTP call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpCall {
    /// The method; default: GET, or POST with a body.
    pub method: Method,
    /// The target.
    pub target: HttpTarget,
    /// The templates of query parameters, by name.
    pub query: Vec<(String, String)>,
    /// The templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// The mapping of the body, which is sent as JSON or in the form of the Content-Type.
    pub body: Option<String>,
    /// Statuses besides 2xx that are not failures.
    pub accept: Vec<u16>,
    /// The rule of reading the response's body; it takes precedence over the declaration of the remote system.
    pub response: BodyRule,
    /// The action on a redirect that would turn the request into a GET.
    pub redirects: Redirects,
}

/// The action on 301, 302 and 303 after a request whose method has an effect. 307 and 308 repeat the request; redirects of safe methods are
/// followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// The step fails with the status and the new address: the request was not carried out.
    #[default]
    Error,
    /// The new address is requested by GET, without the body: the request was carried out, and the response has its result.
    FollowAsGet,
}

impl HttpCall {
    /// Returns true if the method is safe (RFC 9110, section 9.2.1): it has no effect.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }
}

/// The target of an HTTP call.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpTarget {
    /// The template of the whole URL.
    Url(String),
    /// A path below a connection's URL, with its authentication and headers.
    Connection {
        /// The connection.
        connection: Name,
        /// The template of the path; empty: the URL of the connection.
        path: String,
    },
}

impl StepKind for HttpCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("http")?;
        step.set_timeout(fields.duration("timeout", MILLISECOND, MAX_STEP_TIMEOUT));
        let body = fields.mapping("body");
        let method = method(&fields);
        let target = target(&fields);
        let query = fields.texts("query");
        let headers = call_headers(&fields);
        let accept = statuses(&fields);
        let response = fields.object("response").and_then(|fields| fields.map(response).transpose());
        let redirects = fields.word("redirects", &[("error", Redirects::Error), ("follow_as_get", Redirects::FollowAsGet)]);
        fields.finish();
        let body = body?;
        let default = if body.is_some() { Method::POST } else { Method::GET };
        Ok(Self {
            method: method?.unwrap_or(default),
            target: target?,
            query: query?,
            headers: headers?,
            body,
            accept: accept?,
            redirects: redirects?.unwrap_or_default(),
            response: response?.unwrap_or_default(),
        })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/http" }),
            json!({
                "http": {
                    "description": "Calls an HTTP service; output { status, headers, body }.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "method": {
                            "description": "Default: GET, or POST with a body.",
                            "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
                        },
                        "url": described::template("The whole address."),
                        "connection": described::name("The connection under whose address the call goes."),
                        "path": described::template("The path under the connection's address; what is inserted is percent-encoded."),
                        "query": described::templates("Query parameters."),
                        "headers": described::templates("Headers."),
                        "body": described::mapping("The body: sent as JSON, or as the Content-Type says."),
                        "redirects": {
                            "description": "What 301, 302 and 303 do to a request whose method has an effect. error: the step fails; follow_as_get: the new address is fetched by GET, without the body. 307, 308 and redirects of GET, HEAD and OPTIONS are followed within the same scheme, host and port.",
                            "enum": ["error", "follow_as_get"],
                            "default": "error"
                        },
                        "accept": {
                            "description": "Statuses beside 2xx that are no failure.",
                            "oneOf": [
                                { "type": "integer", "minimum": 100, "maximum": 599 },
                                { "type": "array", "items": { "type": "integer", "minimum": 100, "maximum": 599 } }
                            ]
                        },
                        "response": { "$ref": "#/$defs/responseBody" },
                        "timeout": described::duration("Longest time of one attempt, 15m at most.")
                    },
                    "oneOf": [{ "required": ["url"] }, { "required": ["connection"] }],
                    "dependentRequired": { "path": ["connection"] }
                },
                "responseBody": {
                    "description": "How the body of a response is read, whatever the remote system says of it.",
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": false,
                    "properties": {
                        "content_type": {
                            "description": "The media type; application/octet-stream takes the bytes as they are.",
                            "type": "string"
                        },
                        "charset": { "description": "The charset, such as windows-1252.", "type": "string" },
                        "separator": {
                            "description": "What stands between the fields of CSV: one ASCII character. Default: as the text says or looks.",
                            "type": "string",
                            "pattern": "^[^\"\\r\\n]$"
                        }
                    }
                }
            }),
        )
    }

    fn summary(&self) -> String {
        match &self.target {
            HttpTarget::Url(url) => format!("{} {url}", self.method),
            HttpTarget::Connection { connection, path } => format!("{} {connection} {path}", self.method),
        }
    }

    fn connection(&self) -> Option<&Name> {
        match &self.target {
            HttpTarget::Url(_) => None,
            HttpTarget::Connection { connection, .. } => Some(connection),
        }
    }

    fn is_left_empty(fields: &Fields<'_>) -> bool {
        let is_empty_call = |call: &Fields<'_>| ["url", "connection"].iter().any(|field| call.has_key(field)) && !has_target(call);
        matches!(fields.object("http"), Ok(Some(call)) if is_empty_call(&call))
    }
}

/// Reads the headers. Literal credentials are refused: a definition is stored in clear, with all its versions, and many people may read it.
/// A template may insert a credential of the call.
fn call_headers(fields: &Fields<'_>) -> Read<Vec<(String, String)>> {
    let headers = headers(fields)?;
    all_of(headers.into_iter().map(|(name, value)| match is_credential(&name) && !value.contains("${") && !fields.is_stored() {
        true => Err(fields.problem(&format!("headers.{name}"), STORED_IN_CLEAR)),
        false => Ok((name, value)),
    }))
}

fn response(fields: Fields<'_>) -> Read<BodyRule> {
    let mut rule = body_rule(&fields);
    if matches!(&rule, Ok(rule) if rule.is_none()) {
        rule = Err(fields.problem_here("needs one of content_type, charset, separator: how the body is read"));
    }
    fields.finish();
    rule
}

fn method(fields: &Fields<'_>) -> Read<Option<Method>> {
    let Some(text) = fields.text("method")? else { return Ok(None) };
    match METHODS.iter().find(|(name, _)| *name == text) {
        Some((_, method)) => Ok(Some(method.clone())),
        None => Err(fields.problem("method", format!("must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not '{text}'"))),
    }
}

/// Returns true if an `http` step has a target.
fn has_target(fields: &Fields<'_>) -> bool {
    ["url", "connection"].into_iter().any(|field| matches!(fields.take(field), Ok(Some(_))))
}

fn target(fields: &Fields<'_>) -> Read<HttpTarget> {
    let (url, connection, path) = (fields.text("url"), fields.optional_name("connection"), fields.text_or_blank("path"));
    match (url?, connection?, path?) {
        (Some(_), Some(_), _) => Err(fields.problem("url", "is for calls without a connection: use path under the connection's address")),
        (Some(_), None, Some(_)) => Err(fields.problem("path", "is for calls by a connection: put it into url")),
        (Some(url), None, None) => Ok(HttpTarget::Url(url)),
        (None, Some(connection), path) => Ok(HttpTarget::Connection { connection, path: path.unwrap_or_default() }),
        (None, None, _) => Err(fields.problem(
            "url",
            "is required, or connection: a template of the whole address, such as 'https://erp.example/price/${ .input.id }'",
        )),
    }
}

fn statuses(fields: &Fields<'_>) -> Read<Vec<u16>> {
    let Some(value) = fields.take("accept")? else { return Ok(Vec::new()) };
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let expected = "a list of statuses beside 2xx that are no failure, such as [404]";
    let read = |(index, item): (usize, &Value)| match item.as_u64().and_then(|status| u16::try_from(status).ok()) {
        Some(status @ 100..=599) => Ok(status),
        _ if value.is_array() => Err(fields.wrong(&format!("accept[{index}]"), "a status from 100 to 599", item)),
        _ => Err(fields.wrong("accept", expected, item)),
    };
    all_of(items.iter().enumerate().map(read))
}
