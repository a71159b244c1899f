//! Integrations: their versions and tenants.

pub(crate) mod integrations;
pub(crate) mod schedule_places;
pub(crate) mod tenants;
pub(crate) mod trigger_kind;
pub(crate) mod versions;
