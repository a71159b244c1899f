//! Builds the ingress and runs it until shutdown.

use crate::backlog::LongQueues;
use crate::checks::CheckCache;
use crate::dependencies::Dependencies;
use crate::dispatch::BrokerDispatch;
use crate::documents::Documents;
use crate::handler::handle;
use crate::limit::InFlight;
use crate::listening::{BoundAddress, StoppingTimes};
use crate::measure;
use crate::rate::Rates;
use crate::receive::BodyBudget;
use actix_web::dev::{ServerHandle, Service};
use actix_web::http::ConnectionType;
use actix_web::{App, HttpServer, web};
use forebay_broker::{Broker, PublisherState};
use forebay_contract::UnixMicros;
use forebay_runtime::health::Health;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_runtime::telemetry::Traces;
use forebay_store::{SnapshotHandle, Store, StoreError, TenantQueueOpener};
use forebay_tls::{TlsError, server_config};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Maximum bytes of all bodies of the calls in flight: beyond it calls are refused, so memory is bounded while the broker is slow.
const BODY_BUDGET: usize = 512 * 1024 * 1024;
/// Interval at which readiness and gauges are updated.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which uses of API keys are written, in one statement for all keys.
const KEY_USES_INTERVAL: Duration = Duration::from_secs(15);
/// Time after which idle connections are closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Maximum wait for the broker before calls are accepted: from then on the response is 503, which is more informative than a refused
/// connection.
const BROKER_WAIT: Duration = Duration::from_secs(5);
/// Default time for load balancers to notice that the process stops.
const LAME_DUCK: Duration = Duration::from_secs(5);
/// The health check that fails until calls are accepted.
const LISTENING: &str = "listening";

/// The reason for which the ingress could not be built.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    /// The address is in use or not of this machine.
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
    /// The installation's key could not be read from the store.
    #[error("the installation's id key cannot be read")]
    Store(#[from] StoreError),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Serve(#[source] std::io::Error),
}

/// A built ingress: its address is bound, and it listens once it runs.
pub struct Ingress {
    bound: BoundAddress,
    address: SocketAddr,
    tls: Option<rustls::ServerConfig>,
    dependencies: web::Data<Dependencies>,
    settings: Settings,
    health: Health,
    /// Ends the connections to the broker, after the last call was answered.
    broker_shutdown: CancellationToken,
}

