//! One request from its first byte to its answer, in the order of the design:
//! route -> authenticate -> limit -> normalize -> publish (confirmed) -> 202, or await the reply.

use crate::authenticate::{Caller, authenticate, check_hidden, refuse_unknown};
use crate::checks::CheckCache;
use crate::client::client_of;
use crate::cors;
use crate::dispatch::{Answer, Dispatch, Wait};
use crate::documents::Documents;
use crate::executions;
use crate::idempotency::{Known, know, replayed};
use crate::limit::InFlight;
use crate::normalize::{check_head, normalize};
use crate::prefer::Preferences;
use crate::problem::Problem;
use crate::rate::Rates;
use crate::receive::{BodyBudget, BodyLimits, receive};
use crate::route::Route;
use crate::trace::Trace;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use forebay_broker::PublishError;
use forebay_contract::definition::{Authentication, OnTimeout, Webhook};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, Response};
use forebay_contract::{ExecutionId, IdIssuer};
use forebay_runtime::forwarding::TrustedProxies;
use forebay_store::{Integration, Snapshot, SnapshotHandle, Store};
use std::sync::Arc;
use std::time::Duration;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Everything that a handler needs, built alike in production and in tests.
pub(crate) struct Dependencies {
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) store: Store,
    pub(crate) dispatch: Dispatch,
    pub(crate) checks: CheckCache,
    pub(crate) ids: IdIssuer,
    pub(crate) in_flight: InFlight,
    pub(crate) rates: Rates,
    pub(crate) bodies: BodyBudget,
    pub(crate) documents: Documents,
    pub(crate) proxies: TrustedProxies,
    pub(crate) max_body_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) retention: Duration,
    /// Callers without a valid key cannot tell names that do not exist from names that need one.
    pub(crate) hides_names: bool,
}

/// Answers any request.
pub(crate) async fn handle(request: HttpRequest, payload: Payload, dependencies: Data<Dependencies>) -> HttpResponse {
    let started = std::time::Instant::now();
    let snapshot = dependencies.snapshot.current();
    let route = Route::of(request.uri().path());
    if let Some(Route::Documents { tenant, kind }) = &route {
        let shown = check_head(&request).and_then(|()| dependencies.documents.show(&request, tenant, *kind, &snapshot));
        let response = shown.unwrap_or_else(Problem::into_response);
        crate::measure::request(None, response.status(), started.elapsed());
        return response;
    }
    let integration = match &route {
        Some(Route::Call { tenant, name } | Route::Execution { tenant, name, .. }) => snapshot.integration(tenant, name).cloned(),
        Some(Route::Documents { .. }) | None => None,
    };
    let webhook = integration.as_deref().and_then(|integration| integration.definition.trigger.webhook());
    let (Some(route), Some(integration), Some(webhook)) = (&route, &integration, webhook) else {
        let path = request.uri().path();
        let problem = match &route {
            Some(Route::Call { tenant, .. } | Route::Execution { tenant, .. }) if dependencies.hides_names => {
                refuse_unknown(tenant, path, request.headers(), &snapshot)
            }
            _ => Problem::unknown_path(path),
        };
        let response = problem.into_response();
        crate::measure::request(None, response.status(), started.elapsed());
        return response;
    };
    let trace = Trace::of(&request, integration);
    let endpoint = Endpoint { integration, webhook };
    let answer = trace.clone().around(answer(&request, payload, &dependencies, route, endpoint, &snapshot, &trace)).await;
    let mut response = answer.unwrap_or_else(Problem::into_response);
    trace.finish(response.status());
    cors::allow_reading(&request, webhook, &mut response);
    crate::measure::request(Some(&integration.definition), response.status(), started.elapsed());
    response
}

/// An integration that is called by HTTP.
#[derive(Clone, Copy)]
struct Endpoint<'a> {
    integration: &'a Arc<Integration>,
    webhook: &'a Webhook,
}

async fn answer(
    request: &HttpRequest,
    payload: Payload,
    dependencies: &Dependencies,
    route: &Route,
    endpoint: Endpoint<'_>,
    snapshot: &Snapshot,
    trace: &Trace,
) -> Result<HttpResponse, Problem> {
    check_head(request)?;
    let Endpoint { integration, webhook } = endpoint;
    // A browser asks without a key whether it may call.
    let is_preflight = request.method() == Method::OPTIONS && webhook.cors.is_some();
    if dependencies.hides_names && webhook.authentication == Authentication::ApiKey && !is_preflight {
        check_hidden(integration, request.uri().path(), request.headers(), snapshot)?;
    }
    match route {
        Route::Documents { .. } => Err(Problem::unknown_path(request.uri().path())),
        Route::Execution { id, .. } => {
            if request.method() != Method::GET {
                return Err(Problem::method_not_allowed(request.method().as_str(), "GET"));
            }
            let call = authenticate(integration.clone(), webhook, request.headers(), snapshot)?;
            executions::show(&call, id, dependencies).await
        }
        Route::Call { .. } => {
            if !integration.definition.enabled {
                return Err(Problem::disabled(&integration.definition.path().to_string()));
            }
            if request.method() == Method::OPTIONS {
                return Ok(cors::options(request, webhook, &allowed_methods(webhook)));
            }
            if !webhook.methods.iter().any(|method| method.as_str() == request.method().as_str()) {
                return Err(Problem::method_not_allowed(request.method().as_str(), &allowed_methods(webhook)));
            }
            let caller = Caller::of(integration.clone(), webhook, request.headers(), snapshot)?;
            accept(request, payload, dependencies, caller, webhook, trace).await
        }
    }
}

