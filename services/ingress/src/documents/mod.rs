//! `GET /{tenant}` and `/{tenant}/openapi.json`: documentation for partners, made from the tenant's definitions in memory.

mod answers;
mod endpoint;
mod openapi;
mod page;

use self::endpoint::Endpoint;
use crate::authentication::{has_ended, presented_key};
use crate::client::client_of;
use crate::problem::Problem;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::{BASE64, HEXLOWER};
use forebay_contract::Name;
use forebay_runtime::forwarding::TrustedProxies;
use forebay_store::{ApiKey, DocsAccess, Snapshot};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The documents of a tenant's definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// OpenAPI 3.1.
    OpenApi,
    /// HTML.
    Page,
}

/// The documents of tenants; each is made once for a snapshot.
pub(crate) struct Documents {
    /// Maximum bytes of a body in this process.
    max_body_bytes: usize,
    /// Proxies whose headers contain the address that the caller used.
    proxies: TrustedProxies,
    /// True if a caller without a key cannot tell a missing tenant from one whose documents need a key.
    hides_names: bool,
    made: Mutex<HashMap<Reader, (u64, Arc<Made>)>>,
}

/// Maximum documents in the cache.
const MAX_REMEMBERED: usize = 1000;

/// The tenant and, if its documents need one, the key of the reader.
type Reader = (String, Option<Uuid>);

/// Both documents of one tenant.
struct Made {
    openapi: String,
    /// The text, with [`page::ORIGIN`] instead of the address of this installation.
    page: String,
}

impl Documents {
    pub(crate) fn new(max_body_bytes: usize, proxies: TrustedProxies, hides_names: bool) -> Self {
        Self { max_body_bytes, proxies, hides_names, made: Mutex::default() }
    }

    /// Answers a request for a document of a tenant.
    pub(crate) fn show(&self, request: &HttpRequest, tenant: &str, kind: Kind, snapshot: &Snapshot) -> Result<HttpResponse, Problem> {
        let access = snapshot.docs_access(tenant);
        if snapshot.tenant_integrations(tenant).is_none() || access == DocsAccess::Off {
            if self.hides_names && tenant.parse::<Name>().is_ok() {
                check_key(tenant, request.headers(), snapshot)?;
            }
            return Err(Problem::unknown_path(request.uri().path()));
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Problem::method_not_allowed(request.method().as_str(), "GET, HEAD"));
        }
        let key = match access {
            DocsAccess::Key => Some(check_key(tenant, request.headers(), snapshot)?),
            DocsAccess::Open | DocsAccess::Off => None,
        };
        let made = self.made(tenant, key, snapshot);
        Ok(match kind {
            Kind::OpenApi => {
                let mut answer = answer(request, access, "application/json", made.openapi.clone());
                if access == DocsAccess::Open {
                    // Viewers of OpenAPI documents run in browsers, on other origins.
                    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                }
                answer
            }
            Kind::Page => {
                let text = made.page.replace(page::ORIGIN, &origin(request, &self.proxies));
                let mut answer = answer(request, access, "text/html; charset=utf-8", text);
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, content_security_policy());
                answer
            }
        })
    }

    /// Returns the documents for a reader with this key: they have the integrations of the key and those that need none.
    fn made(&self, tenant: &str, key: Option<&ApiKey>, snapshot: &Snapshot) -> Arc<Made> {
        let generation = snapshot.generation();
        let reader: Reader = (tenant.to_owned(), key.map(|key| key.id));
        let cached = |documents: &HashMap<Reader, (u64, Arc<Made>)>| {
            documents.get(&reader).filter(|(made_of, _)| *made_of == generation).map(|(_, made)| made.clone())
        };
        if let Some(made) = cached(&self.made.lock()) {
            return made;
        }
        // Made without the lock: a large tenant must not delay readers of others. Two requests may make the same documents, which is
        // harmless.
        let integrations = snapshot.tenant_integrations(tenant).unwrap_or_default();
        let mut endpoints = Vec::with_capacity(integrations.len());
        for integration in integrations {
            let definition = &*integration.definition;
            if let (true, Some(webhook)) = (definition.enabled, definition.trigger.webhook())
                && key.is_none_or(|key| !webhook.authentication.needs_key() || key.integrations.contains(&integration.id))
            {
                let max_bytes = webhook.max_bytes.min(self.max_body_bytes);
                endpoints.push(Endpoint { definition, webhook, version: integration.version, max_bytes });
            }
        }
        let made = Arc::new(Made { openapi: openapi::document(tenant, &endpoints).to_string(), page: page::page(tenant, &endpoints) });
        let mut remembered = self.made.lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(reader, (generation, made.clone()));
        made
    }
}

/// Checks that the reader has a key of the tenant: any key opens the documents of the integrations that it may call. A browser asks its
/// user for the key, as the password of Basic authentication.
fn check_key<'a>(tenant: &str, headers: &HeaderMap, snapshot: &'a Snapshot) -> Result<&'a ApiKey, Problem> {
    let basic = basic_password(headers);
    let Some(presented) = presented_key(headers).or(basic.as_deref()) else { return Err(Problem::no_key_for_documents(tenant)) };
    match snapshot.key(tenant, presented) {
        Some(key) if !has_ended(key) => Ok(key),
        _ => Err(Problem::wrong_key_for_documents(tenant)),
    }
}

/// Returns the password of Basic authentication (RFC 7617); the user name is ignored.
fn basic_password(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(credentials.trim().as_bytes()).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

fn answer(request: &HttpRequest, access: DocsAccess, content_type: &'static str, text: String) -> HttpResponse {
    let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&text)[..16]));
    let is_current = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|etags| names(etags, &etag));
    let mut response = HttpResponse::build(if is_current { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    // Browsers must validate the document for each use: a setting that closes the documents is effective at once.
    let cache = if access == DocsAccess::Open { "no-cache" } else { "private, no-cache" };
    response.insert_header((ETAG, etag)).insert_header((CACHE_CONTROL, cache)).insert_header((CONTENT_TYPE, content_type));
    response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff")).insert_header((REFERRER_POLICY, "no-referrer"));
    if is_current { response.finish() } else { response.body(text) }
}

/// Compares entity tags weakly (RFC 9110, section 13.1.2).
fn names(etags: &str, etag: &str) -> bool {
    etags.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag)
}

/// Returns the policy by which the page may load only its style.
fn content_security_policy() -> HeaderValue {
    let style = BASE64.encode(&Sha256::digest(page::STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// Returns the address under which the caller reached this installation. It is inserted into a page and copied from there into a shell, so
/// only characters of a host and port are kept.
fn origin(request: &HttpRequest, proxies: &TrustedProxies) -> String {
    let client = client_of(request, proxies);
    let host_header = || request.headers().get(HOST)?.to_str().ok().map(str::to_owned);
    let fits = |host: &String| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    let host = client.host.or_else(host_header).filter(fits).unwrap_or_else(|| "HOST".to_owned());
    let scheme = if client.is_https { "https" } else { "http" };
    format!("{scheme}://{host}")
}
