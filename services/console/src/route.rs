//! A route: its path, its access and its handler.

use crate::api::documented::Documented;
use actix_web::http::Method;
use forebay_store::Role;

/// The access to a route: the callers that may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Public,
    /// Everybody who is signed in; the response depends on the caller.
    SignedIn,
    /// Callers with this role in the tenant that the request is about.
    Role(Role),
    /// Callers with this role in every tenant.
    RoleInAllTenants(Role),
    /// People with this role in every tenant: a token is refused.
    PersonInAllTenants(Role),
    /// Administrators of any tenant.
    AdministratorOfAnyTenant,
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path with placeholders, such as `/api/v1/keys/{id}`.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Adds the handler to a route with its guards.
    pub(crate) to: fn(actix_web::Route) -> actix_web::Route,
    /// The description of a route of the API.
    pub(crate) documented: Option<Documented>,
}

impl Route {
    /// Creates a route of the pages.
    pub(crate) fn page(method: Method, path: &'static str, access: Access, to: fn(actix_web::Route) -> actix_web::Route) -> Self {
        Self { method, path, access, to, documented: None }
    }
}
