//! The admin API as the client verbs speak to it: a console's elsewhere, or this process's own over the database of the settings.

use crate::error::Error;
use forebay_console::{Console, HostAccess};
use forebay_contract::Secret;
use forebay_contract::json::read_json;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the pauses between the signs of life of an answer that goes on.
const SILENCE: Duration = Duration::from_secs(60);
/// The most rows that one page of a listing holds.
const PAGE: u32 = 1000;
const NO_TOKEN: &str = "not signed in: set FOREBAY_API_TOKEN, or FOREBAY_API_TOKEN_FILE to a file that holds it; \
                        a token is made on the console's page 'Tokens' or by `forebay tokens create`";

/// A part of a query; one without a value is left out.
pub(crate) type Part<'a> = (&'a str, Option<String>);

/// An admin API, and as whom it is asked.
pub(crate) struct Api {
    client: Client,
    root: Url,
    authorization: HeaderValue,
    /// Ends this process's own API with the verb.
    own: Option<Shutdown>,
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.trigger();
        }
    }
}

impl Api {
    /// The API of the console at `url`; without one, of this process.
    ///
    /// # Errors
    /// There is no token, which is not asked yet whether it works, or no database that answers.
    pub(crate) async fn open(url: Option<&str>, settings: &Settings) -> Result<Self, Error> {
        match url.filter(|url| !url.is_empty()) {
            Some(url) => Self::at(url, &token()?, None),
            None => Self::own(settings).await,
        }
    }

    async fn own(settings: &Settings) -> Result<Self, Error> {
        let store = crate::client_store(settings).await?;
        // Whoever asks the API is not told why its database does not answer: who has the database's URL is.
        store.ping().await?;
        let mut beside = settings.clone();
        beside.console_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (beside.console_url, beside.tls, beside.oidc) = (None, None, None);
        let token = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        let host = HostAccess::new(token.expose(), author());
        let console = Console::build_api(&beside, store, host)?;
        let (address, shutdown) = (console.address(), Shutdown::new(Duration::ZERO));
        tokio::spawn(console.run_until(shutdown.clone()));
        Self::at(&format!("http://{address}"), &token, Some(shutdown))
    }

    fn at(url: &str, token: &Secret, own: Option<Shutdown>) -> Result<Self, Error> {
        let root = format!("{}/api/v1/", url.trim_end_matches('/')).parse::<Url>().ok().filter(|url| url.has_host());
        let root = root.ok_or_else(|| Error::Usage(format!("FOREBAY_API_URL: {url} is no address such as https://forebay.example")))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Error::Usage("FOREBAY_API_TOKEN: it holds what cannot be in a token".to_owned()))?;
        authorization.set_sensitive(true);
        // An error says that there is a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")));
        if own.is_some() {
            // Spoken in clear: reading the system's certificates would take longer than the rest.
            client = client.no_proxy().tls_certs_only([]);
        }
        let client = client.build().map_err(|error| Error::Failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { client, root, authorization, own })
    }

    pub(crate) async fn get(&self, path: &str, query: &[Part<'_>]) -> Result<Value, Error> {
        self.value(self.request(Method::GET, path, query, None)?).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.value(self.request(Method::POST, path, &[], Some(body))?).await
    }

    /// As [`Self::post`], where what is answered is needed whole: an answer that lacks a part is an error, and not an empty text.
    pub(crate) async fn post_for<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Error> {
        serde_json::from_value(self.post(path, body).await?).map_err(|error| {
            Error::Failed(format!(
                "{}{path} answers what this version of the command cannot read ({error}): use the version of the console",
                self.root
            ))
        })
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.value(self.request(Method::PUT, path, &[], Some(body))?).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.value(self.request(Method::PATCH, path, &[], Some(body))?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.value(self.request(Method::DELETE, path, &[], None)?).await
    }

    /// Every object of a listing.
    pub(crate) async fn list(&self, path: &str, query: &[Part<'_>]) -> Result<Vec<Value>, Error> {
        self.list_some(path, query, u32::MAX).await
    }

    /// The first objects of a listing.
    pub(crate) async fn list_some(&self, path: &str, query: &[Part<'_>], most: u32) -> Result<Vec<Value>, Error> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let left = most.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            if left == 0 {
                return Ok(items);
            }
            let mut paged = query.to_vec();
            paged.extend([("limit", Some(left.min(PAGE).to_string())), ("cursor", cursor.take())]);
            let mut page = self.get(path, &paged).await?;
            let Value::Array(found) = page["items"].take() else { return Err(self.no_console()) };
            items.extend(found);
            match page["next"].take() {
                Value::String(next) => cursor = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// An answer that goes on.
    pub(crate) async fn follow(&self, path: &str, query: &[Part<'_>]) -> Result<Response, Error> {
        self.send(self.request(Method::GET, path, query, None)?).await
    }

    async fn value(&self, request: Request) -> Result<Value, Error> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|source| self.away(source))?;
        read_json(&body).map_err(|_| self.no_console())
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        let response = self.client.execute(request).await.map_err(|source| self.away(source))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    fn request(&self, method: Method, path: &str, query: &[Part<'_>], body: Option<&Value>) -> Result<Request, Error> {
        let mut url = self.root.join(path).map_err(|_| Error::Usage(format!("{path} is no part of an address")))?;
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(IF_MATCH, HeaderValue::from_static("*"));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }

    fn away(&self, source: reqwest::Error) -> Error {
        Error::Away { url: self.root.to_string(), source: source.without_url() }
    }

    fn no_console(&self) -> Error {
        Error::Failed(format!("{} does not answer as a console does: is FOREBAY_API_URL its address?", self.root))
    }

    /// What the problem says (RFC 9457), and what to do.
    async fn refused(&self, response: Response) -> Error {
        let status = response.status();
        let problem: Value = response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let mut text = match problem["detail"].as_str() {
            Some(detail) => detail.to_owned(),
            None => format!("{} answers {status}: is FOREBAY_API_URL the address of a console?", self.root),
        };
        if status == StatusCode::UNAUTHORIZED {
            text = format!("not signed in at {}: {text} It is read from FOREBAY_API_TOKEN or FOREBAY_API_TOKEN_FILE.", self.root);
        }
        Error::Refused { status: status.as_u16(), text }
    }
}

/// Who uses the command, for the history and the audit log: `USER@HOST`.
pub(crate) fn author() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let host = host.map(|host| host.trim().to_owned()).unwrap_or_else(|_| "this host".to_owned());
    format!("{}@{host}", user.as_deref().unwrap_or("forebay"))
}

/// Of the environment, or of the file that it names.
fn token() -> Result<Secret, Error> {
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = given("FOREBAY_API_TOKEN") {
        return Ok(Secret::new(token));
    }
    let Some(file) = given("FOREBAY_API_TOKEN_FILE") else {
        return Err(Error::Refused { status: StatusCode::UNAUTHORIZED.as_u16(), text: NO_TOKEN.to_owned() });
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(source) => Err(Error::Io { doing: format!("cannot read {file}, which FOREBAY_API_TOKEN_FILE names"), source }),
    }
}