async fn accept(
    request: &HttpRequest,
    payload: Payload,
    dependencies: &Dependencies,
    caller: Caller,
    webhook: &Webhook,
    trace: &Trace,
) -> Result<HttpResponse, Problem> {
    let _in_flight = dependencies.in_flight.enter(&caller.integration().definition.tenant)?;
    let mut rate = webhook.rate;
    let address = || client_of(request, &dependencies.proxies).address;
    if let Caller::Known(call) = &caller
        && let Some(rate) = rate.take()
    {
        dependencies.rates.admit(call, address, rate)?;
    }
    let declared_length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let limits = BodyLimits { max_bytes: webhook.max_bytes.min(dependencies.max_body_bytes), timeout: dependencies.body_timeout };
    let mut share = dependencies.bodies.share(caller.integration(), caller.is_known());
    let body = receive(payload, declared_length, limits, &mut share).await?;
    let call = &caller.authenticated(&body).await?;
    share.authenticated();
    if let Some(rate) = rate {
        dependencies.rates.admit(call, address, rate)?;
    }
    let id =
        dependencies.ids.issue(call.integration.id).map_err(|_| Problem::internal("No random bytes can be had for an execution id."))?;
    let mut envelope = normalize(call, webhook, request, body, id, trace.context())?;
    let checks = dependencies.checks.of(&call.integration, webhook)?;
    if let Some(checks) = &checks {
        checks.body(&envelope, webhook.max_bytes).await?;
    }
    let path = call.integration.definition.path();
    let location = |id: ExecutionId| format!("/{path}/executions/{id}");
    let preferences = Preferences::of(request.headers());
    let response = webhook.response.filter(|_| !preferences.respond_async);
    let first = match know(call, webhook, checks.as_deref(), request.headers(), &envelope, dependencies).await? {
        Known::No => None,
        Known::First(known) => {
            envelope.once = Envelope::new_message();
            Some(known)
        }
        Known::Ended(id, ending) if response.is_some() => return Ok(replayed(ended(id, ending, &location(id)))),
        Known::Running(id) if response.is_some() => return Err(Problem::still_running(id, &location(id))),
        Known::OfAnotherKey(_) if response.is_some() => return Err(Problem::call_of_another_key()),
        Known::Ended(id, _) | Known::Running(id) | Known::OfAnotherKey(id) => return Ok(replayed(accepted(id, &location(id)))),
    };
    let location = location(id);
    let not_accepted = async |error: PublishError| {
        if let Some(known) = first.filter(|_| !error.may_be_delivered()) {
            // Should this fail, the next call with the key is published under the same id.
            let _ = dependencies.store.forget_call(&known).await;
        }
        Err(Problem::not_accepted(&error))
    };

    let Some(response) = response else {
        if let Err(error) = dependencies.dispatch.accept(&envelope, &webhook.delivery).await {
            return not_accepted(error).await;
        }
        let mut answer = accepted(id, &location);
        if preferences.respond_async {
            answer.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
        }
        return Ok(answer);
    };
    let longest = preferences.wait.map_or(response.wait, |preferred| preferred.min(response.wait));
    let wait = Wait { longest, on_timeout: response.on_timeout };
    let mut answer = match dependencies.dispatch.call(envelope, &webhook.delivery, wait).await {
        Err(error) => return not_accepted(error).await,
        Ok(Answer::Ended(Ending::Expired)) | Ok(Answer::TimedOut) if response.on_timeout == OnTimeout::Error => {
            Problem::execution_timeout(id, &location, longest).into_response()
        }
        Ok(Answer::TimedOut) => accepted(id, &location),
        Ok(Answer::Ended(ending)) => ended(id, ending, &location),
    };
    if let Some(preferred) = preferences.wait {
        let applied = HeaderValue::try_from(format!("wait={}", preferred.as_secs()));
        answer.headers_mut().insert(PREFERENCE_APPLIED, applied.unwrap_or_else(|_| HeaderValue::from_static("wait")));
    }
    Ok(answer)
}

/// The answer to a caller who waits for an execution that has ended.
fn ended(id: ExecutionId, ending: Ending, location: &str) -> HttpResponse {
    match ending {
        Ending::Succeeded(response) => respond(id, response),
        Ending::Failed(error) => Problem::execution_failed(id, location, &error).into_response(),
        Ending::Expired => Problem::execution_timeout(id, location, Duration::ZERO).into_response(),
    }
}

/// Accepted and confirmed by the broker.
fn accepted(id: ExecutionId, location: &str) -> HttpResponse {
    let id = id.to_string();
    // An id is of letters and digits, so it is JSON as it is.
    let body = format!(r#"{{"executionId":"{id}","status":"queued"}}"#);
    HttpResponse::Accepted()
        .insert_header((LOCATION, location))
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((crate::EXECUTION_ID_HEADER, id))
        .body(body)
}

/// The workflow's own answer.
fn respond(id: ExecutionId, response: Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let mut answer = HttpResponse::build(status);
    for (name, value) in &response.headers {
        answer.append_header((name.as_str(), value.as_str()));
    }
    answer.insert_header((crate::EXECUTION_ID_HEADER, id.to_string()));
    // A browser must not take the answer of a workflow for another type than its own.
    answer.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer.body(response.body)
}

fn allowed_methods(webhook: &Webhook) -> String {
    let methods: Vec<&str> = webhook.methods.iter().map(|method| method.as_str()).chain(["OPTIONS"]).collect();
    methods.join(", ")
}
