//! Pages for users: each handler calls the operations, and draws their result.

mod alerts;
pub(crate) mod assets;
mod bulk;
mod conflict;
mod connections;
pub(crate) mod editor;
pub(crate) mod error;
mod executions;
mod flash;
mod frame;
mod integrations;
mod keys;
mod messages;
mod monitor;
mod people;
mod saved;
pub(crate) mod sent;
mod sign_in;
mod trial;
mod written;

use crate::live;
use crate::route::{Access, Route};
use actix_web::http::Method;
use forebay_store::Role;

/// The routes of the pages.
pub(crate) fn routes() -> Vec<Route> {
    use Access::{AdministratorOfAnyTenant, PersonInAllTenants, Public, Role as RoleOf, RoleInAllTenants, SignedIn};
    use Role::{Administrator, Developer, Operator, Viewer};
    let get = |path, access, to| Route::page(Method::GET, path, access, to);
    let post = |path, access, to| Route::page(Method::POST, path, access, to);
    vec![
        get("/", SignedIn, |route| route.to(integrations::home)),
        get("/assets/{hash}/{name}", Public, |route| route.to(assets::get)),
        get("/live", SignedIn, |route| route.to(live::live)),
        // Signing in
        get("/setup", Public, |route| route.to(sign_in::setup)),
        post("/setup", Public, |route| route.to(sign_in::set_up)),
        get("/sign-in", Public, |route| route.to(sign_in::form)),
        post("/sign-in", Public, |route| route.to(sign_in::sign_in)),
        get("/sign-in/oidc", Public, |route| route.to(sign_in::begin_oidc)),
        get("/sign-in/oidc/callback", Public, |route| route.to(sign_in::finish_oidc)),
        get("/signed-in", SignedIn, |route| route.to(sign_in::is_signed_in)),
        post("/sign-out", Public, |route| route.to(sign_in::sign_out)),
        get("/account", SignedIn, |route| route.to(sign_in::account)),
        post("/account/password", SignedIn, |route| route.to(sign_in::change_password)),
        // Integrations
        get("/integrations", SignedIn, |route| route.to(integrations::list)),
        get("/integrations/new", SignedIn, |route| route.to(editor::new)),
        get("/integrations/{tenant}/{name}", RoleOf(Viewer), |route| route.to(integrations::overview)),
        get("/integrations/{tenant}/{name}/edit", RoleOf(Viewer), |route| route.to(editor::edit)),
        get("/integrations/{tenant}/{name}/versions", RoleOf(Viewer), |route| route.to(integrations::versions)),
        get("/integrations/{tenant}/{name}/try", RoleOf(Viewer), |route| route.to(trial::form)),
        post("/integrations/{tenant}/{name}/try", RoleOf(Operator), |route| route.to(trial::send)),
        post("/integrations/{tenant}/{name}/rollback", RoleOf(Developer), |route| route.to(integrations::rollback)),
        post("/integrations/{tenant}/{name}/enable", RoleOf(Developer), |route| route.to(integrations::enable)),
        post("/integrations/{tenant}/{name}/disable", RoleOf(Developer), |route| route.to(integrations::disable)),
        post("/integrations/{tenant}/{name}/run", RoleOf(Operator), |route| route.to(integrations::run)),
        post("/integrations/{tenant}/{name}/diagnostics", RoleOf(Operator), |route| route.to(integrations::diagnostics)),
        post("/editor", SignedIn, |route| route.to(editor::submit)),
        post("/editor/check", SignedIn, |route| route.to(editor::check)),
        // Executions
        get("/executions", SignedIn, |route| route.to(executions::list)),
        get("/executions/{id}", RoleOf(Viewer), |route| route.to(executions::show)),
        post("/executions/{id}/retry", RoleOf(Operator), |route| route.to(executions::retry)),
        post("/executions/retry", SignedIn, |route| route.to(bulk::submit)),
        post("/executions/retry/stop", SignedIn, |route| route.to(bulk::stop)),
        // Monitor
        get("/monitor", SignedIn, |route| route.to(monitor::show)),
        post("/triggers/{tenant}/{name}/pause", RoleOf(Operator), |route| route.to(monitor::pause)),
        post("/triggers/{tenant}/{name}/resume", RoleOf(Operator), |route| route.to(monitor::resume)),
        post("/triggers/{tenant}/{name}/skip", RoleOf(Operator), |route| route.to(monitor::skip)),
        post("/unreadable/{id}/return", RoleInAllTenants(Operator), |route| route.to(monitor::return_unreadable)),
        post("/unreadable/{id}/discard", RoleInAllTenants(Operator), |route| route.to(monitor::discard_unreadable)),
        // Alerts
        get("/alerts", SignedIn, |route| route.to(alerts::list)),
        get("/alerts/new", SignedIn, |route| route.to(alerts::new)),
        post("/alerts", SignedIn, |route| route.to(alerts::save)),
        get("/alerts/{tenant}/{name}", RoleOf(Viewer), |route| route.to(alerts::edit)),
        post("/alerts/{tenant}/{name}/test", RoleOf(Operator), |route| route.to(alerts::test)),
        post("/alerts/{tenant}/{name}/delete", RoleOf(Developer), |route| route.to(alerts::delete)),
        // Connections
        get("/connections", SignedIn, |route| route.to(connections::list)),
        get("/connections/new", SignedIn, |route| route.to(connections::new)),
        post("/connections", SignedIn, |route| route.to(connections::save)),
        get("/connections/{tenant}/{name}", RoleOf(Viewer), |route| route.to(connections::edit)),
        post("/connections/{tenant}/{name}/test", RoleOf(Operator), |route| route.to(connections::test)),
        post("/connections/{tenant}/{name}/enable", RoleOf(Developer), |route| route.to(connections::enable)),
        post("/connections/{tenant}/{name}/disable", RoleOf(Developer), |route| route.to(connections::disable)),
        post("/connections/{tenant}/{name}/delete", RoleOf(Developer), |route| route.to(connections::delete)),
        // Keys of callers
        get("/keys", SignedIn, |route| route.to(keys::list)),
        post("/keys", SignedIn, |route| route.to(keys::create)),
        post("/keys/grant", SignedIn, |route| route.to(keys::grant)),
        post("/keys/{id}/revoke", RoleOf(Developer), |route| route.to(keys::revoke)),
        post("/keys/{id}/edit", RoleOf(Developer), |route| route.to(keys::edit)),
        post("/keys/{id}/delete", RoleOf(Developer), |route| route.to(keys::delete)),
        // People
        get("/users", RoleInAllTenants(Administrator), |route| route.to(people::users)),
        post("/users", PersonInAllTenants(Administrator), |route| route.to(people::add_user)),
        post("/users/{id}/enable", PersonInAllTenants(Administrator), |route| route.to(people::enable_user)),
        post("/users/{id}/disable", RoleInAllTenants(Administrator), |route| route.to(people::disable_user)),
        post("/users/{id}/grants", RoleInAllTenants(Administrator), |route| route.to(people::change_grants)),
        post("/users/{id}/password", PersonInAllTenants(Administrator), |route| route.to(people::set_password)),
        post("/users/{id}/delete", RoleInAllTenants(Administrator), |route| route.to(people::delete_user)),
        get("/tokens", SignedIn, |route| route.to(people::tokens)),
        post("/tokens", SignedIn, |route| route.to(people::create_token)),
        post("/tokens/{id}/delete", SignedIn, |route| route.to(people::delete_token)),
        get("/audit", AdministratorOfAnyTenant, |route| route.to(people::audit)),
    ]
}
