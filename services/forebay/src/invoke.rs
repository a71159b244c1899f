//! `forebay invoke`: makes one call through the ingress, like a partner system.

use std::path::Path;
use std::time::Duration;

use forebay_contract::UnixMicros;
use forebay_contract::authentication::{Sender, SignatureScheme};
use forebay_contract::json::object_of;
use forebay_runtime::settings::Settings;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response, Url};
use serde_json::{Map, Value};

use crate::args::Invoke;
use crate::error::Error;
use crate::executions::body as readable;
use crate::health::reachable;
use crate::output::{Output, pretty, write};
use crate::standard_input;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The headers that are printed for users: those about the result of the call.
const SHOWN_HEADERS: [&str; 7] =
    ["location", "forebay-execution-id", "retry-after", "preference-applied", "www-authenticate", "allow", "content-type"];

/// `forebay invoke`. A status of 400 and above is a failure, and so is a redirect, which is not followed.
pub(crate) async fn invoke(output: &Output, settings: &Settings, invoke: Invoke) -> Result<(), Error> {
    let key = standard_input::key(invoke.key.clone()).await?;
    let request = request(settings, Invoke { key, ..invoke })?;
    // Shown without the query, which may contain secrets.
    let mut url = request.url().clone();
    url.set_query(None);
    let failed = |source: reqwest::Error| Error::Call { url: url.to_string(), source: source.without_url() };
    let response = client()?.execute(request).await.map_err(failed)?;
    let (status, version, headers) = (response.status(), response.version(), response.headers().clone());
    let body = bytes(response).await.map_err(failed)?;
    if output.is_json() {
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())).collect();
        write(&pretty(&object_of([("status", status.as_u16().into()), ("headers", Value::Object(headers)), ("body", readable(&body))])))?;
    } else {
        write(&format!("{version:?} {status}\n{}\n{}", shown(&headers), text(&body)))?;
    }
    match status.as_u16() {
        400.. => Err(Error::Failed(format!("the response has status {status}"))),
        301 | 302 | 303 | 307 | 308 => Err(Error::Failed(format!(
            "the response is a redirect ({status}), which is not followed: use the address in Location as --url"
        ))),
        _ => Ok(()),
    }
}

async fn bytes(response: Response) -> Result<Vec<u8>, reqwest::Error> {
    Ok(response.bytes().await?.to_vec())
}

fn client() -> Result<Client, Error> {
    // An error means that there is a provider already, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect is not followed: it would turn a POST into a GET, and the call would look accepted.
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| Error::Failed(format!("cannot create an HTTP client: {error}")))
}

fn request(settings: &Settings, invoke: Invoke) -> Result<Request, Error> {
    let base = invoke.url.unwrap_or_else(|| {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", reachable(settings.http_listen))
    });
    let address = format!("{}/{}/{}", base.trim_end_matches('/'), invoke.path.tenant, invoke.path.name);
    let mut url: Url = address.parse().map_err(|_| Error::Usage(format!("{address} is not a URL: write --url http://HOST:PORT")))?;
    if !invoke.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&invoke.query);
    }
    let default = if invoke.data.is_some() { "POST" } else { "GET" };
    let method = invoke.method.as_deref().unwrap_or(default).to_ascii_uppercase();
    let method: Method = method.parse().map_err(|_| Error::Usage(format!("--method: {method} is not an HTTP method")))?;
    let mut request = Request::new(method, url);
    if let Some(key) = invoke.key.as_ref().filter(|_| invoke.sign.is_none()) {
        let mut value = HeaderValue::from_str(key.expose())
            .map_err(|_| Error::Usage("--key: the key has characters that a header cannot have".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert("x-api-key", value);
    }
    if let Some(data) = &invoke.data {
        let (body, guessed) = read_data(data)?;
        let content_type = invoke.content_type.as_deref().unwrap_or(guessed);
        let value = HeaderValue::from_str(content_type)
            .map_err(|_| Error::Usage(format!("--content-type: {content_type:?} is not a content type")))?;
        request.headers_mut().insert(CONTENT_TYPE, value);
        *request.body_mut() = Some(body.into());
    }
    if let (Some(key), Some(sign)) = (&invoke.key, &invoke.sign) {
        let (_, sender) =
            Sender::WORDS.iter().find(|(word, _)| word == sign).ok_or_else(|| Error::Usage(format!("--sign: {sign} is not a sender")))?;
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let id = uuid::Uuid::new_v4().simple().to_string();
        for (name, value) in SignatureScheme::Of(*sender).sign(key.expose(), &id, body, UnixMicros::now()) {
            let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
            let (Ok(name), Ok(value)) = (name, value) else { return Err(Error::Failed("the call could not be signed".to_owned())) };
            request.headers_mut().insert(name, value);
        }
    }
    Ok(request)
}

/// Returns the body and its probable type.
fn read_data(data: &str) -> Result<(Vec<u8>, &'static str), Error> {
    let Some(file) = data.strip_prefix('@') else {
        let body = data.as_bytes().to_vec();
        let kind = if is_json(&body) { "application/json" } else { "text/plain" };
        return Ok((body, kind));
    };
    read_example(Path::new(file))
}

/// Returns the body in a file and its probable type.
pub(crate) fn read_example(file: &Path) -> Result<(Vec<u8>, &'static str), Error> {
    let body = std::fs::read(file).map_err(|source| Error::Io { doing: format!("cannot read {}", file.display()), source })?;
    let kind = match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("csv") => "text/csv",
        _ if is_json(&body) => "application/json",
        _ if std::str::from_utf8(&body).is_ok() => "text/plain",
        _ => "application/octet-stream",
    };
    Ok((body, kind))
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok()
}

fn shown(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for name in SHOWN_HEADERS {
        for value in headers.get_all(name) {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    text
}

fn text(body: &[u8]) -> String {
    match readable(body) {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => pretty(&value),
    }
}
