//! The admin API: all actions of the pages and of the command, as JSON under `/api/v1`.

mod alerts;
mod apply;
mod audit;
mod connections;
pub(crate) mod documented;
mod executions;
mod integrations;
mod keys;
mod monitor;
mod openapi;
mod paging;
mod pauses;
mod people;
pub(crate) mod response;
mod triggers;

use self::response::{ApiResult, ok};
use crate::route::{Access, Route};
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
use forebay_admin_api::triggers::{DecidedTrigger, PauseRequest, PausedTarget, ResumedTarget, Trigger};
use forebay_admin_api::unreadable::{ReturnedMessage, UnreadableMessage};
use forebay_admin_api::users::{CreateUserRequest, Me, UpdateUserRequest, User};
use forebay_admin_api::{Deleted, ExecutionPath, IdPath, ListQuery, MessagePath, NamePath, PageQuery, TenantPath};
use forebay_store::Role;
use serde_json::Value;

/// Returns the OpenAPI document of the API.
#[must_use]
pub fn openapi() -> Value {
    openapi::document(&routes())
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
        get("/api/v1/me", SignedIn, "The caller and its roles", |r| r.to(people::me)).gives::<Me>(),
        // Definitions
        get("/api/v1/integrations", SignedIn, "Integrations", |r| r.to(integrations::list))
            .query::<IntegrationQuery>()
            .lists::<Integration>(),
        get("/api/v1/integrations/{tenant}/{name}", RoleOf(Viewer), "One integration", |r| r.to(integrations::get))
            .at::<NamePath>()
            .gives::<Integration>(),
        put("/api/v1/integrations/{tenant}/{name}", RoleOf(Developer), "Stores a definition as the current version", |r| {
            r.to(integrations::put)
        })
        .at::<NamePath>()
        .conditional()
        .takes::<WrittenDocument>()
        .gives::<AppliedDefinition>(),
        get("/api/v1/integrations/{tenant}/{name}/versions", RoleOf(Viewer), "Versions of an integration, the newest first", |r| {
            r.to(integrations::versions)
        })
        .at::<NamePath>()
        .query::<PageQuery>()
        .lists::<Version>(),
        post(
            "/api/v1/integrations/{tenant}/{name}/rollback",
            RoleOf(Developer),
            "Creates a version with the definition of an older version",
            |r| r.to(integrations::rollback),
        )
        .at::<NamePath>()
        .may_take::<RollbackRequest>()
        .gives::<RolledBack>(),
        post("/api/v1/integrations/{tenant}/{name}/run", RoleOf(Operator), "Starts a run of a schedule now", |r| r.to(integrations::run))
            .at::<NamePath>()
            .gives_as::<StartedRun>(202),
        post("/api/v1/apply", SignedIn, "Stores definitions, connections and alerts: all of them or none", |r| r.to(apply::apply))
            .takes::<ApplyRequest>()
            .gives::<Applied>(),
        // Keys
        get("/api/v1/keys", SignedIn, "API keys of callers", |r| r.to(keys::list)).query::<ListQuery>().lists::<Key>(),
        post("/api/v1/keys", SignedIn, "Creates a key", |r| r.to(keys::create)).takes::<CreateKeyRequest>().gives_as::<CreatedKey>(201),
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
            "Starts the re-encryption of all stored secrets with the first key",
            |r| r.to(connections::rotate),
        )
        .gives::<StartedRotation>(),
        get("/api/v1/connections/rotate", RoleInAllTenants(Administrator), "Progress of the re-encryption", |r| {
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
        post("/api/v1/connections/{tenant}/{name}/test", RoleOf(Operator), "Tests if the remote system can be reached", |r| {
            r.to(connections::test)
        })
        .at::<NamePath>()
        .gives::<TestedConnection>(),
        post("/api/v1/connections/{tenant}/{name}/enable", RoleOf(Developer), "Enables a connection", |r| r.to(connections::enable))
            .at::<NamePath>()
            .gives::<ConnectionEnabled>(),
        post("/api/v1/connections/{tenant}/{name}/disable", RoleOf(Developer), "Disables a connection: steps that use it fail", |r| {
            r.to(connections::disable)
        })
        .at::<NamePath>()
        .gives::<ConnectionEnabled>(),
        post("/api/v1/connections/{tenant}/{name}/pause", RoleOf(Operator), "Pauses all triggers whose steps use a connection", |r| {
            r.to(pauses::pause_connection)
        })
        .at::<NamePath>()
        .may_take::<PauseRequest>()
        .gives::<PausedTarget>(),
        post("/api/v1/connections/{tenant}/{name}/resume", RoleOf(Operator), "Ends the pause of a connection", |r| {
            r.to(pauses::resume_connection)
        })
        .at::<NamePath>()
        .gives::<ResumedTarget>(),
        get("/api/v1/alerts", SignedIn, "Alerts and their state", |r| r.to(alerts::list)).query::<ListQuery>().lists::<Alert>(),
        get("/api/v1/alerts/{tenant}/{name}", RoleOf(Viewer), "One alert", |r| r.to(alerts::get)).at::<NamePath>().gives::<Alert>(),
        put("/api/v1/alerts/{tenant}/{name}", RoleOf(Developer), "Stores an alert", |r| r.to(alerts::put))
            .at::<NamePath>()
            .conditional()
            .takes::<PutDocumentRequest>()
            .gives::<Alert>(),
        delete("/api/v1/alerts/{tenant}/{name}", RoleOf(Developer), "Deletes an alert", |r| r.to(alerts::delete))
            .at::<NamePath>()
            .gives::<Deleted>(),
        post("/api/v1/alerts/{tenant}/{name}/test", RoleOf(Operator), "Sends a notification that is marked as a test", |r| {
            r.to(alerts::test)
        })
        .at::<NamePath>()
        .gives::<TestedAlert>(),
        // The history
        get("/api/v1/executions", SignedIn, "Executions, the newest first", |r| r.to(executions::list))
            .query::<ExecutionQuery>()
            .lists::<Execution>(),
        get("/api/v1/executions/live", SignedIn, "Executions as they end: server-sent events", |r| r.to(executions::live))
            .query::<ExecutionFilter>()
            .streams(),
        post("/api/v1/executions/retry", SignedIn, "Retries the executions that match a filter, in order and in parts", |r| {
            r.to(executions::retry_many)
        })
        .takes::<RetryFoundRequest>()
        .gives::<RetryFoundResponse>(),
        get("/api/v1/executions/{id}", RoleOf(Viewer), "One execution with all its stored data", |r| r.to(executions::get))
            .at::<ExecutionPath>()
            .gives::<ExecutionDetail>(),
        post("/api/v1/executions/{id}/retry", RoleOf(Operator), "Retries an execution", |r| r.to(executions::retry))
            .at::<ExecutionPath>()
            .may_take::<RetryRequest>()
            .gives_as::<RetriedExecution>(202),
        // Triggers
        get("/api/v1/triggers", SignedIn, "Triggers and their state", |r| r.to(triggers::list)).query::<ListQuery>().lists::<Trigger>(),
        post("/api/v1/triggers/{tenant}/{name}/pause", RoleOf(Operator), "Pauses a trigger: calls are accepted, and none starts", |r| {
            r.to(pauses::pause_trigger)
        })
        .at::<NamePath>()
        .may_take::<PauseRequest>()
        .gives::<PausedTarget>(),
        post(
            "/api/v1/triggers/{tenant}/{name}/resume",
            RoleOf(Operator),
            "Ends the pause of a trigger; of a halted trigger, retries the failed execution",
            |r| r.to(triggers::resume),
        )
        .at::<NamePath>()
        .gives::<DecidedTrigger>(),
        post("/api/v1/triggers/{tenant}/{name}/skip", RoleOf(Operator), "Skips the failed execution, and resumes the trigger", |r| {
            r.to(triggers::skip)
        })
        .at::<NamePath>()
        .gives::<DecidedTrigger>(),
        get("/api/v1/schedules", SignedIn, "Schedules and their next runs", |r| r.to(triggers::schedules))
            .query::<ListQuery>()
            .lists::<Schedule>(),
        get("/api/v1/diagnostics", SignedIn, "Integrations with diagnostics on", |r| r.to(triggers::diagnoses))
            .query::<ListQuery>()
            .lists::<Diagnosis>(),
        put("/api/v1/diagnostics/{tenant}/{name}", RoleOf(Operator), "Enables the diagnostics of an integration for a limited time", |r| {
            r.to(triggers::diagnose)
        })
        .at::<NamePath>()
        .takes::<EnableDiagnosticsRequest>()
        .gives::<DiagnosticsEnabled>(),
        delete("/api/v1/diagnostics/{tenant}/{name}", RoleOf(Operator), "Disables the diagnostics of an integration", |r| {
            r.to(triggers::end_diagnosis)
        })
        .at::<NamePath>()
        .gives::<DiagnosticsDisabled>(),
        // People
        get("/api/v1/tenants", SignedIn, "Tenants", |r| r.to(people::tenants)).query::<ListQuery>().lists::<Tenant>(),
        patch("/api/v1/tenants/{tenant}", RoleOf(Administrator), "Changes the settings of a tenant", |r| r.to(people::update_tenant))
            .at::<TenantPath>()
            .takes::<UpdateTenantRequest>()
            .gives::<Tenant>(),
        post("/api/v1/tenants/{tenant}/pause", RoleOf(Operator), "Pauses all triggers of a tenant", |r| r.to(pauses::pause_tenant))
            .at::<TenantPath>()
            .may_take::<PauseRequest>()
            .gives::<PausedTarget>(),
        post("/api/v1/tenants/{tenant}/resume", RoleOf(Operator), "Ends the pause of a tenant", |r| r.to(pauses::resume_tenant))
            .at::<TenantPath>()
            .gives::<ResumedTarget>(),
        get("/api/v1/users", RoleInAllTenants(Administrator), "Users", |r| r.to(people::users)).query::<PageQuery>().lists::<User>(),
        post("/api/v1/users", PersonInAllTenants(Administrator), "Creates a user; not with a token", |r| r.to(people::create_user))
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
        get("/api/v1/tokens", SignedIn, "Tokens of the caller; for an administrator of all tenants, all tokens", |r| r.to(people::tokens))
            .query::<PageQuery>()
            .lists::<Token>(),
        post("/api/v1/tokens", SignedIn, "Creates a token", |r| r.to(people::create_token))
            .takes::<CreateTokenRequest>()
            .gives_as::<CreatedToken>(201),
        delete("/api/v1/tokens/{id}", SignedIn, "Deletes a token", |r| r.to(people::delete_token)).at::<IdPath>().gives::<Deleted>(),
        get("/api/v1/audit", AdministratorOfAnyTenant, "The audit log, the newest entries first", |r| r.to(audit::list))
            .query::<AuditQuery>()
            .lists::<AuditEntry>(),
        get("/api/v1/audit/export", AdministratorOfAnyTenant, "All entries of the audit log as JSON lines", |r| r.to(audit::export))
            .query::<AuditFilter>()
            .streams_as("application/jsonl"),
        // Monitor
        get("/api/v1/monitor/statistics", SignedIn, "Execution statistics: throughput, failures and durations", |r| {
            r.to(monitor::statistics)
        })
        .query::<StatisticsQuery>()
        .lists::<StatisticsPoint>(),
        get("/api/v1/monitor/traffic", SignedIn, "The former address of /api/v1/monitor/statistics", |r| r.to(monitor::statistics))
            .deprecated()
            .query::<StatisticsQuery>()
            .lists::<StatisticsPoint>(),
        get("/api/v1/monitor/queues", SignedIn, "Depth and oldest age of queues", |r| r.to(monitor::queues))
            .query::<ListQuery>()
            .lists::<Queue>(),
        get("/api/v1/monitor/workers", RoleInAllTenants(Viewer), "Live workers", |r| r.to(monitor::workers))
            .query::<PageQuery>()
            .lists::<Worker>(),
        get("/api/v1/unreadable", RoleInAllTenants(Viewer), "Messages that no worker could read", |r| r.to(monitor::list_unreadable))
            .lists::<UnreadableMessage>(),
        post("/api/v1/unreadable/{id}/return", RoleInAllTenants(Operator), "Returns a message to its queue", |r| {
            r.to(monitor::return_unreadable)
        })
        .at::<MessagePath>()
        .gives::<ReturnedMessage>(),
        post("/api/v1/unreadable/{id}/discard", RoleInAllTenants(Operator), "Deletes an unreadable message", |r| {
            r.to(monitor::discard_unreadable)
        })
        .at::<MessagePath>()
        .gives::<Deleted>(),
    ]
}
