//! Sends a test call through the real ingress, and shows its response.

use super::error::{PageError, PageResult};
use super::flash::{Flash, Shown};
use super::frame::Framed;
use super::integrations::{At, path};
use super::sent::Sent;
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::integrations::{address, integration_tabs};
use crate::view::page::Section;
use crate::view::try_it::{Call, Response};
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::authentication::{Authentication, CallToProve, KeyUse};
use forebay_contract::definition::Webhook;
use forebay_contract::{IntegrationPath, UnixMicros};
use forebay_store::{NewKey, Role};
use maud::{Markup, html};
use std::time::{Duration, Instant};

/// Lifetime of a key that is created for one call: it expires if it could not be deleted.
const KEY_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Duration of diagnostics, if the user enables them.
const DIAGNOSTICS_DURATION: Duration = Duration::from_secs(600);
/// Maximum wait until the ingress accepts a new key; every ingress has it within a second.
const KEY_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum bytes of a response that is shown.
const MAX_SHOWN_BYTES: usize = 1 << 20;

/// `GET /integrations/{tenant}/{name}/try`.
pub(super) async fn form(caller: Caller, at: At, shown: web::Query<Shown>) -> PageResult {
    let path = path(at)?;
    let webhook = webhook(&caller, &path).await?;
    if let Some(Flash::TestCall(call, result)) = caller.flash(&shown).await? {
        let url = format!("{}/{path}", caller.state.ingress_url);
        let result = match &result {
            Ok(response) => view::try_it::response(response, &view::try_it::curl(&url, &call, &webhook.authentication)),
            Err(reason) => view::try_it::no_response(reason),
        };
        return Ok(page(&caller, &path, &webhook, &call, &result));
    }
    let method = webhook.methods.iter().find(|method| method.as_str() == "POST").or(webhook.methods.first());
    let has_body = method.is_some_and(|method| method.as_str() != "GET");
    let content_type = webhook.body.content_type();
    let call = Call {
        method: method.map(|method| method.as_str().to_owned()).unwrap_or_default(),
        query: view::try_it::required(&webhook),
        content_type: if has_body { content_type.unwrap_or("application/json").to_owned() } else { String::new() },
        body: if has_body && content_type.is_none() { "{}".to_owned() } else { String::new() },
        creates_key: caller.actor.has(&path.tenant, Role::Developer),
        ..Call::default()
    };
    Ok(page(&caller, &path, &webhook, &call, &html! {}))
}

async fn webhook(caller: &Caller, path: &IntegrationPath) -> Result<Webhook, PageError> {
    caller.state.operations.integration(&caller.actor, path).await?;
    let integration = caller.state.operations.store().integration(path).await?;
    let webhook = integration.definition.trigger.webhook().cloned();
    webhook.ok_or_else(|| Failure::not_found(format!("{path} has no webhook. To run its schedule now, open its page.")).into())
}

fn page(caller: &Caller, path: &IntegrationPath, webhook: &Webhook, call: &Call, result: &Markup) -> actix_web::HttpResponse {
    let base = address(path.tenant.as_str(), path.name.as_str());
    let may_create_key = caller.actor.has(&path.tenant, Role::Developer);
    let content = html! {
        (integration_tabs(path.tenant.as_str(), path.name.as_str(), "Try it", true))
        div.halves {
            (view::try_it::form(&base, webhook, call, may_create_key))
            div.stack id="result" { (result) }
        }
    };
    let title = path.to_string();
    let above = [("/integrations".to_owned(), "Integrations".to_owned())];
    Framed::new(caller, Section::Integrations, &title).above(&above).show(&html! {}, &content)
}

