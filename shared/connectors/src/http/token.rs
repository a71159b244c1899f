//! Access tokens of OAuth 2.0 client credentials (RFC 6749, section 4.4): reused until shortly before they expire, and shared by processes
//! if there is a store for them. While the store is away, a process fetches its own token.

use super::auth::{basic, header};
use super::retry_after::{comes_again, retry_after};
use super::send::{Called, Sent, send};
use super::{Headers, form_encoded};
use crate::{Connectors, Target};
use forebay_contract::connection::{
    ClientCredentials, Connection, HttpAuthentication, HttpConnection, SharedToken, TokenOwner, TokenStore, TokenStoreError, TokenTurn,
};
use forebay_contract::definition::Redirects;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{Name, Secret};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use reqwest::{Request, Response, Url};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// A token is not used in its last seconds, since the call takes some time too; if its lifetime is short, not in the last fifth of it.
const BEFORE_ITS_END: Duration = Duration::from_secs(30);
const LAST_PART: u32 = 5;
/// Lifetime of a token if the server does not return one (RFC 6749, section 5.1, recommends that it does).
const USUAL_LIFE: Duration = Duration::from_secs(300);
/// Maximum lifetime of a token.
const MAX_LIFE: Duration = Duration::from_secs(86_400);
const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum wait for the store, after which the process continues without it.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which a process checks whether another process has fetched a token.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum bytes of a response; tokens have some kilobytes at most.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Access tokens by connection.
pub(crate) struct Tokens {
    entries: Mutex<HashMap<(Name, Name), Entry>>,
    /// Absent: this process does not share tokens.
    store: Option<Arc<dyn TokenStore>>,
    /// True if the first token of a connection is fetched although a shared one is valid.
    fetches_first: bool,
}

struct Entry {
    connection: Arc<Connection>,
    /// Locked while a token is fetched: other calls wait for it.
    place: Place,
}

type Place = Arc<tokio::sync::Mutex<Known>>;

/// The token of a connection in this process.
#[derive(Default)]
struct Known {
    token: Option<Token>,
    /// The last token that the server refused.
    refused: Option<Secret>,
}

#[derive(Clone)]
struct Token {
    text: Secret,
    /// The value of the `Authorization` header.
    value: HeaderValue,
    until: Instant,
}

/// The parameters for fetching a connection's tokens.
#[derive(Clone, Copy)]
pub(super) struct Grant<'g> {
    pub(super) connection: &'g Arc<Connection>,
    pub(super) http: &'g HttpConnection,
    pub(super) credentials: &'g ClientCredentials,
}

impl<'g> Grant<'g> {
    fn target(self) -> Target<'g> {
        Target(self.connection)
    }

    /// Returns all settings that the token depends on: with other settings it is the token of another owner.
    fn owner(self) -> TokenOwner {
        let Connection { tenant, name, .. } = &**self.connection;
        let ClientCredentials { token_url, client_id, client_secret, scope, parameters, in_body } = self.credentials;
        let settings = serde_json::json!([token_url, client_id, client_secret.expose(), scope, parameters, in_body]).to_string();
        TokenOwner { tenant: tenant.clone(), connection: name.clone(), settings: Secret::new(settings) }
    }
}

impl Tokens {
    pub(crate) fn shared_by(store: Option<Arc<dyn TokenStore>>) -> Self {
        Self { entries: Mutex::default(), store, fetches_first: false }
    }

    /// Returns tokens for a test: a new one is fetched, since the client may be refused by now, and is shared with users of the one before.
    pub(crate) fn of_a_test(&self) -> Self {
        Self { entries: Mutex::default(), store: self.store.clone(), fetches_first: true }
    }

    /// Returns the place of the connection's token; it is empty if the connection was changed.
    fn place(&self, connection: &Arc<Connection>) -> Place {
        let mut entries = self.entries.lock();
        let key = (connection.tenant.clone(), connection.name.clone());
        if let Some(entry) = entries.get(&key)
            && (Arc::ptr_eq(&entry.connection, connection) || entry.connection == *connection)
        {
            return Arc::clone(&entry.place);
        }
        let place = Place::default();
        entries.insert(key, Entry { connection: Arc::clone(connection), place: Arc::clone(&place) });
        place
    }
}

impl Connectors {
    /// Drops the token of headers that were refused, unless another one was fetched meanwhile. Returns `false` if they contain no such
    /// token.
    pub async fn invalidate(&self, connection: &Arc<Connection>, http: &HttpConnection, refused: &Headers) -> bool {
        let HttpAuthentication::OAuth2(_) = http.authentication else { return false };
        let Some((_, refused)) = refused.iter().find(|(name, _)| *name == AUTHORIZATION) else { return false };
        let place = self.tokens().place(connection);
        let mut known = place.lock().await;
        if let Some(token) = known.token.take_if(|token| token.value == *refused) {
            known.refused = Some(token.text);
        }
        true
    }

