//! The OpenAPI 3.1 document, made from the routes and the types of their requests and responses.

use super::documented::{Described, Documented, described};
use crate::route::{Access, Route};
use actix_web::http::Method;
use forebay_admin_api::Problem;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

type To = fn(actix_web::Route) -> actix_web::Route;

fn route(method: Method, path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    let documented = Documented {
        summary,
        parameters: Vec::new(),
        takes: None,
        gives: None,
        status: 200,
        media: "application/json",
        conditional: false,
        deprecated: false,
    };
    Route { documented: Some(documented), ..Route::page(method, path, access, to) }
}

pub(super) fn get(path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    route(Method::GET, path, access, summary, to)
}

pub(super) fn post(path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    route(Method::POST, path, access, summary, to)
}

pub(super) fn put(path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    route(Method::PUT, path, access, summary, to)
}

pub(super) fn patch(path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    route(Method::PATCH, path, access, summary, to)
}

pub(super) fn delete(path: &'static str, access: Access, summary: &'static str, to: To) -> Route {
    route(Method::DELETE, path, access, summary, to)
}

/// Builders of the description.
impl Route {
    fn with(mut self, say: impl FnOnce(&mut Documented)) -> Self {
        if let Some(documented) = &mut self.documented {
            say(documented);
        }
        self
    }

    /// Adds the parameters of the path.
    pub(super) fn at<P: IntoParams>(self) -> Self {
        self.query::<P>()
    }

    /// Adds the parameters of the query.
    pub(super) fn query<Q: IntoParams>(self) -> Self {
        self.with(|documented| documented.parameters.extend(Q::into_params(|| None)))
    }

    pub(super) fn takes<T: ToSchema>(self) -> Self {
        self.with(|documented| documented.takes = Some((described::<T>(), true)))
    }

    /// Sets the type of an optional body.
    pub(super) fn may_take<T: ToSchema>(self) -> Self {
        self.with(|documented| documented.takes = Some((described::<T>(), false)))
    }

    pub(super) fn gives<T: ToSchema>(self) -> Self {
        self.with(|documented| documented.gives = Some(described::<T>()))
    }

    pub(super) fn gives_as<T: ToSchema>(self, status: u16) -> Self {
        self.gives::<T>().with(|documented| documented.status = status)
    }

    /// Sets the response: a page of `T`.
    pub(super) fn lists<T: ToSchema>(self) -> Self {
        self.with(|documented| {
            let mut row = described::<T>();
            row.others.retain(|(name, _)| !name.is_empty());
            let schema = json!({
                "type": "object",
                "required": ["items", "next"],
                "properties": {
                    "items": { "type": "array", "items": row.schema },
                    "next": { "type": ["string", "null"], "description": "The `cursor` of the next page; null: this is the last page." },
                },
            });
            documented.gives = Some(Described { schema, others: row.others });
        })
    }

    pub(super) fn streams(self) -> Self {
        self.streams_as("text/event-stream")
    }

    pub(super) fn streams_as(self, media: &'static str) -> Self {
        self.with(|documented| {
            documented.media = media;
            documented.gives = Some(Described { schema: json!({ "type": "string" }), others: Vec::new() });
        })
    }

    /// Sets the response: any JSON object.
    pub(super) fn any(self) -> Self {
        self.with(|documented| documented.gives = Some(Described { schema: json!({ "type": "object" }), others: Vec::new() }))
    }

    /// Marks a former address, which works for one release.
    pub(super) fn deprecated(self) -> Self {
        self.with(|documented| documented.deprecated = true)
    }

    /// Requires `If-Match` or `If-None-Match: *`, with the revision that a change was made from.
    pub(super) fn conditional(self) -> Self {
        self.with(|documented| documented.conditional = true)
    }
}

/// Returns the document of these routes.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    for route in routes {
        let Some(documented) = &route.documented else { continue };
        for (name, schema) in documented.gives.iter().flat_map(|described| &described.others) {
            schemas.entry(name.clone()).or_insert_with(|| json!(schema));
        }
        for (name, schema) in documented.takes.iter().flat_map(|(described, _)| &described.others) {
            schemas.entry(name.clone()).or_insert_with(|| json!(schema));
        }
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[route.method.as_str().to_lowercase()] = operation(route, documented);
    }
    for (name, schema) in described::<Problem>().others {
        schemas.insert(name, json!(schema));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Forebay admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "All actions of the command and of the console's pages. Requests for objects of tenants that the caller may not see get 404.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An API token, created on the console's page of tokens." },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "forebay",
                    "description": "The session of the console's pages; its name is __Host-forebay if they are reached by https. \
                                    Requests that change anything must come from the console's own pages.",
                },
            },
        },
        "security": [{ "token": [] }, { "session": [] }],
    })
}

