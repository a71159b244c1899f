//! The admin API: everything that the pages and the command can do, in JSON under `/api/v1`.

mod apply;
mod connections;
mod executions;
mod integrations;
pub(crate) mod keys;
mod monitor;
mod openapi;
mod paging;
pub(crate) mod people;
mod triggers;
mod words;

pub(crate) use openapi::Documented;
pub use openapi::openapi;

use crate::failure::Failure;
use crate::route::{Needs, Route};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError, web};
use forebay_store::Role;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt;
use utoipa::ToSchema;

/// Where all of it is.
pub(crate) const ROOT: &str = "/api/";
/// Types are relative to this address, which is a name and needs not be reachable.
const TYPE_BASE: &str = "https://forebay.dev/problems/";

/// A failure, told as a problem (RFC 9457).
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
        let Failure { status, slug, title, detail, problems, key, headers } = &self.0;
        let mut body = json!({ "type": format!("{TYPE_BASE}{slug}"), "title": title, "status": status.as_u16(), "detail": detail });
        if !problems.is_empty() {
            body["problems"] = problems.iter().map(|one| json!({ "path": one.path, "message": one.message })).collect::<Value>();
        }
        if let Some((id, label)) = key {
            body["key"] = json!({ "id": id, "label": label });
        }
        let mut response = HttpResponse::build(*status);
        for (name, value) in headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))).body(body.to_string())
    }
}

/// A body that may be left out; one that is there must be right.
fn optional<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // A list would be taken for the fields of an object, in their order.
    let value: Value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("the body: {error}")))?;
    if !value.is_object() {
        return Err(Failure::bad_request("the body: must be a JSON object"));
    }
    serde_json::from_value(value).map_err(|error| Failure::bad_request(format!("the body: {error}")))
}

/// As [`optional`], where there must be one.
fn required<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    optional::<Option<T>>(body)?.ok_or_else(|| Failure::bad_request("the body: a JSON object is required"))
}

/// A body that is no JSON of the wanted shape.
pub(crate) fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|error, _| {
        let status = error.status_code();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError(Failure::new(status, "too-large", "Too large", error.to_string())).into();
        }
        ApiError(Failure::bad_request(format!("the body: {error}"))).into()
    })
}

