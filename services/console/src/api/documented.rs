//! The description of a route in the OpenAPI document.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};

/// The schema of a Rust type.
pub(super) struct Described {
    pub(super) schema: Value,
    /// Schemas of the types that it refers to.
    pub(super) others: Vec<(String, RefOr<Schema>)>,
}

/// Returns the schema of a type.
pub(super) fn described<T: ToSchema>() -> Described {
    let mut others = Vec::new();
    T::schemas(&mut others);
    others.push((T::name().into_owned(), T::schema()));
    Described { schema: json!({ "$ref": format!("#/components/schemas/{}", T::name()) }), others }
}

/// The description of a route.
pub(crate) struct Documented {
    pub(super) summary: &'static str,
    /// The parameters of its path, then those of its query.
    pub(super) parameters: Vec<Parameter>,
    pub(super) takes: Option<(Described, bool)>,
    pub(super) gives: Option<Described>,
    pub(super) status: u16,
    pub(super) media: &'static str,
    pub(super) conditional: bool,
    pub(super) deprecated: bool,
}
