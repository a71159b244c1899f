//! An endpoint in the documents of a tenant.

use forebay_contract::definition::{Definition, Webhook};

/// An integration with an enabled webhook.
#[derive(Clone, Copy)]
pub(super) struct Endpoint<'a> {
    pub(super) definition: &'a Definition,
    pub(super) webhook: &'a Webhook,
    pub(super) version: i32,
    /// Maximum bytes of a body, by the definition and the settings of this process.
    pub(super) max_bytes: usize,
}
