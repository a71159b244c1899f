//! The `http` step: one HTTP call.

use super::super::read::{MILLISECOND, body_rule, headers};
use super::read::MAX_STEP_TIMEOUT;
use super::{InnerSteps, StepFields, StepKind};
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

/// One HTTP call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpCall {
    /// Default: GET, or POST with a body.
    pub method: Method,
    /// Where to.
    pub target: HttpTarget,
    /// Templates of query parameters, by name.
    pub query: Vec<(String, String)>,
    /// Templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// Mapping of the body: sent as JSON, or as the Content-Type says.
    pub body: Option<String>,
    /// Statuses beside 2xx that are no failure.
    pub accept: Vec<u16>,
    /// Replaces the media type and charset that the remote system declares for its response's body.
    pub response: BodyRule,
    /// The treatment of a redirect that would turn the request into a GET.
    pub redirects: Redirects,
}

/// The treatment of 301, 302 and 303 after a request whose method has an effect. 307 and 308 repeat the request; safe methods are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// The step fails with the status and where it leads: what the request was to do was not done.
    #[default]
    Error,
    /// A GET of the new address, without the body: the request was carried out, and its result is there.
    FollowAsGet,
}

impl HttpCall {
    /// Whether the method is safe (RFC 9110, section 9.2.1): repeating it does nothing.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }
}

/// Where an HTTP call goes.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpTarget {
    /// Template of the whole address.
    Url(String),
    /// A path under a connection's address, with its authentication and headers.
    Connection {
        /// The connection.
        connection: Name,
        /// Template of the path; empty: the connection's own.
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

    fn inner(&self) -> Vec<InnerSteps<'_>> {
        Vec::new()
    }

    fn summary(&self) -> String {
        match &self.target {
            HttpTarget::Url(url) => format!("{} {url}", self.method),
            HttpTarget::Connection { connection, path } => format!("{} {connection} {path}", self.method),
        }
    }

    fn is_left_empty(fields: &Fields<'_>) -> bool {
        let is_empty_call = |call: &Fields<'_>| ["url", "connection"].iter().any(|field| call.has_key(field)) && !has_target(call);
        matches!(fields.object("http"), Ok(Some(call)) if is_empty_call(&call))
    }
}

/// Credentials that are written out are refused: a definition is stored in clear, with all its versions, and many may read it. A template may
/// give one that the call brought along.
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

/// Whether an `http` step says whom it calls.
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
    let wanted = "a list of statuses beside 2xx that are no failure, such as [404]";
    let read = |(index, item): (usize, &Value)| match item.as_u64().and_then(|status| u16::try_from(status).ok()) {
        Some(status @ 100..=599) => Ok(status),
        _ if value.is_array() => Err(fields.wrong(&format!("accept[{index}]"), "a status from 100 to 599", item)),
        _ => Err(fields.wrong("accept", wanted, item)),
    };
    all_of(items.iter().enumerate().map(read))
}
