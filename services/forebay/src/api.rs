//! The admin API that client verbs use: that of a remote console, or one in this process over the database of the settings.

use crate::error::Error;
use forebay_admin_api::client::AdminClient;
use forebay_console::{Console, HostAccess};
use forebay_contract::Secret;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use reqwest::{Client, StatusCode};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout between two parts of a response; longer than the interval of heartbeats.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const NO_TOKEN: &str = "not signed in: set FOREBAY_API_TOKEN to a token, or FOREBAY_API_TOKEN_FILE to a file with a token. \
                        Create a token on the console's page 'API tokens' or with `forebay tokens create`";

/// A client of an admin API. The process's own API ends with it.
pub(crate) struct Api {
    client: AdminClient,
    own: Option<Shutdown>,
}

impl Deref for Api {
    type Target = AdminClient;

    fn deref(&self) -> &AdminClient {
        &self.client
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.trigger();
        }
    }
}

impl Api {
    /// Opens the API of the console at `url`; without one, that of this process.
    ///
    /// # Errors
    /// There is no token (its validity is not checked yet), or the database does not respond.
    pub(crate) async fn open(url: Option<&str>, settings: &Settings) -> Result<Self, Error> {
        match url.filter(|url| !url.is_empty()) {
            Some(url) => Self::at(url, &token()?, None),
            None => Self::own(settings).await,
        }
    }

    async fn own(settings: &Settings) -> Result<Self, Error> {
        let store = crate::client_store(settings).await?;
        // The API hides the reason of a database error from its callers; the user of the command has the database's URL and may see it.
        store.ping().await?;
        let mut beside = settings.clone();
        beside.console_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (beside.console_url, beside.tls, beside.oidc) = (None, None, None);
        let token = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        let host = HostAccess::new(&token, author());
        let console = Console::build_api(&beside, store, host)?;
        let (address, shutdown) = (console.address(), Shutdown::new(Duration::ZERO));
        tokio::spawn(console.run_until(shutdown.clone()));
        Self::at(&format!("http://{address}"), &token, Some(shutdown))
    }

    fn at(url: &str, token: &Secret, own: Option<Shutdown>) -> Result<Self, Error> {
        // An error means that there is a provider already, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")));
        if own.is_some() {
            // Without TLS: reading the certificates of the system would take longer than the rest.
            http = http.no_proxy().tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Error::Failed(format!("cannot create an HTTP client: {error}")))?;
        Ok(Self { client: AdminClient::new(http, url, token)?, own })
    }
}

/// The user of the command, for the history and the audit log: `USER@HOST`.
pub(crate) fn author() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let host = host.map(|host| host.trim().to_owned()).unwrap_or_else(|_| "this host".to_owned());
    format!("{}@{host}", user.as_deref().unwrap_or("forebay"))
}

/// Returns the token of the environment, or of the file that it names.
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
        Err(source) => Err(Error::Io { doing: format!("FOREBAY_API_TOKEN_FILE: cannot read {file}"), source }),
    }
}
