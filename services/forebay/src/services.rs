//! The verbs that run services: build them, serve until a signal, and stop in order.

use forebay_broker::Broker;
use forebay_console::Console;
use forebay_ingress::Ingress;
use forebay_operations::InstallationCheck;
use forebay_runtime::health::Health;
use forebay_runtime::management::ManagementServer;
use forebay_runtime::settings::{DeprecatedName, Settings, unknown_variables};
use forebay_runtime::shutdown::Shutdown;
use forebay_runtime::telemetry::Traces;
use forebay_runtime::{metrics, panics, telemetry};
use forebay_scheduler::Scheduler;
use forebay_store::{MigrationReport, SnapshotHandle, Store, StoreOptions, WatchOptions};
use forebay_worker::Worker;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::output::{Output, write};

/// Variables of scripts and client verbs, which are not settings.
const OTHER_VARIABLES: [&str; 9] = [
    "FOREBAY_API_URL",
    "FOREBAY_API_TOKEN",
    "FOREBAY_API_TOKEN_FILE",
    "FOREBAY_CONSOLE_PORT",
    "FOREBAY_KEY",
    "FOREBAY_BIN",
    "FOREBAY_SERVICES",
    "FOREBAY_HTTP_PORT",
    "FOREBAY_STACK_PASSWORD",
];
/// Maximum connections to the database of one process: for batches of records, claims, and requests of people.
const CONNECTIONS: usize = 8;
/// The health check that fails until the definitions are loaded.
const DEFINITIONS: &str = "definitions";
/// The health check that fails until the services are built.
const SERVICES: &str = "services";

/// The services of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    Dev,
    Ingress,
    Worker,
    Scheduler,
    Console,
}

impl Services {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "forebay-dev",
            Self::Ingress => "forebay-ingress",
            Self::Worker => "forebay-worker",
            Self::Scheduler => "forebay-scheduler",
            Self::Console => "forebay-console",
        }
    }

    fn has_ingress(self) -> bool {
        matches!(self, Self::Dev | Self::Ingress)
    }

    fn has_worker(self) -> bool {
        matches!(self, Self::Dev | Self::Worker)
    }

    fn has_scheduler(self) -> bool {
        matches!(self, Self::Dev | Self::Scheduler)
    }

    fn has_console(self) -> bool {
        matches!(self, Self::Dev | Self::Console)
    }
}

/// Runs the services until SIGTERM or SIGINT, then drains them.
pub(crate) async fn run(services: Services, settings: &Settings) -> Result<(), Error> {
    let telemetry = telemetry::init(settings, services.name())?;
    panics::log_panics();
    let mut settings = settings.clone();
    if services == Services::Dev {
        // It has no load balancer.
        settings.lame_duck.get_or_insert(Duration::ZERO);
    }
    let ended = serve(services, &settings, telemetry.traces()).await;
    telemetry.shutdown().await;
    ended
}

/// `forebay migrate`.
pub(crate) async fn migrate(output: &Output, settings: &Settings) -> Result<(), Error> {
    let report = migrated(&crate::client_store(settings).await?, settings).await?;
    let text = match report.applied.as_slice() {
        [] => format!("the database is up to date (version {})", report.version),
        applied => format!("applied {}: the database is at version {}", applied.join(", "), report.version),
    };
    output.one(&text, &json!({ "version": report.version, "applied": report.applied }))
}

async fn migrated(store: &Store, settings: &Settings) -> Result<MigrationReport, Error> {
    Store::create_database_if_missing(settings.database_url.expose()).await?;
    Ok(store.migrate().await?)
}

async fn serve(services: Services, settings: &Settings, traces: Traces) -> Result<(), Error> {
    let metrics = metrics::install()?;
    warn_of_unknown_variables();
    warn_of_deprecated_names(&settings.deprecated_names);
    let shutdown = Shutdown::on_signals(settings.drain_timeout)?;
    let health = Health::new();
    health.expect(DEFINITIONS);
    health.expect(SERVICES);
    let management = ManagementServer::bind(settings.management_listen, health.clone(), metrics).await?;
    let management_address = management.local_addr();
    // The management port and the watch of definitions run until the services have drained.
    let ended = CancellationToken::new();
    let management = tokio::spawn(management.run_until(ended.clone().cancelled_owned()));
    let _ends_with_this = ended.clone().drop_guard();

    if services != Services::Ingress {
        let reach = &settings.private_addresses;
        tracing::info!("FOREBAY_PRIVATE_ADDRESSES={reach} applies to steps, alerts and tests of connections");
    }
    let options = StoreOptions {
        max_connections: CONNECTIONS,
        application_name: services.name().to_owned(),
        secret_keys: crate::secret_keys(settings),
        caps: crate::caps(settings),
    };
    let store = Store::connect(settings.database_url.expose(), options).await?;
    if services == Services::Dev {
        migrated(&store, settings).await?;
    }
    let watched = tokio::select! {
        watched = store.watch(ended.clone(), WatchOptions::default()) => watched?,
        () = shutdown.wait() => return Ok(()),
    };
    health.set(DEFINITIONS, true, "loaded");

    let broker = Broker::from(settings);
    let check = InstallationCheck::new(broker.clone(), store.clone());
    tokio::select! {
        started = check.start() => started?,
        () = shutdown.wait() => return Ok(()),
    }
    tokio::spawn(check.follow(ended.clone()));

    let built = build(services, settings, store, watched, &health, &broker, traces).await?;
    // Each service has registered its checks in `build`. Without the check SERVICES, the process would be ready before it is built.
    health.set(SERVICES, true, "built");
    announce(services, &built, settings, &management_address.to_string())?;
    let result = drain_together(built, &shutdown).await;
    ended.cancel();
    // Its end is bounded, and a panic is logged already.
    let _ = management.await;
    result
}