fn operation(route: &Route, documented: &Documented) -> Value {
    let mut parameters: Vec<Value> = documented.parameters.iter().map(|parameter| json!(parameter)).collect();
    if documented.conditional {
        let tag = "The ETag of the version that was changed, or * for any version; one of the two headers is required.";
        parameters.push(json!({ "name": "If-Match", "in": "header", "description": tag, "schema": { "type": "string", "pattern": r#"^(\*|[0-9]{1,9}|"[0-9]{1,9}")$"# } }));
        let none = "*: the object must not exist yet.";
        parameters
            .push(json!({ "name": "If-None-Match", "in": "header", "description": none, "schema": { "type": "string", "enum": ["*"] } }));
    }
    let mut operation = json!({
        "summary": documented.summary,
        "operationId": operation_id(route),
        "x-forebay-role": role_of(route.access),
        "responses": responses(route, documented),
    });
    if documented.deprecated {
        operation["deprecated"] = true.into();
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some((takes, is_required)) = &documented.takes {
        operation["requestBody"] = json!({ "required": is_required, "content": { "application/json": { "schema": takes.schema } } });
    }
    if route.access == Access::Public {
        operation["security"] = json!([]);
    }
    operation
}

fn responses(route: &Route, documented: &Documented) -> Value {
    let schema = documented.gives.as_ref().map_or_else(|| json!({}), |gives| gives.schema.clone());
    let mut responses = json!({
        documented.status.to_string(): { "description": "Done.", "content": { documented.media: { "schema": schema } } },
    });
    let problem = |about: &str| json!({ "description": about, "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    let mut may = |status: &str, about: &str| responses[status] = problem(about);
    may("400", "The request is not valid.");
    may("503", "The database or the broker cannot be reached; try again.");
    if route.access != Access::Public {
        may("401", "The token is missing or not valid.");
        may("403", "The role does not allow it.");
        may("404", "The object does not exist, or the caller may not see it.");
        may("409", "The current state does not allow it, or this console's broker is not the installation's.");
    }
    if documented.takes.is_some() {
        may("413", "The body is too large.");
        may("415", "The body is not JSON.");
    }
    if route.method != Method::GET {
        may("412", "The object was changed since the caller read it.");
        may("422", "A value is not valid.");
    }
    if documented.conditional {
        may("428", "If-Match or If-None-Match is missing.");
    }
    responses
}

fn operation_id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/api/v1/").split('/').map(|part| part.trim_matches(['{', '}']).replace(".json", ""));
    std::iter::once(route.method.as_str().to_lowercase()).chain(words).collect::<Vec<_>>().join("-")
}

fn role_of(access: Access) -> String {
    match access {
        Access::Public => "none: public".to_owned(),
        Access::SignedIn => "any; the response depends on the tenants of the caller".to_owned(),
        Access::Role(role) => format!("{role} of the tenant"),
        Access::RoleInAllTenants(role) => format!("{role} of all tenants"),
        Access::PersonInAllTenants(role) => format!("{role} of all tenants, as a user: not with a token"),
        Access::AdministratorOfAnyTenant => "administrator of a tenant".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{openapi, routes};

    #[test]
    fn every_placeholder_of_an_address_is_a_parameter() {
        for route in routes() {
            let document = openapi();
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            let in_path = |parameter: &&Value| parameter["in"] == "path" && parameter["required"] == true;
            let parameters: Vec<&str> =
                operation["parameters"].as_array().into_iter().flatten().filter(in_path).filter_map(|one| one["name"].as_str()).collect();
            let placeholders: Vec<&str> = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(parameters, placeholders, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn every_route_is_in_the_document_and_every_reference_leads_somewhere() {
        let document = openapi();
        for route in routes() {
            assert!(document["paths"][route.path][route.method.as_str().to_lowercase()].is_object(), "{} {}", route.method, route.path);
        }
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        let ids: Vec<&Value> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .map(|one| &one["operationId"])
            .collect();
        let mut once = ids.clone();
        once.dedup();
        assert_eq!(ids.len(), once.len());
    }
}
