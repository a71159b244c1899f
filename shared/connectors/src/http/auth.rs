//! Authentication of HTTP calls through a connection: its headers.

use super::token::Grant;
use crate::{Connectors, Target};
use data_encoding::BASE64;
use forebay_contract::connection::{Connection, HttpAuthentication, HttpConnection};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use std::sync::Arc;

/// Headers with their values.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

impl Connectors {
    /// Returns the headers of a call: those of the connection and those that authenticate it, all marked as sensitive.
    ///
    /// # Errors
    /// `Connection` if they cannot be sent or no token is issued; transient if the token endpoint may issue one later.
    pub async fn authorize(
        &self,
        client: &reqwest::Client,
        connection: &Arc<Connection>,
        http: &HttpConnection,
    ) -> Result<Headers, ExecutionError> {
        let target = Target::enabled(connection)?;
        let mut headers = Vec::with_capacity(http.headers.len() + 1);
        let mut add = |name: &str, value: &str| {
            headers.push(header(&target, name, value)?);
            Ok::<_, ExecutionError>(())
        };
        match &http.authentication {
            HttpAuthentication::None => {}
            HttpAuthentication::Basic { username, password } => add("authorization", &basic(username, password.expose()))?,
            HttpAuthentication::ApiKey { header, value } => add(header, value.expose())?,
            HttpAuthentication::Bearer(token) => add("authorization", &format!("Bearer {}", token.expose()))?,
            HttpAuthentication::OAuth2(credentials) => {
                let token = self.token(client, Grant { connection, http, credentials }).await?;
                headers.push((AUTHORIZATION, token));
            }
        }
        for (name, value) in &http.headers {
            let own = header(&target, name, value.expose())?;
            if headers.iter().all(|(name, _)| *name != own.0) {
                headers.push(own);
            }
        }
        Ok(headers)
    }
}

pub(super) fn header(target: &Target<'_>, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ExecutionError> {
    let unfit = |why: &str| ExecutionError::permanent(ErrorCode::Connection, format!("{target}: the header '{name}' {why}"));
    let parsed = HeaderName::try_from(name).map_err(|_| unfit("has a name that cannot be sent"))?;
    if let Some(refusal) = forebay_mapping::header::refusal(parsed.as_str(), true) {
        return Err(unfit(&format!("cannot be set by a connection: {refusal}")));
    }
    let value = HeaderValue::from_bytes(value.as_bytes());
    let mut value = value.map_err(|_| unfit("has a value with a line break or another control character"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
}