    /// Returns the value of the `Authorization` header.
    ///
    /// Fetching a token is always completed and shared, even if the caller's future is dropped meanwhile: every process would wait for a
    /// turn that does not end.
    pub(super) async fn token(&self, client: &reqwest::Client, grant: Grant<'_>) -> Result<HeaderValue, ExecutionError> {
        let mut known = self.tokens().place(grant.connection).lock_owned().await;
        if let Some(token) = known.token.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.value.clone());
        }
        let (connectors, client, connection) = (self.clone(), client.clone(), Arc::clone(grant.connection));
        let (http, credentials) = (grant.http.clone(), grant.credentials.clone());
        let fetched = async move {
            let (refused, grant) = (known.refused.clone(), Grant { connection: &connection, http: &http, credentials: &credentials });
            let token = connectors.shared_token(&client, grant, refused).await?;
            Ok(known.token.insert(token).value.clone())
        };
        let ended = tokio::spawn(fetched.in_current_span()).await;
        ended.unwrap_or_else(|error| {
            Err(ExecutionError::transient(ErrorCode::Internal, format!("the fetch of an access token ended early: {error}")))
        })
    }

    /// Returns the shared token, or fetches a new one if there is none or the store is away.
    async fn shared_token(&self, client: &reqwest::Client, grant: Grant<'_>, mut refused: Option<Secret>) -> Result<Token, ExecutionError> {
        let Tokens { store, fetches_first, .. } = &self.tokens();
        let Some(store) = store else { return self.fetch_token(client, grant).await };
        let owner = grant.owner();
        let give_up_at = Instant::now() + TOKEN_TIMEOUT * 2;
        let mut must_fetch = *fetches_first;
        let turn = loop {
            match within_deadline(store.turn(&owner, refused.as_ref())).await {
                // It counts as refused, so that the next one is newer.
                Ok(TokenTurn::Use(shared)) if must_fetch => (must_fetch, refused) = (false, Some(shared.token)),
                Ok(TokenTurn::Use(shared)) => return Token::of(&grant.target(), shared),
                Ok(TokenTurn::Fetch(turn)) => break Some(turn),
                Ok(TokenTurn::Wait) if Instant::now() < give_up_at => tokio::time::sleep(POLL_INTERVAL).await,
                Ok(TokenTurn::Wait) => break None,
                Err(error) => {
                    tracing::warn!(connection.name = %grant.connection.name, %error, "the shared access token cannot be had; this process fetches its own");
                    break None;
                }
            }
        };
        let fetched = self.fetch_token(client, grant).await;
        if let Some(turn) = turn {
            let shared = fetched
                .as_ref()
                .ok()
                .map(|token| SharedToken { token: token.text.clone(), usable_for: token.until.saturating_duration_since(Instant::now()) });
            if let Err(error) = within_deadline(store.end(&owner, turn, shared.as_ref())).await {
                tracing::warn!(connection.name = %grant.connection.name, %error, "an access token could not be shared with other processes");
            }
        }
        fetched
    }

    async fn fetch_token(&self, client: &reqwest::Client, grant: Grant<'_>) -> Result<Token, ExecutionError> {
        tokio::time::timeout(TOKEN_TIMEOUT, self.fetch(client, grant)).await.unwrap_or_else(|_| {
            let (target, seconds) = (grant.target(), TOKEN_TIMEOUT.as_secs());
            let message = format!("{target}: token_url gave no answer within {seconds} s; nothing was sent");
            Err(ExecutionError::transient(ErrorCode::Timeout, message))
        })
    }

    async fn fetch(&self, client: &reqwest::Client, grant: Grant<'_>) -> Result<Token, ExecutionError> {
        let ClientCredentials { token_url, client_id, client_secret, scope, parameters, in_body } = grant.credentials;
        let target = grant.target();
        let fail = |code, what: String| ExecutionError::permanent(code, format!("{target}: token_url {what}"));
        let url = Url::parse(token_url).map_err(|error| fail(ErrorCode::Connection, format!("is no address: {error}")))?;
        self.reach().check_url(&url).map_err(|refused| fail(ErrorCode::Unreachable, format!("cannot be called: {refused}")))?;
        let mut form = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        form.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if *in_body {
            form.extend([("client_id", client_id.as_str()), ("client_secret", client_secret.expose())]);
        }
        let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value))).collect();
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if !in_body {
            // Both parts are encoded first: RFC 6749, section 2.3.1.
            let (name, value) = header(&target, "authorization", &basic(&form_encoded(client_id), &form_encoded(client_secret.expose())))?;
            headers.insert(name, value);
        }
        *request.body_mut() = Some(pairs.join("&").into());
        let (requested_at, called) = (Instant::now(), Called::of_tokens(format!("{target}: token_url"), grant.connection));
        // A token request must not become a GET, which would contain the client's secret.
        let client = self.client_for(client, grant.connection, grant.http, request.url())?;
        let Sent { response, not_followed } = send(&client, request, Redirects::Error, &called).await?;
        let (status, asked_to_wait) = (response.status(), retry_after(response.headers()));
        let broke_off = |error| super::send::unreachable(&called, error);
        let answer = read(response).await.map_err(broke_off)?;
        if !status.is_success() {
            let explained = not_followed.map(|not_followed| not_followed.explain(&Method::POST, "token_url"));
            let refused = refused(&called, status, explained.as_deref().unwrap_or_default(), answer.as_ref());
            return Err(ExecutionError { retry_after: asked_to_wait, ..refused });
        }
        let text = |name: &str| answer.as_ref().and_then(|answer| answer.get(name)?.as_str());
        let Some(access_token) = text("access_token") else {
            return Err(fail(ErrorCode::Connection, format!("answered {status} without an `access_token` (RFC 6749, section 5.1)")));
        };
        if let Some(kind) = text("token_type").filter(|kind| !is_bearer(kind)) {
            let kind: String = kind.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
            return Err(fail(ErrorCode::Connection, format!("gives tokens of the type '{kind}'; only Bearer is supported")));
        }
        let life = answer.as_ref().and_then(life_in).unwrap_or(USUAL_LIFE).min(MAX_LIFE);
        let usable_for = usable(life).saturating_sub(requested_at.elapsed());
        Token::of(&target, SharedToken { token: Secret::new(access_token), usable_for })
    }
}

