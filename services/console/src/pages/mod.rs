//! Pages for people: each handler calls the operations, and draws their result.

mod alerts;
pub(crate) mod assets;
pub(crate) mod bulk;
mod conflict;
mod connections;
pub(crate) mod editor;
mod executions;
mod flash;
mod integrations;
mod keys;
mod monitor;
mod people;
pub(crate) mod sent;
mod sign_in;
mod trial;
mod written;

use crate::auth::Caller;
use crate::failure::Failure;
use crate::guard::DidNothing;
use crate::live;
use crate::route::{Access, Route};
use crate::view::page::{Frame, Section, page};
use crate::view::problem::problem;
use actix_web::http::header::{HOST, LOCATION, REFERER, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use forebay_contract::Name;
use forebay_operations::OperationError;
use forebay_store::{Role, StoreError};
use maud::Markup;
use std::fmt;

/// The response of a page.
pub(crate) type PageResult = Result<HttpResponse, PageError>;

/// The reason for which a page cannot be shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// An error page.
    Failed(Failure),
    /// The person must sign in first, and then returns to this address.
    SignIn(String),
}

impl PageError {
    /// Leads to the sign-in. Afterwards the person returns to the page; never to an address that changes something.
    pub(crate) fn sign_in(request: &HttpRequest) -> Self {
        let next = match *request.method() {
            Method::GET => request.uri().path_and_query().map_or("/", |place| place.as_str()).to_owned(),
            // Returns to the page of the form, which may have a draft.
            _ => page_of_form(request).unwrap_or_else(|| "/".to_owned()),
        };
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        Self::SignIn(format!("/sign-in?{query}"))
    }
}

/// Returns the page from which a form was sent; a browser does not send it to other sites.
fn page_of_form(request: &HttpRequest) -> Option<String> {
    let from = request.headers().get(REFERER)?.to_str().ok()?.parse::<actix_web::http::Uri>().ok()?;
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let is_here = from.authority().is_some_and(|authority| authority.as_str() == host);
    from.path_and_query().filter(|_| is_here).map(|place| place.as_str().to_owned())
}

impl From<OperationError> for PageError {
    fn from(error: OperationError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for PageError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => f.write_str(&failure.detail),
            Self::SignIn(_) => f.write_str("not signed in"),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Failed(failure) => failure.status,
            Self::SignIn(_) => StatusCode::SEE_OTHER,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn(place) => see_other(place),
            Self::Failed(failure) => {
                let mut response = HttpResponse::build(failure.status);
                for (name, value) in failure.headers.iter().filter(|(name, _)| *name != SET_COOKIE) {
                    response.insert_header((name.clone(), value.as_str()));
                }
                html_of(&mut response, problem(failure.status.as_u16(), &failure.detail))
            }
        }
    }
}

/// Redirects to another page, by GET.
pub(crate) fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

/// Marks the response to a form that has changed nothing: loading it again changes nothing either.
fn did_nothing(mut response: HttpResponse) -> HttpResponse {
    response.extensions_mut().insert(DidNothing);
    response
}

fn html_of(response: &mut actix_web::HttpResponseBuilder, markup: Markup) -> HttpResponse {
    response.content_type("text/html; charset=utf-8").body(markup.into_string())
}

/// Returns a page without navigation.
fn bare(markup: Markup) -> HttpResponse {
    html_of(&mut HttpResponse::Ok(), markup)
}

/// A page with navigation.
struct Framed<'a> {
    frame: Frame<'a>,
}

impl<'a> Framed<'a> {
    fn new(caller: &'a Caller, section: Section, title: &'a str) -> Self {
        let seen = caller.actor.tenants(Role::Viewer);
        let frame = Frame {
            title,
            section,
            lead: "",
            above: &[],
            who: caller.actor.name(),
            administers: caller.actor.may_everywhere(Role::Administrator).is_ok(),
            reads_audit: caller.actor.grants().strongest() == Some(Role::Administrator),
            halted: caller.state.halted(&seen),
            live: "",
            has_editor: false,
        };
        Self { frame }
    }

    /// Sets the text under the heading.
    fn lead(mut self, lead: &'a str) -> Self {
        self.frame.lead = lead;
        self
    }

    /// Sets the pages above this one.
    fn above(mut self, above: &'a [(String, String)]) -> Self {
        self.frame.above = above;
        self
    }

    /// Follows the events at this address.
    fn live(mut self, source: &'a str) -> Self {
        self.frame.live = source;
        self
    }

    fn with_editor(mut self) -> Self {
        self.frame.has_editor = true;
        self
    }

    fn show(self, head: &Markup, content: &Markup) -> HttpResponse {
        self.show_as(StatusCode::OK, head, content)
    }

    /// Returns the page with another status: a field of the form is not valid, and the page says why.
    fn show_as(mut self, status: StatusCode, head: &Markup, content: &Markup) -> HttpResponse {
        if status != StatusCode::OK {
            // The response answers a form, and has no address that could be fetched again.
            self.frame.live = "";
        }
        html_of(&mut HttpResponse::build(status), page(&self.frame, head, content))
    }
}

/// Reads the name of a tenant, integration or connection in an address or form.
fn name(text: &str) -> Result<Name, PageError> {
    text.parse().map_err(|error: forebay_contract::NameError| Failure::bad_request(error.to_string()).into())
}

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
        post("/tokens", SignedIn, |route| route.to(people::make_token)),
        post("/tokens/{id}/delete", SignedIn, |route| route.to(people::delete_token)),
        get("/audit", AdministratorOfAnyTenant, |route| route.to(people::audit)),
    ]
}