/// A query of another shape than the wanted one.
pub(crate) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, request| {
        let failure = Failure::bad_request(format!("the query: {error}"));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

/// A path whose parts cannot be what they stand for: there is nothing of that name.
pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|error, request| {
        let failure = Failure::not_found(format!("There is nothing at this address: {error}."));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

/// What was deleted is gone.
#[derive(Debug, Serialize, ToSchema)]
struct Deleted {
    deleted: bool,
}

fn ok(body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Ok().json(body))
}

/// With the entity tag that a change of it sends as `If-Match`.
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
    use Needs::{Anybody, Everywhere, Nobody, PersonEverywhere, SomeAdministrator, Tenant};
    use Role::{Administrator, Developer, Operator, Viewer};
    use openapi::{Parameter as P, delete, get, patch, post, put};
    const TENANT: P = P { name: "tenant", about: "Only this tenant's" };
    const PAGES: [P; 2] = [
        P { name: "limit", about: "How many on a page, 1 to 1000; 100 without" },
        P { name: "cursor", about: "The `next` of the page before" },
    ];
    const LISTED: [P; 3] = [TENANT, PAGES[0], PAGES[1]];
    const SEARCH: [P; 9] = [
        TENANT,
        P { name: "integration", about: "The integration's name" },
        P { name: "status", about: "One or several states, with commas between them" },
        P { name: "since", about: "Accepted since: a time, or how long ago, such as 1h" },
        P { name: "until", about: "Accepted before" },
        P { name: "label", about: "name=value, or a value under any name" },
        P { name: "error", about: "A code of errors, such as mapping" },
        PAGES[0],
        PAGES[1],
    ];
    const AUDIT: [P; 8] = [
        TENANT,
        P { name: "by", about: "By this person" },
        P { name: "action", about: "An action, or its first word: key finds key.create" },
        P { name: "target", about: "To exactly this" },
        P { name: "since", about: "A time, or how long ago" },
        P { name: "until", about: "Before this time" },
        PAGES[0],
        PAGES[1],
    ];
    const CHART: [P; 5] = [
        TENANT,
        P { name: "integration", about: "One integration of that tenant" },
        P { name: "from", about: "A time, or how long ago; an hour ago without" },
        P { name: "to", about: "A time; now without" },
        P { name: "step", about: "What a point stands for, such as 5m; 1m without" },
    ];
    const INCLUDE: [P; 4] = [TENANT, PAGES[0], PAGES[1], P { name: "include", about: "source: with document and source" }];
    vec![
        get("/api/v1/openapi.json", Nobody, "This document", |r| r.to(document)).any(),
        get("/api/v1/me", Anybody, "Who asks, and what they may do", |r| r.to(people::me)).gives::<people::Me>(),
        // Definitions
        get("/api/v1/integrations", Anybody, "Integrations", |r| r.to(integrations::list))
            .query(&INCLUDE)
            .lists::<integrations::Integration>(),
        get("/api/v1/integrations/{tenant}/{name}", Tenant(Viewer), "One integration", |r| r.to(integrations::get))
            .gives::<integrations::Integration>(),
        put("/api/v1/integrations/{tenant}/{name}", Tenant(Developer), "Makes a definition the current version", |r| {
            r.to(integrations::put)
        })
        .conditional()
        .takes::<integrations::Written>()
        .gives::<integrations::AppliedDefinition>(),
        get("/api/v1/integrations/{tenant}/{name}/versions", Tenant(Viewer), "Its versions, the newest first", |r| {
            r.to(integrations::versions)
        })
        .query(&PAGES)
        .lists::<integrations::Version>(),
        post("/api/v1/integrations/{tenant}/{name}/rollback", Tenant(Developer), "An older version becomes the newest", |r| {
            r.to(integrations::rollback)
        })
        .may_take::<integrations::Back>()
        .gives::<integrations::BackAgain>(),
        post("/api/v1/integrations/{tenant}/{name}/run", Tenant(Operator), "One run of a schedule at once", |r| r.to(integrations::run))
            .gives_as::<integrations::Run>(202),
        post("/api/v1/apply", Anybody, "Applies definitions, connections and alerts: all, or none", |r| r.to(apply::apply))
            .takes::<apply::Apply>()
            .gives::<apply::Done>(),
        // Keys
        get("/api/v1/keys", Anybody, "API keys of callers", |r| r.to(keys::list)).query(&LISTED).lists::<keys::Key>(),
        post("/api/v1/keys", Anybody, "Makes a key", |r| r.to(keys::create)).takes::<keys::New>().gives_as::<keys::CreatedKey>(201),
        get("/api/v1/keys/{id}", Tenant(Viewer), "One key", |r| r.to(keys::get)).gives::<keys::Key>(),
        patch("/api/v1/keys/{id}", Tenant(Developer), "Changes a key", |r| r.to(keys::update)).takes::<keys::Change>().gives::<keys::Key>(),
        delete("/api/v1/keys/{id}", Tenant(Developer), "Deletes a key", |r| r.to(keys::delete)).gives::<Deleted>(),
        // Connections and alerts
        get("/api/v1/connections", Anybody, "Connections to other systems", |r| r.to(connections::list))
            .query(&LISTED)
            .lists::<connections::Connection>(),
        post(
            "/api/v1/connections/rotate",
            Everywhere(Administrator),
            "Encrypts everything anew under the first key; payloads beside the answer",
            |r| r.to(connections::rotate),
        )
        .gives::<connections::Rotated>(),
        get("/api/v1/connections/rotate", Everywhere(Administrator), "How far encrypting anew has come", |r| r.to(connections::rotation))
            .gives::<connections::RotationState>(),
        get("/api/v1/connections/{tenant}/{name}", Tenant(Viewer), "One connection, without its secrets", |r| r.to(connections::get))
            .gives::<connections::Connection>(),
        put("/api/v1/connections/{tenant}/{name}", Tenant(Developer), "Stores a connection", |r| r.to(connections::put))
            .conditional()
            .takes::<connections::Document>()
            .gives::<connections::Connection>(),
        delete("/api/v1/connections/{tenant}/{name}", Tenant(Developer), "Deletes a connection", |r| r.to(connections::delete))
            .gives::<Deleted>(),
        post("/api/v1/connections/{tenant}/{name}/test", Tenant(Operator), "Reaches its remote system", |r| r.to(connections::test))
            .gives::<connections::Tested>(),
        post("/api/v1/connections/{tenant}/{name}/enable", Tenant(Developer), "Lets steps use it", |r| r.to(connections::enable))
            .gives::<connections::Switched>(),
        post("/api/v1/connections/{tenant}/{name}/disable", Tenant(Developer), "Steps that use it fail", |r| r.to(connections::disable))
            .gives::<connections::Switched>(),
        get("/api/v1/alerts", Anybody, "Alerts, and how they stand", |r| r.to(connections::list_alerts))
            .query(&LISTED)
            .lists::<connections::Alert>(),
        get("/api/v1/alerts/{tenant}/{name}", Tenant(Viewer), "One alert", |r| r.to(connections::get_alert)).gives::<connections::Alert>(),
        put("/api/v1/alerts/{tenant}/{name}", Tenant(Developer), "Stores an alert", |r| r.to(connections::put_alert))
            .conditional()
            .takes::<connections::Document>()
            .gives::<connections::Alert>(),
        delete("/api/v1/alerts/{tenant}/{name}", Tenant(Developer), "Deletes an alert", |r| r.to(connections::delete_alert))
            .gives::<Deleted>(),
        post("/api/v1/alerts/{tenant}/{name}/test", Tenant(Operator), "Sends a message that is marked as a test", |r| {
            r.to(connections::test_alert)
        })
        .gives::<connections::TestedAlert>(),
        // The history
        get("/api/v1/executions", Anybody, "Executions, the newest first", |r| r.to(executions::list))
            .query(&SEARCH)
            .lists::<executions::Execution>(),
        get("/api/v1/executions/live", Anybody, "Executions as they end: server-sent events", |r| r.to(executions::live))
            .query(&SEARCH[..7])
            .streams(),
        post("/api/v1/executions/retry", Anybody, "Retries what a search finds, in order, in parts", |r| r.to(executions::retry_many))
            .takes::<executions::Many>()
            .gives::<executions::Part>(),
        get("/api/v1/executions/{id}", Tenant(Viewer), "One execution with all that is kept of it", |r| r.to(executions::get))
            .gives::<executions::Detail>(),
        post("/api/v1/executions/{id}/retry", Tenant(Operator), "Runs it once more", |r| r.to(executions::retry))
            .may_take::<executions::How>()
            .gives_as::<executions::Retried>(202),
        // Triggers
        get("/api/v1/triggers", Anybody, "Triggers, and which are halted", |r| r.to(triggers::list))
            .query(&LISTED)
            .lists::<triggers::Trigger>(),
        post("/api/v1/triggers/{tenant}/{name}/resume", Tenant(Operator), "Runs the failed execution again", |r| r.to(triggers::resume))
            .gives::<triggers::Decided>(),
        post("/api/v1/triggers/{tenant}/{name}/skip", Tenant(Operator), "Goes on without it", |r| r.to(triggers::skip))
            .gives::<triggers::Decided>(),
        get("/api/v1/schedules", Anybody, "Schedules, and what is due", |r| r.to(triggers::schedules))
            .query(&LISTED)
            .lists::<triggers::Schedule>(),
        get("/api/v1/diagnostics", Anybody, "Where everything is recorded", |r| r.to(triggers::diagnoses))
            .query(&LISTED)
            .lists::<triggers::Diagnosis>(),
        put("/api/v1/diagnostics/{tenant}/{name}", Tenant(Operator), "Records everything for a time", |r| r.to(triggers::diagnose))
            .takes::<triggers::Wanted>()
            .gives::<triggers::On>(),
        delete("/api/v1/diagnostics/{tenant}/{name}", Tenant(Operator), "Ends that", |r| r.to(triggers::end_diagnosis))
            .gives::<triggers::Off>(),
        // People
        get("/api/v1/tenants", Anybody, "Tenants", |r| r.to(people::tenants)).query(&LISTED).lists::<people::Tenant>(),
        patch("/api/v1/tenants/{tenant}", Tenant(Administrator), "Changes what is set for a tenant", |r| r.to(people::update_tenant))
            .takes::<people::TenantChange>()
            .gives::<people::Tenant>(),
        get("/api/v1/users", Everywhere(Administrator), "Users", |r| r.to(people::users)).query(&PAGES).lists::<people::User>(),
        post("/api/v1/users", PersonEverywhere(Administrator), "Invites a user, as a person: a token cannot", |r| {
            r.to(people::create_user)
        })
        .takes::<people::NewUser>()
        .gives_as::<people::User>(201),
        get("/api/v1/users/{id}", Everywhere(Administrator), "One user", |r| r.to(people::get_user)).gives::<people::User>(),
        patch("/api/v1/users/{id}", Everywhere(Administrator), "Changes a user", |r| r.to(people::update_user))
            .takes::<people::UserChange>()
            .gives::<people::User>(),
        delete("/api/v1/users/{id}", Everywhere(Administrator), "Deletes a user", |r| r.to(people::delete_user)).gives::<Deleted>(),
        get("/api/v1/tokens", Anybody, "One's own tokens; an administrator of everything sees all", |r| r.to(people::tokens))
            .query(&PAGES)
            .lists::<people::Token>(),
        post("/api/v1/tokens", Anybody, "Makes a token", |r| r.to(people::create_token))
            .takes::<people::NewTokenAsked>()
            .gives_as::<people::CreatedToken>(201),
        delete("/api/v1/tokens/{id}", Anybody, "Deletes a token", |r| r.to(people::delete_token)).gives::<Deleted>(),
        get("/api/v1/audit", SomeAdministrator, "Who changed what, the newest first", |r| r.to(people::audit))
            .query(&AUDIT)
            .lists::<people::Line>(),
        get("/api/v1/audit/export", SomeAdministrator, "The same as JSON lines, all of them", |r| r.to(people::export_audit))
            .query(&AUDIT[..6])
            .streams_as("application/jsonl"),
        // Monitor
        get("/api/v1/monitor/traffic", Anybody, "Throughput, failures and latency", |r| r.to(monitor::traffic))
            .query(&CHART)
            .lists::<monitor::Point>(),
        get("/api/v1/monitor/queues", Anybody, "Depth and oldest age of queues", |r| r.to(monitor::queues))
            .query(&LISTED)
            .lists::<monitor::Queue>(),
        get("/api/v1/monitor/workers", Everywhere(Viewer), "Workers that live", |r| r.to(monitor::workers))
            .query(&PAGES)
            .lists::<monitor::Worker>(),
        get("/api/v1/unreadable", Everywhere(Viewer), "Messages that no worker could read", |r| r.to(monitor::list_unreadable))
            .lists::<monitor::Unreadable>(),
        post("/api/v1/unreadable/{id}/return", Everywhere(Operator), "Back to its queue", |r| r.to(monitor::return_unreadable))
            .gives::<monitor::Returned>(),
        post("/api/v1/unreadable/{id}/discard", Everywhere(Operator), "Deletes it", |r| r.to(monitor::discard_unreadable))
            .gives::<Deleted>(),
    ]
}
