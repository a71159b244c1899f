//! The admin API: everything that the pages and the command can do, as JSON under `/api/v1`.

mod alerts;
mod apply;
mod audit;
mod connections;
mod executions;
mod integrations;
mod keys;
mod monitor;
mod openapi;
mod paging;
mod people;
mod triggers;

pub(crate) use openapi::Documented;
pub use openapi::openapi;

use crate::failure::Failure;
use crate::route::{Access, Route};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError, web};
use forebay_admin_api::alerts::{Alert, TestedAlert};
use forebay_admin_api::apply::{Applied, ApplyRequest};
use forebay_admin_api::audit::{AuditEntry, AuditFilter, AuditQuery};
use forebay_admin_api::connections::{Connection, ConnectionEnabled, PutDocumentRequest, Rotation, StartedRotation, TestedConnection};
use forebay_admin_api::diagnostics::{Diagnosis, DiagnosticsDisabled, DiagnosticsEnabled, EnableDiagnosticsRequest};
use forebay_admin_api::executions::{
    Execution, ExecutionDetail, ExecutionFilter, ExecutionQuery, RetriedExecution, RetryFoundRequest, RetryFoundResponse, RetryRequest,
};
use forebay_admin_api::integrations::{
    AppliedDefinition, Integration, IntegrationQuery, RollbackRequest, RolledBack, Version, WrittenDocument,
};
use forebay_admin_api::keys::{CreateKeyRequest, CreatedKey, Key, UpdateKeyRequest};
use forebay_admin_api::monitor::{Queue, StatisticsPoint, StatisticsQuery, Worker};
use forebay_admin_api::schedules::{Schedule, StartedRun};
use forebay_admin_api::tenants::{Tenant, UpdateTenantRequest};
use forebay_admin_api::tokens::{CreateTokenRequest, CreatedToken, Token};
use forebay_admin_api::triggers::{DecidedTrigger, Trigger};
use forebay_admin_api::unreadable::{ReturnedMessage, UnreadableMessage};
use forebay_admin_api::users::{CreateUserRequest, Me, UpdateUserRequest, User};
use forebay_admin_api::{
    Deleted, DocumentProblem, ExecutionPath, ExistingKey, IdPath, ListQuery, MessagePath, NamePath, PageQuery, Problem, TenantPath,
};
use forebay_store::Role;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Prefix of all its addresses.
pub(crate) const ROOT: &str = "/api/";
/// Prefix of all types of problems: an identifier, which need not be reachable.
const TYPE_BASE: &str = "https://forebay.dev/problems/";

/// A failure, sent as a problem (RFC 9457).
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Failure);

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

impl<E: Into<Failure>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response(&self.0.detail)
    }
}

impl ApiError {
    /// Returns the answer for the person at the host, which tells the causes; `None`: there are none.
    pub(crate) fn response_with_causes(&self) -> Option<HttpResponse> {
        self.0.causes.as_deref().map(|causes| self.response(causes))
    }

    fn response(&self, detail: &str) -> HttpResponse {
        let Failure { status, slug, title, detail: _, causes: _, problems, key, headers } = &self.0;
        let body = Problem {
            kind: format!("{TYPE_BASE}{slug}"),
            title: (*title).to_owned(),
            status: status.as_u16(),
            detail: detail.to_owned(),
            problems: problems.iter().map(|one| DocumentProblem { path: one.path.clone(), message: one.message.clone() }).collect(),
            key: key.as_ref().map(|(id, label)| ExistingKey { id: *id, label: label.clone() }),
        };
        let mut response = HttpResponse::build(*status);
        for (name, value) in headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))).json(body)
    }
}

/// Reads a body that may be empty.
fn optional<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // A derived reader would accept a list for the fields of an object, in their order.
    let value: Value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("the body: {error}")))?;
    if !value.is_object() {
        return Err(Failure::bad_request("the body: must be a JSON object"));
    }
    serde_json::from_value(value).map_err(|error| Failure::bad_request(format!("the body: {error}")))
}

/// Reads a body that is required; otherwise the same as [`optional`].
fn required<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    optional::<Option<T>>(body)?.ok_or_else(|| Failure::bad_request("the body: a JSON object is required"))
}

/// Refuses a body that is not JSON of the wanted type.
pub(crate) fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|error, _| {
        let status = error.status_code();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError(Failure::new(status, "too-large", "Too large", error.to_string())).into();
        }
        ApiError(Failure::bad_request(format!("the body: {error}"))).into()
    })
}