impl Ingress {
    /// Binds the address and starts the connections to the broker. The snapshot is loaded when it returns; the broker may be connected
    /// later.
    ///
    /// # Errors
    /// [`IngressError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        broker: Broker,
        traces: Traces,
    ) -> Result<Self, IngressError> {
        let listen = |source| IngressError::Listen { address: settings.http_listen, source };
        let bound = BoundAddress::bind(settings.http_listen).map_err(listen)?;
        let address = bound.address().map_err(listen)?;
        let tls = settings.tls.as_ref().map(|files| server_config(&files.cert, &files.key)).transpose()?;
        let installation_key = store.id_key().await?;
        let ids = forebay_contract::IdIssuer::new(&installation_key);

        let broker_shutdown = CancellationToken::new();
        let key = broker.message_key(&installation_key);
        let publisher = broker.publisher("ingress", settings.publisher_channels, key, broker_shutdown.clone());
        let declaring = publisher.clone();
        let opener = TenantQueueOpener::new(store.clone(), move |number| declaring.clone().declare_shared(number));
        let long_queues = LongQueues::default();
        tokio::spawn(long_queues.clone().watch(broker.clone(), broker_shutdown.clone()));
        let replies = broker.replies(broker_shutdown.clone());
        let dependencies = web::Data::new(Dependencies {
            dispatch: BrokerDispatch { publisher, replies, broker, store: store.clone(), snapshot: snapshot.clone(), long_queues, opener },
            snapshot,
            checks: CheckCache::default(),
            store,
            ids,
            in_flight: InFlight::new(settings.max_in_flight),
            rates: Rates::default(),
            bodies: BodyBudget::new(BODY_BUDGET),
            documents: Documents::new(settings.max_body_bytes, settings.trusted_proxies.clone(), settings.hides_names),
            proxies: settings.trusted_proxies.clone(),
            max_body_bytes: settings.max_body_bytes,
            body_timeout: settings.body_timeout,
            retention: settings.retention,
            hides_names: settings.hides_names,
            traces,
        });
        health.expect(LISTENING);
        Ok(Self { bound, address, tls, dependencies, settings: settings.clone(), health, broker_shutdown })
    }

    /// Returns the address on which it listens, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown, then answers the accepted calls, at most for the drain timeout.
    ///
    /// It listens once it can accept calls, or has waited a few seconds for that. After the signal it is not ready, and still accepts calls
    /// for the lame-duck time, so that load balancers stop using it before it refuses calls.
    ///
    /// # Errors
    /// The address cannot be used, or the server fails.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), IngressError> {
        let observer = tokio::spawn(observe(self.dependencies.clone(), self.health.clone()));
        let key_uses = tokio::spawn(write_key_uses(self.dependencies.clone()));
        let (broker_shutdown, dependencies) = (self.broker_shutdown.clone(), self.dependencies.clone());
        let served = tokio::select! {
            () = until_accepting(&dependencies) => self.serve(&shutdown).await,
            () = shutdown.wait() => Ok(()),
        };
        observer.abort();
        key_uses.abort();
        broker_shutdown.cancel();
        served
    }

    async fn serve(self, shutdown: &Shutdown) -> Result<(), IngressError> {
        let Self { bound, address, tls, dependencies, settings, health, .. } = self;
        let times = StoppingTimes::new(settings.lame_duck.unwrap_or(LAME_DUCK), settings.drain_timeout);
        let stopping = CancellationToken::new();
        let is_stopping = stopping.clone();
        let server = HttpServer::new(move || {
            let is_stopping = is_stopping.clone();
            let app = App::new().wrap_fn(move |request, service| {
                let (answer, is_stopping) = (service.call(request), is_stopping.clone());
                async move {
                    let mut answer = answer.await?;
                    if is_stopping.is_cancelled() {
                        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                    }
                    Ok(answer)
                }
            });
            app.app_data(dependencies.clone()).default_service(web::to(handle))
        });
        let server = server
            .workers(settings.http_workers)
            .client_request_timeout(settings.header_timeout)
            .client_disconnect_timeout(Duration::from_secs(2))
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(times.drain.as_secs())
            .disable_signals();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = bound.listen().map_err(|source| IngressError::Listen { address, source })?;
        let server = match tls {
            Some(config) => server.listen_rustls_0_23(listener, config),
            None => server.listen(listener),
        };
        let server = server.map_err(IngressError::Serve)?.run();
        tracing::info!(%address, scheme, "the ingress is listening");
        health.set(LISTENING, true, address.to_string());
        let handle = server.handle();
        let stop = tokio::spawn(stop(shutdown.clone(), health, stopping, times, handle));
        let served = server.await.map_err(IngressError::Serve);
        stop.abort();
        served
    }
}

/// Stops the server in order once the shutdown has begun.
async fn stop(shutdown: Shutdown, health: Health, stopping: CancellationToken, times: StoppingTimes, server: ServerHandle) {
    shutdown.wait().await;
    health.stopping();
    // From here on each response closes its connection: clients leave their connections before these are closed.
    stopping.cancel();
    tokio::time::sleep(times.lame_duck).await;
    server.stop(true).await;
}

/// Waits until calls can be accepted and answered, at most for [`BROKER_WAIT`].
async fn until_accepting(dependencies: &Dependencies) {
    let accepting = async {
        dependencies.dispatch.publisher.ready().await;
        dependencies.dispatch.replies.ready().await;
    };
    if tokio::time::timeout(BROKER_WAIT, accepting).await.is_err() {
        tracing::warn!("there is no connection to the broker yet: calls are answered with 503 until there is");
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
        let connected = dispatch.replies.is_connected();
        // While the broker is away, the process stays ready: its 503 is more informative than that of a load balancer without a backend.
        health.inform("broker", state == PublisherState::Ready, detail);
        health.inform("replies", connected, if connected { "listening" } else { "no connection" });
        let is_accepting = state == PublisherState::Ready && connected;
        health.inform("accepting", is_accepting, if is_accepting { "calls are accepted" } else { "calls are answered with 503" });
        measure::state(state, connected, dependencies.in_flight.now(), dispatch.replies.waiting(), dependencies.snapshot.age());
        tokio::time::sleep(OBSERVE_INTERVAL).await;
    }
}

/// Writes the last uses of keys, for pages and listings. A use that cannot be written is written later: calls do not wait for it.
async fn write_key_uses(dependencies: web::Data<Dependencies>) {
    let mut written: HashMap<Uuid, UnixMicros> = HashMap::new();
    loop {
        tokio::time::sleep(KEY_USES_INTERVAL).await;
        let snapshot = dependencies.snapshot.current();
        let is_news = |(id, at): &(Uuid, UnixMicros)| *at > written.get(id).copied().unwrap_or_default();
        let uses: Vec<(Uuid, UnixMicros)> = snapshot.keys().map(|key| (key.id, key.last_use.at())).filter(is_news).collect();
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
