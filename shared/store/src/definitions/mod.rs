//! Integrations: their versions, tenants and caps.

pub(crate) mod caps;
pub(crate) mod integrations;
pub(crate) mod tenants;
pub(crate) mod versions;
