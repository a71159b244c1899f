//! A request from its first byte to its response: documents of a tenant, the outcome of an execution, or a [`call`].

use crate::authentication::{Head, check_hidden, outcome_reader, refuse_unknown};
use crate::call::{self, Endpoint};
use crate::cors;
use crate::dependencies::Dependencies;
use crate::executions;
use crate::normalize::check_head;
use crate::problem::Problem;
use crate::route::Route;
use crate::trace::Trace;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use forebay_store::Snapshot;

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
    let trace = Trace::of(&request, integration, dependencies.traces);
    let endpoint = Endpoint { integration, webhook };
    let answer = trace.clone().around(answer(&request, payload, &dependencies, route, endpoint, &snapshot, &trace)).await;
    let mut response = answer.unwrap_or_else(Problem::into_response);
    trace.finish(response.status());
    cors::allow_reading(&request, webhook, &mut response);
    crate::measure::request(Some(&integration.definition), response.status(), started.elapsed());
    response
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
    // A browser sends a preflight without a key.
    let is_preflight = request.method() == Method::OPTIONS && webhook.cors.is_some();
    let head = Head { integration, headers: request.headers(), snapshot };
    if dependencies.hides_names && !is_preflight {
        check_hidden(webhook, head, request.uri().path())?;
    }
    match route {
        Route::Documents { .. } => Err(Problem::unknown_path(request.uri().path())),
        Route::Execution { id, .. } => {
            if request.method() != Method::GET {
                return Err(Problem::method_not_allowed(request.method().as_str(), "GET"));
            }
            let access = outcome_reader(webhook, head)?;
            executions::show(&access, id, dependencies).await
        }
        Route::Call { .. } => {
            if !integration.definition.enabled {
                return Err(Problem::disabled(&integration.definition.path().to_string()));
            }
            if request.method() == Method::OPTIONS {
                return Ok(cors::options(request, webhook, &endpoint.allowed_methods()));
            }
            call::respond(request, payload, endpoint, trace, snapshot, dependencies).await
        }
    }
}