/// `POST /integrations/{tenant}/{name}/try`.
pub(super) async fn send(caller: Caller, at: At, body: web::Bytes) -> PageResult {
    let (path, sent) = (path(at)?, Sent::read(&body));
    caller.actor.may(&path.tenant, Role::Operator).map_err(Failure::from)?;
    let webhook = webhook(&caller, &path).await?;
    let authentication = &webhook.authentication;
    let call = Call {
        method: sent.text("method").to_owned(),
        query: sent.text("query").trim().trim_start_matches('?').to_owned(),
        content_type: sent.text("content_type").trim().to_owned(),
        body: sent.text("body").to_owned(),
        headers: sent.text("headers").to_owned(),
        creates_key: sent.text("key_from") == "made",
    };
    if sent.has("shows_steps") {
        caller.state.operations.diagnose(&caller.actor, &path, DIAGNOSTICS_DURATION).await?;
    }
    let url = format!("{}/{path}", caller.state.ingress_internal_url);
    let result = match authentication.key_use() {
        Some(key_use) if call.creates_key => with_temporary_key(&caller, &path, &url, &call, authentication, key_use).await?,
        Some(_) | None => once(&caller, &url, &call, authentication, sent.text("key").trim()).await,
    };
    let place = format!("{}/try", address(path.tenant.as_str(), path.name.as_str()));
    caller.redirect_with(&place, &Flash::TestCall(call, result)).await
}

/// Creates a key, calls with it, and deletes it.
async fn with_temporary_key(
    caller: &Caller,
    path: &IntegrationPath,
    url: &str,
    call: &Call,
    authentication: &Authentication,
    key_use: KeyUse,
) -> Result<Result<Response, String>, PageError> {
    let operations = &caller.state.operations;
    let new = NewKey {
        tenant: path.tenant.clone(),
        label: format!("tried by {}", caller.actor.name()).chars().take(100).collect(),
        integrations: vec![path.name.clone()],
        value: None,
        expires_at: Some(UnixMicros::now() + KEY_LIFETIME),
        signs: key_use == KeyUse::Signs,
        reads_all_outcomes: false,
    };
    let key = operations.create_key(&caller.actor, new).await?;
    let until = Instant::now() + KEY_TIMEOUT;
    let result = loop {
        let result = once(caller, url, call, authentication, key.key.expose()).await;
        // A 401 means that the ingress does not have the key yet; it has refused the call without an effect.
        if !matches!(&result, Ok(response) if response.status == StatusCode::UNAUTHORIZED.as_u16()) || Instant::now() > until {
            break result;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    operations.delete_key(&caller.actor, key.id, None).await?;
    Ok(result)
}

/// Sends the call once. `key` is that of the caller, if the endpoint needs one.
async fn once(caller: &Caller, url: &str, call: &Call, authentication: &Authentication, key: &str) -> Result<Response, String> {
    let method = reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|_| format!("'{}' is not an HTTP method", call.method))?;
    let url = if call.query.is_empty() { url.to_owned() } else { format!("{url}?{}", call.query) };
    let mut request = caller.state.client.request(method, url);
    let id = uuid::Uuid::new_v4().simple().to_string();
    for (name, value) in authentication.headers(key, &CallToProve { id: &id, body: call.body.as_bytes(), now: UnixMicros::now() }) {
        request = request.header(name, value);
    }
    if !call.content_type.is_empty() {
        request = request.header("Content-Type", &call.content_type);
    }
    for line in call.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("'{line}' is not a header: write Name: value"))?;
        request = request.header(name.trim(), value.trim());
    }
    if !call.body.is_empty() {
        request = request.body(call.body.clone());
    }
    let started = Instant::now();
    let response = request.send().await.map_err(|error| reason(&error))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = response.bytes().await.map_err(|error| reason(&error))?.to_vec();
    let duration = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
    body.truncate(MAX_SHOWN_BYTES);
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Response { execution: execution(&headers, &body), status, headers, body, duration })
}

/// Returns the execution of the call: from a header, or from the body of an accepted call.
fn execution(headers: &[(String, String)], body: &[u8]) -> String {
    let named = headers.iter().find(|(name, _)| name == "forebay-execution-id").map(|(_, value)| value.clone());
    let from_body = || {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        value.get("executionId")?.as_str().map(str::to_owned)
    };
    named.or_else(from_body).unwrap_or_default()
}

fn reason(error: &reqwest::Error) -> String {
    let causes = forebay_contract::with_causes(error);
    format!("{causes}. Check that the ingress runs, and that FOREBAY_INGRESS_INTERNAL_URL (or FOREBAY_INGRESS_URL) is its address.")
}
