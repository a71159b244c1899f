//! Builds the console and runs it until shutdown.

use crate::auth::HostAccess;
use crate::device::Devices;
use crate::guard::guard;
use crate::oidc::Provider;
use crate::pages::bulk::Bulk;
use crate::state::State;
use crate::throttle::Throttle;
use crate::{route, setup};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use forebay_contract::{UnixMicros, with_causes};
use forebay_operations::{BuildError, Operations};
use forebay_runtime::health::Health;
use forebay_runtime::settings::{RedactedUrl, Settings};
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{SnapshotHandle, Store, StoreError};
use forebay_tls::{TlsError, server_config};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// People and their programs are few.
const HTTP_WORKERS: usize = 2;
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request ends this long after a signal to stop; pages that follow end at once.
const DRAIN: u64 = 5;
/// A definition, or a folder of them.
const LARGEST_BODY: usize = 8 << 20;
/// How long a person waits for the answer to a call that is tried.
const TRY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often old lines of the audit log are deleted.
const KEEP_AUDIT_INTERVAL: Duration = Duration::from_secs(3600);
/// The name of its health check.
const DATABASE: &str = "console database";

/// Why the console could not be built, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is taken or not this machine's.
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
    /// The store could not be asked.
    #[error("the console could not ask the database")]
    Store(#[from] StoreError),
    /// The operations cannot be set up.
    #[error(transparent)]
    Operations(#[from] BuildError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The HTTP client that tries integrations.
    #[error("the HTTP client cannot be created")]
    Client(#[source] reqwest::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Serve(#[source] std::io::Error),
}

/// The keys for signing in that are derived of the installation's key.
struct Setup {
    /// Proves that who makes the first administrator reads this process's log.
    code: String,
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
    /// The code with which the first administrator is made; `None`: there is one.
    setup: Option<String>,
    audit_retention: Duration,
}

impl Console {
    /// Binds the address. `host`: who may act as the person at the host; only the command asks for that.
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

    /// The API alone, for one person at this host: it keeps no definitions at hand, and so asks the database nothing before it is asked.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub fn build_api(settings: &Settings, store: Store, host: HostAccess) -> Result<Self, ConsoleError> {
        crate::failure::tell_causes();
        // An empty code is nobody's: the first administrator is not made here, and nobody signs in with a cookie of this process.
        let (mut key, code) = ([0; 32], String::new());
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
        let at = |url: Option<&RedactedUrl>, address: SocketAddr| match url {
            Some(url) => url.expose().trim_end_matches('/').to_owned(),
            None => format!("{scheme}://{}", reachable(address)),
        };
        let url = at(settings.console_url.as_ref(), address);
        let shutdown = CancellationToken::new();
        // Another one may be installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(TRY_TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy();
        // The API tries no calls, and reading the system's certificates would take longer than the rest.
        let client = if host.is_some() { client.tls_certs_only([]) } else { client };
        let state = web::Data::new(State {
            snapshot,
            outcomes: store.watch_outcomes(shutdown.clone()),
            operations: Arc::new(Operations::build(settings, store, &format!("{} console", settings.worker_name))?),
            client: client.build().map_err(ConsoleError::Client)?,
            ingress_internal_url: at(settings.ingress_internal_url.as_ref().or(settings.ingress_url.as_ref()), settings.http_listen),
            ingress_url: at(settings.ingress_url.as_ref(), settings.http_listen),
            trace_url: settings.trace_url.clone(),
            is_secure: url.starts_with("https://"),
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

    /// Where it listens: the port that was given when the setting asked for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where people reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the first administrator is made, with the code that it takes; `None`: there is one.
    #[must_use]
    pub fn setup_url(&self) -> Option<String> {
        self.setup.as_ref().map(|code| format!("{}/setup?code={code}", self.url))
    }

    /// Serves until shutdown.
    ///
    /// # Errors
    /// When the server itself fails.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), ConsoleError> {
        let state = self.state.clone();
        let app = move || {
            App::new()
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(LARGEST_BODY))
                .app_data(crate::api::json_config(LARGEST_BODY))
                .app_data(crate::api::query_config())
                .app_data(crate::api::path_config())
                .wrap(from_fn(guard))
                .configure(route::configure)
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
        self.health.set(DATABASE, true, "asked when it started");
        tracing::info!(address = %self.address, url = self.url, "the console is listening");
        if let Some(code) = &self.setup {
            tracing::info!(url = format!("{}/setup?code={code}", self.url), "nobody can sign in yet: create the first administrator there");
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

/// Deletes what is older than the audit log is kept.
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

/// An address that a browser on this machine can open.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
