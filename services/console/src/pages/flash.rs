//! What a page shows once, after the form that it answers. A form that has done something leads to another page by GET, which can be loaded
//! again and does nothing; what it did is on that page the first time.

use super::{PageError, PageResult, see_other};
use crate::auth::Caller;
use crate::view::connections::Tested;
use crate::view::try_it::{Answer, Call};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// A browser follows at once; who is slower finds the page without it.
const LASTS: Duration = Duration::from_secs(300);

/// What is shown once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Flash {
    /// A key of a caller, the only time that it is seen.
    KeyCreated {
        /// What it is for.
        label: String,
        /// What callers send, or sign with.
        key: String,
        /// Whether they sign with it.
        signs: bool,
    },
    /// A token, the only time that it is seen.
    TokenCreated(String),
    /// A change without a secret, in a few words: a title and a text.
    Said(String, String),
    /// What a test of a connection or an alert found.
    Tested(Tested),
    /// A call that was tried, and what came back, or why it was not sent.
    Tried(Call, Result<Answer, String>),
}

/// The part of an address that names what is shown once.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    shown: Option<Uuid>,
}

impl Caller {
    /// Leads to a page of this address, which shows it once.
    pub(super) async fn lead_to(&self, place: &str, flash: &Flash) -> PageResult {
        let text = serde_json::to_vec(flash).map_err(|_| crate::failure::Failure::bad_request("what was done cannot be shown"))?;
        let id = self.state.operations.store().put_flash(&self.credential, text, LASTS).await?;
        let and = if place.contains('?') { '&' } else { '?' };
        Ok(see_other(&format!("{place}{and}shown={id}")))
    }

    /// What the address names, this one time.
    pub(super) async fn flash(&self, shown: &Shown) -> Result<Option<Flash>, PageError> {
        let Some(id) = shown.shown else { return Ok(None) };
        let text = self.state.operations.store().take_flash(&self.credential, id).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }
}