impl Token {
    fn of(target: &Target<'_>, shared: SharedToken) -> Result<Self, ExecutionError> {
        let (_, value) = header(target, "authorization", &format!("Bearer {}", shared.token.expose()))?;
        Ok(Self { text: shared.token, value, until: Instant::now() + shared.usable_for })
    }
}

async fn within_deadline<T>(answer: impl Future<Output = Result<T, TokenStoreError>>) -> Result<T, TokenStoreError> {
    let too_slow = |_| Err(TokenStoreError(format!("no answer within {} s", STORE_TIMEOUT.as_secs())));
    tokio::time::timeout(STORE_TIMEOUT, answer).await.unwrap_or_else(too_slow)
}

/// The case is ignored (RFC 6749, section 5.1). Some servers write `BearerToken`, others nothing.
fn is_bearer(kind: &str) -> bool {
    let kind = kind.trim().to_ascii_lowercase();
    kind.is_empty() || kind.strip_prefix("bearer").is_some_and(|rest| ["", "token"].contains(&rest.trim_matches([' ', '_', '-'])))
}

/// Returns the lifetime in seconds; some servers write the number as a text. Zero and negative numbers are ignored: such a token could not
/// be used at all.
fn life_in(answer: &Json) -> Option<Duration> {
    let life = answer.get("expires_in")?;
    let seconds = life.as_f64().or_else(|| life.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero())
}

/// Returns the time for which a token of this lifetime is used.
fn usable(life: Duration) -> Duration {
    life - BEFORE_ITS_END.min(life / LAST_PART)
}

/// Reads the response; `None` if it is not JSON or is too long.
async fn read(mut response: Response) -> Result<Option<Json>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Only the two members of RFC 6749, section 5.2, are shown: the rest may repeat the request.
fn refused(called: &Called, status: StatusCode, explained: &str, answer: Option<&Json>) -> ExecutionError {
    let mut message = format!("{called} answered {status}{explained}");
    for member in ["error", "error_description"] {
        if let Some(text) = answer.and_then(|answer| answer.get(member)?.as_str()) {
            let text: String = called.conceal(text).chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
            message.push_str(&format!(": {text}"));
        }
    }
    if comes_again(status) {
        return ExecutionError::transient(ErrorCode::Remote, message);
    }
    if !explained.is_empty() {
        return ExecutionError::permanent(ErrorCode::Connection, message);
    }
    ExecutionError::permanent(ErrorCode::Connection, format!("{message}; check client_id, client_secret, scope and token_url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_that_lives_briefly_is_used_for_most_of_its_life() {
        for (life, expected) in [(1, 0.8), (10, 8.0), (29, 23.2), (150, 120.0), (3600, 3570.0)] {
            assert_eq!(usable(Duration::from_secs(life)).as_secs_f64(), expected, "{life}");
        }
    }

    #[test]
    fn how_long_a_token_lives_is_read_as_servers_write_it() {
        for (answer, expected) in [
            (json!({ "expires_in": 3600 }), Some(3600.0)),
            (json!({ "expires_in": "3600" }), Some(3600.0)),
            (json!({ "expires_in": 59.5 }), Some(59.5)),
            (json!({ "expires_in": 0 }), None),
            (json!({ "expires_in": -1 }), None),
            (json!({ "expires_in": null }), None),
            (json!({ "expires_in": "soon" }), None),
            (json!({}), None),
        ] {
            assert_eq!(life_in(&answer).map(|life| life.as_secs_f64()), expected, "{answer}");
        }
    }

    #[test]
    fn a_token_s_type_is_compared_leniently() {
        for kind in ["Bearer", "bearer", "BEARER", " bearer ", "BearerToken", "bearer_token", ""] {
            assert!(is_bearer(kind), "{kind}");
        }
        for kind in ["mac", "DPoP", "bearers", "N_A"] {
            assert!(!is_bearer(kind), "{kind}");
        }
    }
}
