//! Builds the console and runs it until shutdown.

use crate::bulk_retry::Bulk;
use crate::device::Devices;
use crate::guard::guard;
use crate::host_access::HostAccess;
use crate::oidc::Provider;
use crate::state::State;
use crate::throttle::Throttle;
use crate::{routes, setup};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use forebay_contract::{Secret, UnixMicros, with_causes};
use forebay_operations::{BuildError, Operations};
use forebay_runtime::health::Health;
use forebay_runtime::settings::{HttpUrl, Settings};
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{SnapshotHandle, Store, StoreError};
use forebay_tls::{TlsError, server_config};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Threads of the HTTP server: people and their programs are few.
const HTTP_WORKERS: usize = 2;
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Time for requests after a signal to stop, in seconds; streams end at once.
const DRAIN: u64 = 5;
/// Maximum bytes of a body: a definition, or a folder of definitions.
const MAX_REQUEST_BYTES: usize = 8 << 20;
/// Maximum wait for the response to a call that is tried.
const TRY_TIMEOUT: Duration = Duration::from_secs(120);
/// Interval at which old entries of the audit log are deleted.
const KEEP_AUDIT_INTERVAL: Duration = Duration::from_secs(3600);
/// The name of its health check.
const DATABASE: &str = "console database";

/// The reason for which the console could not be built, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is in use or not of this machine.
    #[error("cannot listen on {address}; free it or set FOREBAY_CONSOLE_LISTEN")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or key cannot be used.
    #[error("TLS cannot be set up from FOREBAY_TLS_CERT and FOREBAY_TLS_KEY")]
    Tls(#[from] TlsError),
    /// The store did not answer.
    #[error("the console could not read the database")]
    Store(#[from] StoreError),
    /// The operations could not be set up.
    #[error(transparent)]
    Operations(#[from] BuildError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The HTTP client for trying integrations could not be built.
    #[error("the HTTP client cannot be created")]
    Client(#[source] reqwest::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Serve(#[source] std::io::Error),
}

/// The keys for signing in that are derived from the installation's key.
struct Setup {
    /// Proves that the person who creates the first administrator can read the log of this process.
    code: Secret,
    devices: Devices,
}

/// A built console: it listens, and answers once it runs.
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<rustls::ServerConfig>,
    url: String,
    state: web::Data<State>,
    health: Health,
    /// The code for creating the first administrator; `None`: there is one.
    setup: Option<Secret>,
    audit_retention: Duration,
}

impl Console {
    /// Binds the address. `host` gives access to the person at the host; only the command uses it.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        host: Option<HostAccess>,
    ) -> Result<Self, ConsoleError> {
        let installation_key = store.id_key().await?;
        let code = setup::code(&installation_key);
        let setup = if store.has_users().await? { None } else { Some(code.clone()) };
        let console = Self::assemble(settings, store, snapshot, health, host, Setup { code, devices: Devices::new(&installation_key) })?;
        console.health.expect(DATABASE);
        Ok(Self { setup, ..console })
    }

    /// Builds only the API, for one person at this host. It has no snapshot of definitions, so it queries the database only for requests.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub fn build_api(settings: &Settings, store: Store, host: HostAccess) -> Result<Self, ConsoleError> {
        // An empty code is never right: in this process no first administrator can be created, and nobody can sign in by cookie.
        let (mut key, code) = ([0; 32], Secret::new(""));
        getrandom::fill(&mut key).map_err(|_| ConsoleError::Random)?;
        let setup = Setup { code, devices: Devices::new(&key) };
        Self::assemble(settings, store, SnapshotHandle::of_nothing(), Health::new(), Some(host), setup)
    }

    fn assemble(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        host: Option<HostAccess>,
        setup: Setup,
    ) -> Result<Self, ConsoleError> {
        let listen = |source| ConsoleError::Listen { address: settings.console_listen, source };
        let listener = TcpListener::bind(settings.console_listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let tls = settings.tls.as_ref().map(|files| server_config(&files.cert, &files.key)).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let at = |url: Option<&HttpUrl>, address: SocketAddr| match url {
            Some(url) => url.base().to_owned(),
            None => format!("{scheme}://{}", reachable(address)),
        };
        let url = at(settings.console_url.as_ref(), address);
        let shutdown = CancellationToken::new();
        // Another provider may be installed already, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(TRY_TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy();
        // The API tries no calls, and reading the certificates of the system would take longer than the rest.
        let client = if host.is_some() { client.tls_certs_only([]) } else { client };
        let state = web::Data::new(State {
            snapshot,
            outcomes: store.watch_outcomes(shutdown.clone()),
            operations: Arc::new(Operations::build(settings, store)?),
            client: client.build().map_err(ConsoleError::Client)?,
            ingress_internal_url: at(settings.ingress_internal_url.as_ref().or(settings.ingress_url.as_ref()), settings.http_listen),
            ingress_url: at(settings.ingress_url.as_ref(), settings.http_listen),
            trace_url: settings.trace_url.clone(),
            is_secure: settings.console_url.as_ref().map_or(tls.is_some(), HttpUrl::is_https),
            setup_code: setup.code,
            throttle: Throttle::default(),
            devices: setup.devices,
            proxies: settings.trusted_proxies.clone(),
            has_users: AtomicBool::new(false),
            oidc: settings.oidc.clone().map(|oidc| Provider::new(oidc, &url)).transpose().map_err(ConsoleError::Client)?,
            host,
            bulk: Bulk::default(),
            shutdown,
        });
        Ok(Self { listener, address, tls, url, state, health, setup: None, audit_retention: settings.audit_retention })
    }

    /// Returns the address on which it listens, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the public address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address for creating the first administrator, including the code; `None`: there is one.
    #[must_use]
    pub fn setup_url(&self) -> Option<String> {
        self.setup.as_ref().map(|code| format!("{}/setup?code={}", self.url, code.expose()))
    }

    /// Serves until shutdown.
    ///
    /// # Errors
    /// The server itself fails.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), ConsoleError> {
        let setup_url = self.setup_url();
        let state = self.state.clone();
        let app = move || {
            App::new()
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(MAX_REQUEST_BYTES))
                .app_data(crate::api::response::json_config(MAX_REQUEST_BYTES))
                .app_data(crate::error_at::query_config())
                .app_data(crate::error_at::path_config())
                .wrap(from_fn(guard))
                .configure(routes::configure)
        };
        let server = HttpServer::new(app)
            .workers(HTTP_WORKERS)
            .keep_alive(KEEP_ALIVE)
            .client_disconnect_timeout(Duration::from_secs(2))
            .shutdown_timeout(DRAIN)
            .disable_signals();
        let server = match self.tls {
            Some(config) => server.listen_rustls_0_23(self.listener, config),
            None => server.listen(self.listener),
        };
        let server = server.map_err(ConsoleError::Serve)?.run();
        self.health.set(DATABASE, true, "read at the start");
        tracing::info!(address = %self.address, url = self.url, "the console is listening");
        if let Some(url) = setup_url {
            tracing::info!(url, "no user exists yet: create the first administrator at this address");
        }
        let keeper = tokio::spawn(keep_audit(self.state.clone(), self.audit_retention));
        let handle = server.handle();
        let followers = self.state.shutdown.clone();
        let stop = tokio::spawn(async move {
            shutdown.wait().await;
            followers.cancel();
            handle.stop(true).await;
        });
        let served = server.await.map_err(ConsoleError::Serve);
        stop.abort();
        keeper.abort();
        self.state.shutdown.cancel();
        served
    }
}

/// Deletes entries of the audit log that are older than the retention.
async fn keep_audit(state: web::Data<State>, retention: Duration) {
    loop {
        match state.operations.store().delete_old_audit_entries(UnixMicros::now(), retention).await {
            Ok(0) => {}
            Ok(lines) => tracing::info!(lines, "old entries of the audit log were deleted"),
            Err(error) => tracing::warn!(error = with_causes(&error), "old entries of the audit log are deleted later"),
        }
        tokio::time::sleep(KEEP_AUDIT_INTERVAL).await;
    }
}

/// Returns an address that a browser on this machine can open.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
