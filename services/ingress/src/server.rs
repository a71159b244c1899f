//! Builds the ingress and runs it until shutdown.

use crate::checks::CheckCache;
use crate::dispatch::Dispatch;
use crate::documents::Documents;
use crate::handler::{Dependencies, handle};
use crate::limit::InFlight;
use crate::measure;
use crate::rate::Rates;
use crate::receive::BodyBudget;
use actix_web::{App, HttpServer, web};
use forebay_broker::{Installation, Limits, Publisher, PublisherConfig, PublisherState, Replies, Topology};
use forebay_runtime::health::Health;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{SnapshotHandle, Store, StoreError};
use forebay_tls::{TlsError, server_config};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Bytes of bodies that the calls under way may hold in all: past it calls are refused, so memory stays flat while the broker is slow.
const BODY_BUDGET: usize = 512 * 1024 * 1024;
/// How often readiness and gauges are brought up to date.
const OBSERVE_EVERY: Duration = Duration::from_millis(500);
/// Uses of API keys are written at most this often, in one statement for all keys.
const WRITE_KEY_USES_EVERY: Duration = Duration::from_secs(15);
/// Idle connections are kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Why the ingress could not be built.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}; free it or set FOREBAY_HTTP_LISTEN")]
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
    /// The store could not give the installation's key.
    #[error("the installation's id key cannot be read")]
    Store(#[from] StoreError),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Serve(#[source] std::io::Error),
}

/// A built ingress: it listens, and answers once it runs.
pub struct Ingress {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<rustls::ServerConfig>,
    dependencies: web::Data<Dependencies>,
    settings: Settings,
    health: Health,
    /// Ends the broker connections, after the last call was answered.
    broker_shutdown: CancellationToken,
}

impl Ingress {
    /// Binds the address and starts the connections to the broker. The snapshot is loaded by then; the broker may come later.
    ///
    /// # Errors
    /// [`IngressError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        installation: Installation,
    ) -> Result<Self, IngressError> {
        let listen = |source| IngressError::Listen { address: settings.http_listen, source };
        let listener = TcpListener::bind(settings.http_listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let tls = settings.tls.as_ref().map(|files| server_config(&files.cert, &files.key)).transpose()?;
        let ids = forebay_contract::IdIssuer::new(&store.id_key().await?);

        let broker_shutdown = CancellationToken::new();
        let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
        let topology = Topology::new(&settings.queue_prefix, settings.lanes, limits, installation);
        let url = settings.amqp_url.expose().to_owned();
        let publisher_config = PublisherConfig {
            url: url.clone(),
            name: format!("{} ingress", settings.worker_name),
            channels: settings.publisher_channels,
            confirm_timeout: settings.confirm_timeout,
        };
        let publisher = Publisher::start(publisher_config, topology.clone(), broker_shutdown.clone());
        let replies = Replies::start(url, settings.worker_name.clone(), topology.clone(), broker_shutdown.clone());
        let dependencies = web::Data::new(Dependencies {
            snapshot,
            dispatch: Dispatch { publisher, replies, topology, store: store.clone() },
            checks: CheckCache::default(),
            store,
            ids,
            in_flight: InFlight::new(settings.max_in_flight),
            rates: Rates::default(),
            bodies: BodyBudget::new(BODY_BUDGET),
            documents: Documents::new(settings.max_body_bytes, settings.trusted_proxies.clone()),
            max_body_bytes: settings.max_body_bytes,
            body_timeout: settings.body_timeout,
            retention: settings.retention,
        });
        health.expect("broker");
        health.expect("replies");
        Ok(Self { listener, address, tls, dependencies, settings: settings.clone(), health, broker_shutdown })
    }

    /// Where it listens: the port that was given when the setting asked for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown, then answers what it has accepted, at most for the drain time.
    ///
    /// # Errors
    /// When the server itself fails.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), IngressError> {
        let dependencies = self.dependencies.clone();
        let server = HttpServer::new(move || App::new().app_data(dependencies.clone()).default_service(web::to(handle)))
            .workers(self.settings.http_workers)
            .client_request_timeout(self.settings.header_timeout)
            .client_disconnect_timeout(Duration::from_secs(2))
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(self.settings.drain_timeout.as_secs().max(1))
            .disable_signals();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let server = match self.tls {
            Some(config) => server.listen_rustls_0_23(self.listener, config),
            None => server.listen(self.listener),
        };
        let server = server.map_err(IngressError::Serve)?.run();
        tracing::info!(address = %self.address, scheme, "the ingress is listening");
        let observer = tokio::spawn(observe(self.dependencies.clone(), self.health.clone()));
        let key_uses = tokio::spawn(write_key_uses(self.dependencies.clone()));
        let handle = server.handle();
        let stopping = self.health.clone();
        let stop = tokio::spawn(async move {
            shutdown.wait().await;
            stopping.stopping();
            handle.stop(true).await;
        });
        let served = server.await.map_err(IngressError::Serve);
        stop.abort();
        observer.abort();
        key_uses.abort();
        self.broker_shutdown.cancel();
        served
    }
}

/// Keeps readiness and gauges up to date.
async fn observe(dependencies: web::Data<Dependencies>, health: Health) {
    loop {
        let dispatch = &dependencies.dispatch;
        let state = dispatch.publisher.state();
        let detail = match state {
            PublisherState::Ready => "publishing",
            PublisherState::Blocked => "the broker accepts no messages (memory or disk alarm)",
            PublisherState::Away => "no connection",
            PublisherState::NotOfInstallation => "not this installation's broker (the log says why)",
        };
        health.set("broker", state == PublisherState::Ready, detail);
        let connected = dispatch.replies.is_connected();
        health.set("replies", connected, if connected { "listening" } else { "no connection" });
        measure::state(state, connected, dependencies.in_flight.now(), dispatch.replies.waiting(), dependencies.snapshot.age());
        tokio::time::sleep(OBSERVE_EVERY).await;
    }
}

/// Keeps what people see of when keys were used last. What cannot be written is written later: calls do not wait for it.
async fn write_key_uses(dependencies: web::Data<Dependencies>) {
    let mut written: HashMap<Uuid, i64> = HashMap::new();
    loop {
        tokio::time::sleep(WRITE_KEY_USES_EVERY).await;
        let snapshot = dependencies.snapshot.current();
        let is_news = |(id, at): &(Uuid, i64)| *at > written.get(id).copied().unwrap_or_default();
        let uses: Vec<(Uuid, i64)> = snapshot.keys().map(|key| (key.id, key.last_use.at())).filter(is_news).collect();
        if uses.is_empty() {
            continue;
        }
        match dependencies.store.note_key_uses(&uses).await {
            Ok(()) => {
                written.retain(|id, _| snapshot.keys().any(|key| key.id == *id));
                written.extend(uses);
            }
            Err(error) => tracing::debug!(%error, "uses of keys are not written yet"),
        }
    }
}
