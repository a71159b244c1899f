//! How HTTP calls by a connection are authenticated: its headers, and tokens that are kept until shortly before their end.

use super::{Connectors, Reach, Target};
use crate::connector::dial::cause;
use crate::failure::{permanent, transient};
use data_encoding::BASE64;
use forebay_contract::Name;
use forebay_contract::connection::{Connection, HttpAuthentication, HttpConnection};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token is not used in its last seconds: the call that carries it takes some time too.
const BEFORE_ITS_END: Duration = Duration::from_secs(30);
/// Where the server does not say how long a token lives (RFC 6749, section 5.1, recommends that it does).
const USUAL_LIFE: Duration = Duration::from_secs(300);
const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Tokens are some kilobytes at most.
const MOST_TOKEN_BYTES: usize = 64 * 1024;
/// `application/x-www-form-urlencoded` of RFC 6749, appendix B, but for blanks as `%20`, which means the same.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers with their values.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// Access tokens by connection.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<(Name, Name), Entry>>);

struct Entry {
    connection: Arc<Connection>,
    /// Locked while a token is fetched: those that come meanwhile wait for it.
    place: Place,
}

type Place = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Clone)]
struct Token {
    /// The whole value of `Authorization`.
    value: HeaderValue,
    until: Instant,
}

impl Tokens {
    /// Forgets the token of a connection that was changed since.
    fn place(&self, connection: &Arc<Connection>) -> Place {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// The headers of a call: the connection's own and those that authenticate it, all marked as sensitive.
    ///
    /// # Errors
    /// `Connection` where they cannot be sent or no token is given; transient where the token's server may give one later.
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
            HttpAuthentication::OAuth2 { .. } => {
                let token = self.token(client, connection, &http.authentication).await?;
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

    /// Forgets the token of headers that were refused, unless another one was fetched meanwhile. `false`: they hold no such token.
    pub async fn invalidate(&self, connection: &Arc<Connection>, http: &HttpConnection, refused: &Headers) -> bool {
        let HttpAuthentication::OAuth2 { .. } = http.authentication else { return false };
        let Some((_, refused)) = refused.iter().find(|(name, _)| *name == AUTHORIZATION) else { return false };
        let place = self.shared.tokens.place(connection);
        let mut token = place.lock().await;
        token.take_if(|token| token.value == *refused);
        true
    }

    async fn token(
        &self,
        client: &reqwest::Client,
        connection: &Arc<Connection>,
        authentication: &HttpAuthentication,
    ) -> Result<HeaderValue, ExecutionError> {
        let place = self.shared.tokens.place(connection);
        let mut token = place.lock().await;
        if let Some(token) = token.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.value.clone());
        }
        let target = Target(connection);
        let fetch = fetch(client, self.reach(), &target, authentication);
        let fetched = tokio::time::timeout(TOKEN_TIMEOUT, fetch).await.unwrap_or_else(|_| {
            let message = format!("{target}: token_url gave no answer within {} s; nothing was sent", TOKEN_TIMEOUT.as_secs());
            Err(transient(ErrorCode::Timeout, message))
        })?;
        Ok(token.insert(fetched).value.clone())
    }
}

fn header(target: &Target<'_>, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ExecutionError> {
    let unfit = |why: &str| permanent(ErrorCode::Connection, format!("{target}: the header '{name}' {why}"));
    let parsed = HeaderName::try_from(name).map_err(|_| unfit("has a name that cannot be sent"))?;
    if let Some(refusal) = crate::header::refusal(parsed.as_str(), true) {
        return Err(unfit(&format!("cannot be set by a connection: {refusal}")));
    }
    let value = HeaderValue::from_bytes(value.as_bytes());
    let mut value = value.map_err(|_| unfit("has a value with a line break or another control character"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
}

async fn fetch(
    client: &reqwest::Client,
    reach: &Reach,
    target: &Target<'_>,
    authentication: &HttpAuthentication,
) -> Result<Token, ExecutionError> {
    let HttpAuthentication::OAuth2 { token_url, client_id, client_secret, scope, parameters, in_body } = authentication else {
        return Err(permanent(ErrorCode::Internal, "only OAuth 2.0 has tokens"));
    };
    let fail = |code, what: String| permanent(code, format!("{target}: token_url {what}"));
    let url = Url::parse(token_url).map_err(|error| fail(ErrorCode::Connection, format!("is no address: {error}")))?;
    reach.check_url(&url).map_err(|refused| fail(ErrorCode::Unreachable, format!("cannot be called: {refused}")))?;
    let mut form = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        form.push(("scope", scope));
    }
    form.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if *in_body {
        form.extend([("client_id", client_id.as_str()), ("client_secret", client_secret.expose())]);
    }
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value))).collect();
    let mut request = client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(ACCEPT, "application/json");
    if !in_body {
        // Both parts are encoded first: RFC 6749, section 2.3.1.
        let (_, value) = header(target, "authorization", &basic(&form_encoded(client_id), &form_encoded(client_secret.expose())))?;
        request = request.header(AUTHORIZATION, value);
    }
    let asked = Instant::now();
    let unreachable = |error: &reqwest::Error| match Reach::refusal_in(error) {
        Some(refused) => fail(ErrorCode::Unreachable, format!("cannot be called: {refused}")),
        None => transient(ErrorCode::Unreachable, format!("{target}: token_url could not be reached: {}", cause(error))),
    };
    let response = request.body(pairs.join("&")).send().await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let answer: Option<Json> = read(response).await.map_err(|error| unreachable(&error))?;
    if !status.is_success() {
        return Err(refused(target, status, answer.as_ref()));
    }
    let text = |name: &str| answer.as_ref().and_then(|answer| answer.get(name)?.as_str());
    let Some(access_token) = text("access_token") else {
        return Err(fail(ErrorCode::Connection, format!("answered {status} without an `access_token` (RFC 6749, section 5.1)")));
    };
    if let Some(kind) = text("token_type").filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(fail(ErrorCode::Connection, format!("gives tokens of the type '{kind}'; only Bearer is supported")));
    }
    let (_, value) = header(target, "authorization", &format!("Bearer {access_token}"))?;
    // Some servers write the number as a text.
    let seconds = answer.as_ref().and_then(|answer| {
        let life = answer.get("expires_in")?;
        life.as_f64().or_else(|| life.as_str()?.parse().ok())
    });
    let life = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(USUAL_LIFE);
    // A day bounds what a server may promise.
    let life = life.min(Duration::from_secs(86_400));
    Ok(Token { value, until: asked + life.saturating_sub(BEFORE_ITS_END) })
}

/// `None` for what is no JSON or too long.
async fn read(mut response: Response) -> Result<Option<Json>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MOST_TOKEN_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Only the two members that RFC 6749, section 5.2, knows are shown: the rest may repeat the request.
fn refused(target: &Target<'_>, status: StatusCode, answer: Option<&Json>) -> ExecutionError {
    let mut message = format!("{target}: token_url answered {status}");
    for member in ["error", "error_description"] {
        if let Some(text) = answer.and_then(|answer| answer.get(member)?.as_str()) {
            let text: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
            message.push_str(&format!(": {text}"));
        }
    }
    if status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
        return transient(ErrorCode::Remote, message);
    }
    permanent(ErrorCode::Connection, format!("{message}; check client_id, client_secret, scope and token_url"))
}

fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
