//! From an authenticated HTTP request to an envelope.

use crate::authentication::Access;
use crate::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use forebay_contract::body::check_body;
use forebay_contract::definition::Webhook;
use forebay_contract::envelope::{Envelope, Request, TraceContext};
use forebay_contract::{ExecutionId, read_query};

/// Maximum bytes of all header names and values of a call. The message's header frame must stay under 64 KiB at the broker, and JSON text
/// may need two bytes for one.
pub(crate) const MAX_HEADER_BYTES: usize = 20 * 1024;
/// Maximum bytes of path and query. The message has the query twice, raw and typed.
pub(crate) const MAX_URI_BYTES: usize = 8 * 1024;

/// Headers that are left out of envelopes, and so out of the history: credentials, and headers that concern only the connection.
const LEFT_OUT: [&str; 12] = [
    "authorization",
    "x-api-key",
    "cookie",
    "proxy-authorization",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Checks the limits of every request, before its body is read.
pub(crate) fn check_head(request: &HttpRequest) -> Result<(), Problem> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI_BYTES {
        return Err(Problem::uri_too_long(MAX_URI_BYTES));
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Problem::headers_too_large(MAX_HEADER_BYTES));
    }
    Ok(())
}

/// Builds the envelope; the query and the body are validated against the definition.
pub(crate) fn normalize(
    access: &Access,
    webhook: &Webhook,
    request: &HttpRequest,
    body: Bytes,
    execution_id: ExecutionId,
    trace: Option<TraceContext>,
) -> Result<Envelope, Problem> {
    let integration = &access.integration;
    let query_string = request.uri().query().unwrap_or_default();
    let query = read_query(query_string, &webhook.query).map_err(|errors| Problem::query(&errors))?;
    let headers = headers(request.headers(), webhook);
    let request = Request {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query_string: query_string.to_owned(),
        query,
        headers,
    };
    let envelope = Envelope::new(execution_id, integration.definition.path(), integration.id, integration.version, request, body);
    let Envelope { content_type, content_encoding, body, .. } = &envelope;
    check_body(webhook.reading(), content_type.as_deref(), content_encoding.as_deref(), body).map_err(|error| Problem::body(&error))?;
    Ok(Envelope { trace, caller: access.credential.caller(), ..envelope })
}

fn headers(headers: &HeaderMap, webhook: &Webhook) -> Vec<(String, String)> {
    let is_left_out = |name: &str| LEFT_OUT.contains(&name) || webhook.authentication.is_secret_header(name);
    headers
        .iter()
        .filter(|(name, _)| !is_left_out(name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect()
}

/// Returns a header value as text: UTF-8 if it is valid, otherwise each byte as ISO-8859-1 (RFC 9110, section 5.5).
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