struct Built {
    ingress: Option<Ingress>,
    worker: Option<Worker>,
    scheduler: Option<Scheduler>,
    console: Option<Console>,
}

async fn build(
    services: Services,
    settings: &Settings,
    store: Store,
    watched: SnapshotHandle,
    health: &Health,
    broker: &Broker,
    traces: Traces,
) -> Result<Built, Error> {
    let ingress = match services.has_ingress() {
        true => Some(Ingress::build(settings, store.clone(), watched.clone(), health.clone(), broker.clone(), traces).await?),
        false => None,
    };
    let worker = match services.has_worker() {
        true => Some(Worker::build(settings, store.clone(), watched.clone(), health.clone(), broker.clone(), traces).await?),
        false => None,
    };
    let scheduler = match services.has_scheduler() {
        true => Some(Scheduler::build(settings, store.clone(), watched.clone(), health.clone(), broker.clone()).await?),
        false => None,
    };
    let console = match services.has_console() {
        true => {
            // The address of the ingress that was built with it, on any port.
            let mut beside = settings.clone();
            beside.http_listen = ingress.as_ref().map_or(settings.http_listen, Ingress::address);
            Some(Console::build(&beside, store, watched, health.clone(), None).await?)
        }
        false => None,
    };
    Ok(Built { ingress, worker, scheduler, console })
}

/// Runs the built services to their end. If one fails, the others are stopped as by a signal.
async fn drain_together(built: Built, shutdown: &Shutdown) -> Result<(), Error> {
    let mut services = Vec::new();
    if let Some(worker) = built.worker {
        services.push(("worker", spawn(worker.run_until(shutdown.clone()), shutdown)));
    }
    if let Some(scheduler) = built.scheduler {
        services.push(("scheduler", spawn(scheduler.run_until(shutdown.clone()), shutdown)));
    }
    if let Some(console) = built.console {
        services.push(("console", spawn(console.run_until(shutdown.clone()), shutdown)));
    }
    let ingress = match built.ingress {
        Some(ingress) => ingress.run_until(shutdown.clone()).await,
        None => Ok(()),
    };
    if ingress.is_err() || services.is_empty() {
        shutdown.trigger();
    }
    let mut first_failure = Ok(());
    for (name, service) in services {
        let ended = service.await.unwrap_or_else(|error| Err(Error::Failed(format!("the {name} stopped because of a defect: {error}"))));
        first_failure = first_failure.and(ended);
    }
    first_failure?;
    Ok(ingress?)
}

/// Runs a service on the runtime's threads, whose stacks are large enough for mappings; that of this thread may not be. Its end stops the
/// others.
fn spawn<E: Into<Error>>(
    service: impl Future<Output = Result<(), E>> + Send + 'static,
    shutdown: &Shutdown,
) -> JoinHandle<Result<(), Error>> {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let ended = service.await.map_err(Into::into);
        shutdown.trigger();
        ended
    })
}

/// Prints the addresses for the person who started `forebay dev`; other processes log them.
fn announce(services: Services, built: &Built, settings: &Settings, management: &str) -> Result<(), Error> {
    tracing::info!(services = services.name(), management.address = management, "started");
    if services != Services::Dev {
        return Ok(());
    }
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let calls = built.ingress.as_ref().map(|ingress| format!("calls    {scheme}://{}\n", ingress.address())).unwrap_or_default();
    let console = built
        .console
        .as_ref()
        .map(|console| format!("console  {}\n", console.setup_url().unwrap_or_else(|| console.url().to_owned())))
        .unwrap_or_default();
    write(&format!("{calls}{console}health   http://{management}/readyz\nmetrics  http://{management}/metrics"))
}

/// Warns about former names of settings, which work for one release.
fn warn_of_deprecated_names(names: &[DeprecatedName]) {
    for name in names {
        tracing::warn!(
            variable = name.used.env,
            replacement = name.env,
            "this setting is deprecated and will not work in the next release: use {} (--{}) instead of {} (--{})",
            name.env,
            name.flag,
            name.used.env,
            name.used.flag,
        );
    }
}

/// Warns about misspelled settings, which would have no effect.
fn warn_of_unknown_variables() {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for unknown in unknown_variables(names, &OTHER_VARIABLES) {
        let meant = unknown.meant.unwrap_or("none: see forebay dev --help");
        tracing::warn!(variable = unknown.name, meant, "this variable is not a setting and has no effect");
    }
}
