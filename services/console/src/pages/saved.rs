//! The version that the editor has just saved, in the address of the page after it.

use crate::view::integrations::address;
use forebay_store::{Applied, Change};
use serde::Deserialize;

/// The version that the editor has just saved.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Saved {
    /// The version that is current then; 0: nothing was saved.
    pub(super) saved: i32,
    /// True if it is a new version.
    pub(super) changed: bool,
}

/// Returns the address of the page that shows the saved version.
pub(super) fn saved_address(applied: &Applied) -> String {
    let place = address(applied.path.tenant.as_str(), applied.path.name.as_str());
    format!("{place}?saved={}&changed={}", applied.version, applied.change != Change::Unchanged)
}
