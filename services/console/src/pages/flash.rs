//! Messages that a page shows once, after a form. A form that has changed something leads to another page by GET, which can be loaded again
//! without a change; the message is on that page the first time.

use super::error::{PageError, PageResult, see_other};
use crate::auth::Caller;
use crate::view::connections::Tested;
use crate::view::try_it::{Answer, Call};
use forebay_contract::{Secret, exposed_secret};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Time for which a message is stored. A browser follows at once.
const LASTS: Duration = Duration::from_secs(300);

/// A message that is shown once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Flash {
    /// A key was created; its value is shown only here.
    KeyCreated {
        /// The label of the key.
        label: String,
        /// The value that callers send, or sign with.
        #[serde(with = "exposed_secret")]
        key: Secret,
        /// True if callers sign with it.
        signs: bool,
    },
    /// A token was created; it is shown only here.
    TokenCreated(#[serde(with = "exposed_secret")] Secret),
    /// Something was done: a title and a text without secrets.
    Said(String, String),
    /// The result of a test of a connection or an alert.
    Tested(Tested),
    /// A call that was tried, and its response, or the reason for which it was not sent.
    Tried(Call, Result<Answer, String>),
}

/// The part of an address that names a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    shown: Option<Uuid>,
}

impl Caller {
    /// Redirects to a page of this address, which shows the message once.
    pub(super) async fn lead_to(&self, place: &str, flash: &Flash) -> PageResult {
        let text = serde_json::to_vec(flash).map_err(|_| crate::failure::Failure::bad_request("what was done cannot be shown"))?;
        let id = self.state.operations.store().put_flash(&self.credential, text, LASTS).await?;
        let and = if place.contains('?') { '&' } else { '?' };
        Ok(see_other(&format!("{place}{and}shown={id}")))
    }

    /// Returns the message that the address names, once.
    pub(super) async fn flash(&self, shown: &Shown) -> Result<Option<Flash>, PageError> {
        let Some(id) = shown.shown else { return Ok(None) };
        let text = self.state.operations.store().take_flash(&self.credential, id).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }
}