/// Refuses a query that is not of the wanted type.
pub(crate) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, request| {
        let failure = Failure::bad_request(format!("the query: {error}"));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

/// Answers 404 for a path whose parts are not of the wanted types.
pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|error, request| {
        let failure = Failure::not_found(format!("There is nothing at this address: {error}."));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

fn ok(body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Ok().json(body))
}

/// Answers with the entity tag that a later change sends as `If-Match`.
fn ok_tagged(tag: &str, body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(body))
}

fn created(place: &str, body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(body))
}

fn accepted(body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Accepted().json(body))
}

/// `GET /openapi.json`.
async fn document() -> ApiResult {
    ok(openapi())
}

/// The routes of the API.
pub(crate) fn routes() -> Vec<Route> {
    use Access::{AdministratorOfAnyTenant, PersonInAllTenants, Public, Role as RoleOf, RoleInAllTenants, SignedIn};
    use Role::{Administrator, Developer, Operator, Viewer};
    use openapi::{delete, get, patch, post, put};
    vec![
        get("/api/v1/openapi.json", Public, "This document", |r| r.to(document)).any(),
        get("/api/v1/me", SignedIn, "Who asks, and what they may do", |r| r.to(people::me)).gives::<Me>(),
        // Definitions
        get("/api/v1/integrations", SignedIn, "Integrations", |r| r.to(integrations::list))
            .query::<IntegrationQuery>()
            .lists::<Integration>(),
        get("/api/v1/integrations/{tenant}/{name}", RoleOf(Viewer), "One integration", |r| r.to(integrations::get))
            .at::<NamePath>()
            .gives::<Integration>(),
        put("/api/v1/integrations/{tenant}/{name}", RoleOf(Developer), "Makes a definition the current version", |r| {
            r.to(integrations::put)
        })
        .at::<NamePath>()
        .conditional()
        .takes::<WrittenDocument>()
        .gives::<AppliedDefinition>(),
        get("/api/v1/integrations/{tenant}/{name}/versions", RoleOf(Viewer), "Its versions, the newest first", |r| {
            r.to(integrations::versions)
        })
        .at::<NamePath>()
        .query::<PageQuery>()
        .lists::<Version>(),
        post("/api/v1/integrations/{tenant}/{name}/rollback", RoleOf(Developer), "An older version becomes the newest", |r| {
            r.to(integrations::rollback)
        })
        .at::<NamePath>()
        .may_take::<RollbackRequest>()
        .gives::<RolledBack>(),
        post("/api/v1/integrations/{tenant}/{name}/run", RoleOf(Operator), "One run of a schedule at once", |r| r.to(integrations::run))
            .at::<NamePath>()
            .gives_as::<StartedRun>(202),
        post("/api/v1/apply", SignedIn, "Applies definitions, connections and alerts: all, or none", |r| r.to(apply::apply))
            .takes::<ApplyRequest>()
            .gives::<Applied>(),
        // Keys
        get("/api/v1/keys", SignedIn, "API keys of callers", |r| r.to(keys::list)).query::<ListQuery>().lists::<Key>(),
        post("/api/v1/keys", SignedIn, "Makes a key", |r| r.to(keys::create)).takes::<CreateKeyRequest>().gives_as::<CreatedKey>(201),
        get("/api/v1/keys/{id}", RoleOf(Viewer), "One key", |r| r.to(keys::get)).at::<IdPath>().gives::<Key>(),
        patch("/api/v1/keys/{id}", RoleOf(Developer), "Changes a key", |r| r.to(keys::update))
            .at::<IdPath>()
            .takes::<UpdateKeyRequest>()
            .gives::<Key>(),
        delete("/api/v1/keys/{id}", RoleOf(Developer), "Deletes a key", |r| r.to(keys::delete)).at::<IdPath>().gives::<Deleted>(),
        // Connections and alerts
        get("/api/v1/connections", SignedIn, "Connections to other systems", |r| r.to(connections::list))
            .query::<ListQuery>()
            .lists::<Connection>(),
        post(
            "/api/v1/connections/rotate",
            RoleInAllTenants(Administrator),
            "Encrypts everything anew under the first key; payloads beside the answer",
            |r| r.to(connections::rotate),
        )
        .gives::<StartedRotation>(),
        get("/api/v1/connections/rotate", RoleInAllTenants(Administrator), "How far encrypting anew has come", |r| {
            r.to(connections::rotation)
        })
        .gives::<Rotation>(),
        get("/api/v1/connections/{tenant}/{name}", RoleOf(Viewer), "One connection, without its secrets", |r| r.to(connections::get))
            .at::<NamePath>()
            .gives::<Connection>(),
        put("/api/v1/connections/{tenant}/{name}", RoleOf(Developer), "Stores a connection", |r| r.to(connections::put))
            .at::<NamePath>()
            .conditional()
            .takes::<PutDocumentRequest>()
            .gives::<Connection>(),
        delete("/api/v1/connections/{tenant}/{name}", RoleOf(Developer), "Deletes a connection", |r| r.to(connections::delete))
            .at::<NamePath>()
            .gives::<Deleted>(),
        post("/api/v1/connections/{tenant}/{name}/test", RoleOf(Operator), "Reaches its remote system", |r| r.to(connections::test))
            .at::<NamePath>()
            .gives::<TestedConnection>(),
        post("/api/v1/connections/{tenant}/{name}/enable", RoleOf(Developer), "Lets steps use it", |r| r.to(connections::enable))
            .at::<NamePath>()
            .gives::<ConnectionEnabled>(),
        post("/api/v1/connections/{tenant}/{name}/disable", RoleOf(Developer), "Steps that use it fail", |r| r.to(connections::disable))
            .at::<NamePath>()
            .gives::<ConnectionEnabled>(),
        get("/api/v1/alerts", SignedIn, "Alerts, and how they stand", |r| r.to(alerts::list)).query::<ListQuery>().lists::<Alert>(),
        get("/api/v1/alerts/{tenant}/{name}", RoleOf(Viewer), "One alert", |r| r.to(alerts::get)).at::<NamePath>().gives::<Alert>(),
        put("/api/v1/alerts/{tenant}/{name}", RoleOf(Developer), "Stores an alert", |r| r.to(alerts::put))
            .at::<NamePath>()
            .conditional()
            .takes::<PutDocumentRequest>()
            .gives::<Alert>(),
        delete("/api/v1/alerts/{tenant}/{name}", RoleOf(Developer), "Deletes an alert", |r| r.to(alerts::delete))
            .at::<NamePath>()
            .gives::<Deleted>(),
        post("/api/v1/alerts/{tenant}/{name}/test", RoleOf(Operator), "Sends a message that is marked as a test", |r| r.to(alerts::test))
            .at::<NamePath>()
            .gives::<TestedAlert>(),
        // The history
        get("/api/v1/executions", SignedIn, "Executions, the newest first", |r| r.to(executions::list))
            .query::<ExecutionQuery>()
            .lists::<Execution>(),
        get("/api/v1/executions/live", SignedIn, "Executions as they end: server-sent events", |r| r.to(executions::live))
            .query::<ExecutionFilter>()
            .streams(),
        post("/api/v1/executions/retry", SignedIn, "Retries what a search finds, in order, in parts", |r| r.to(executions::retry_many))
            .takes::<RetryFoundRequest>()
            .gives::<RetryFoundResponse>(),
        get("/api/v1/executions/{id}", RoleOf(Viewer), "One execution with all that is kept of it", |r| r.to(executions::get))
            .at::<ExecutionPath>()
            .gives::<ExecutionDetail>(),
        post("/api/v1/executions/{id}/retry", RoleOf(Operator), "Runs it once more", |r| r.to(executions::retry))
            .at::<ExecutionPath>()
            .may_take::<RetryRequest>()
            .gives_as::<RetriedExecution>(202),
        // Triggers
        get("/api/v1/triggers", SignedIn, "Triggers, and which are halted", |r| r.to(triggers::list))
            .query::<ListQuery>()
            .lists::<Trigger>(),
        post("/api/v1/triggers/{tenant}/{name}/resume", RoleOf(Operator), "Runs the failed execution again", |r| r.to(triggers::resume))
            .at::<NamePath>()
            .gives::<DecidedTrigger>(),
        post("/api/v1/triggers/{tenant}/{name}/skip", RoleOf(Operator), "Goes on without it", |r| r.to(triggers::skip))
            .at::<NamePath>()
            .gives::<DecidedTrigger>(),
        get("/api/v1/schedules", SignedIn, "Schedules, and what is due", |r| r.to(triggers::schedules))
            .query::<ListQuery>()
            .lists::<Schedule>(),
        get("/api/v1/diagnostics", SignedIn, "Where everything is recorded", |r| r.to(triggers::diagnoses))
            .query::<ListQuery>()
            .lists::<Diagnosis>(),
        put("/api/v1/diagnostics/{tenant}/{name}", RoleOf(Operator), "Records everything for a time", |r| r.to(triggers::diagnose))
            .at::<NamePath>()
            .takes::<EnableDiagnosticsRequest>()
            .gives::<DiagnosticsEnabled>(),
        delete("/api/v1/diagnostics/{tenant}/{name}", RoleOf(Operator), "Ends that", |r| r.to(triggers::end_diagnosis))
            .at::<NamePath>()
            .gives::<DiagnosticsDisabled>(),
        // People
        get("/api/v1/tenants", SignedIn, "Tenants", |r| r.to(people::tenants)).query::<ListQuery>().lists::<Tenant>(),
        patch("/api/v1/tenants/{tenant}", RoleOf(Administrator), "Changes what is set for a tenant", |r| r.to(people::update_tenant))
            .at::<TenantPath>()
            .takes::<UpdateTenantRequest>()
            .gives::<Tenant>(),
        get("/api/v1/users", RoleInAllTenants(Administrator), "Users", |r| r.to(people::users)).query::<PageQuery>().lists::<User>(),
        post("/api/v1/users", PersonInAllTenants(Administrator), "Invites a user, as a person: a token cannot", |r| {
            r.to(people::create_user)
        })
        .takes::<CreateUserRequest>()
        .gives_as::<User>(201),
        get("/api/v1/users/{id}", RoleInAllTenants(Administrator), "One user", |r| r.to(people::get_user)).at::<IdPath>().gives::<User>(),
        patch("/api/v1/users/{id}", RoleInAllTenants(Administrator), "Changes a user", |r| r.to(people::update_user))
            .at::<IdPath>()
            .takes::<UpdateUserRequest>()
            .gives::<User>(),
        delete("/api/v1/users/{id}", RoleInAllTenants(Administrator), "Deletes a user", |r| r.to(people::delete_user))
            .at::<IdPath>()
            .gives::<Deleted>(),
        get("/api/v1/tokens", SignedIn, "One's own tokens; an administrator of everything sees all", |r| r.to(people::tokens))
            .query::<PageQuery>()
            .lists::<Token>(),
        post("/api/v1/tokens", SignedIn, "Makes a token", |r| r.to(people::create_token))
            .takes::<CreateTokenRequest>()
            .gives_as::<CreatedToken>(201),
        delete("/api/v1/tokens/{id}", SignedIn, "Deletes a token", |r| r.to(people::delete_token)).at::<IdPath>().gives::<Deleted>(),
        get("/api/v1/audit", AdministratorOfAnyTenant, "Who changed what, the newest first", |r| r.to(audit::list))
            .query::<AuditQuery>()
            .lists::<AuditEntry>(),
        get("/api/v1/audit/export", AdministratorOfAnyTenant, "The same as JSON lines, all of them", |r| r.to(audit::export))
            .query::<AuditFilter>()
            .streams_as("application/jsonl"),
        // Monitor
        get("/api/v1/monitor/statistics", SignedIn, "Throughput, failures and durations", |r| r.to(monitor::statistics))
            .query::<StatisticsQuery>()
            .lists::<StatisticsPoint>(),
        get("/api/v1/monitor/traffic", SignedIn, "The former address of /api/v1/monitor/statistics", |r| r.to(monitor::statistics))
            .deprecated()
            .query::<StatisticsQuery>()
            .lists::<StatisticsPoint>(),
        get("/api/v1/monitor/queues", SignedIn, "Depth and oldest age of queues", |r| r.to(monitor::queues))
            .query::<ListQuery>()
            .lists::<Queue>(),
        get("/api/v1/monitor/workers", RoleInAllTenants(Viewer), "Workers that live", |r| r.to(monitor::workers))
            .query::<PageQuery>()
            .lists::<Worker>(),
        get("/api/v1/unreadable", RoleInAllTenants(Viewer), "Messages that no worker could read", |r| r.to(monitor::list_unreadable))
            .lists::<UnreadableMessage>(),
        post("/api/v1/unreadable/{id}/return", RoleInAllTenants(Operator), "Back to its queue", |r| r.to(monitor::return_unreadable))
            .at::<MessagePath>()
            .gives::<ReturnedMessage>(),
        post("/api/v1/unreadable/{id}/discard", RoleInAllTenants(Operator), "Deletes it", |r| r.to(monitor::discard_unreadable))
            .at::<MessagePath>()
            .gives::<Deleted>(),
    ]
}
