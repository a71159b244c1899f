//! Messages that a page shows once, after a form. The response to a form that has changed something redirects to another page, so that a
//! reload does not repeat the change. That page shows the message the first time.

use super::error::{PageError, PageResult, see_other};
use crate::auth::Caller;
use crate::view::connections::Tested;
use crate::view::try_it::{Call, Response};
use forebay_contract::{Secret, exposed_secret};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Maximum time for which a message is stored. A browser follows the redirect at once.
const RETENTION: Duration = Duration::from_secs(300);

/// A message that is shown once. Its stored form has the names that earlier versions read.
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
    /// A successful change: a title and a text without secrets.
    #[serde(rename = "Said")]
    Notice(String, String),
    /// The result of a test of a connection or an alert.
    Tested(Tested),
    /// A test call, and its response, or the reason for which there is none.
    #[serde(rename = "Tried")]
    TestCall(Call, Result<Response, String>),
}

/// The part of an address that names a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    shown: Option<Uuid>,
}

impl Caller {
    /// Redirects to a page of this address, which shows the message once.
    pub(super) async fn redirect_with(&self, place: &str, flash: &Flash) -> PageResult {
        let text = serde_json::to_vec(flash).map_err(|_| crate::failure::Failure::bad_request("The result cannot be shown."))?;
        let id = self.state.operations.store().put_flash(&self.credential, text, RETENTION).await?;
        let separator = if place.contains('?') { '&' } else { '?' };
        Ok(see_other(&format!("{place}{separator}shown={id}")))
    }

    /// Returns the message that the address names, once.
    pub(super) async fn flash(&self, shown: &Shown) -> Result<Option<Flash>, PageError> {
        let Some(id) = shown.shown else { return Ok(None) };
        let text = self.state.operations.store().take_flash(&self.credential, id).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }
}
