//! The processes under test: two ingresses behind a balancer, workers and a scheduler, each behind proxies to the broker and the database.

use crate::history::Recorded;
use forebay_tests::{Balancer, Process, Proxy, Stack, eventually};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const INGRESSES: usize = 2;
/// Few places, so that one tenant can have more hanging calls than places.
const WORKER_CONCURRENCY: &str = "32";
/// Time without a change after which the drain ends; pauses between attempts are shorter.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
/// ... or this time, if all known executions have ended.
const STILL: Duration = Duration::from_secs(4);

pub(crate) struct Installation {
    pub(crate) stack: Stack,
    pub(crate) broker: Proxy,
    pub(crate) database: Proxy,
    pub(crate) balancer: Balancer,
    settings: Vec<(&'static str, String)>,
    /// `None` while a process is away.
    workers: Vec<Mutex<Option<Process>>>,
    ingresses: Vec<Mutex<Option<Process>>>,
    addresses: Vec<[String; 2]>,
    scheduler: Process,
}

impl Installation {
    /// Starts everything and waits until it is ready.
    pub(crate) async fn start(workers: usize, definitions: &str) -> Result<Self, String> {
        let stack = Stack::new().await;
        stack.apply(definitions).await;
        let no_proxy = |error| format!("a proxy cannot be started: {error}");
        let broker = Proxy::start(&stack.broker_url()).await.map_err(no_proxy)?;
        let database = Proxy::start(stack.database_url()).await.map_err(no_proxy)?;
        let settings = vec![
            ("FOREBAY_AMQP_URL", broker.url.clone()),
            ("FOREBAY_DATABASE_URL", database.url.clone()),
            ("FOREBAY_WORKER_CONCURRENCY", WORKER_CONCURRENCY.to_owned()),
        ];
        let mut ingresses = Vec::new();
        for _ in 0..INGRESSES {
            ingresses.push(stack.start_with("ingress", &borrowed(&settings)).await);
        }
        let address = |process: &Process| [process.address().to_owned(), process.admin_address().to_owned()];
        let addresses: Vec<[String; 2]> = ingresses.iter().map(address).collect();
        let balancer = Balancer::start(&addresses).await;
        let mut started = Vec::new();
        for _ in 0..workers {
            started.push(stack.start_with("worker", &borrowed(&settings)).await);
        }
        let scheduler = stack.start_with("scheduler", &borrowed(&settings)).await;
        eventually("every ingress is ready", || async { (balancer.ready() == INGRESSES).then_some(()) }).await;
        let held = |processes: Vec<Process>| processes.into_iter().map(|process| Mutex::new(Some(process))).collect();
        let (workers, ingresses) = (held(started), held(ingresses));
        Ok(Self { stack, broker, database, balancer, settings, workers, ingresses, addresses, scheduler })
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn ingresses(&self) -> usize {
        self.ingresses.len()
    }

    /// Kills a worker, waits, and starts another in its place.
    pub(crate) async fn kill_worker(&self, number: usize, away: Duration) {
        let mut slot = self.workers[number].lock().await;
        if let Some(process) = slot.take() {
            process.kill().await;
        }
        tokio::time::sleep(away).await;
        *slot = Some(self.stack.start_with("worker", &borrowed(&self.settings)).await);
    }

    /// Stops a worker's execution for a time.
    pub(crate) async fn freeze_worker(&self, number: usize, time: Duration) {
        let slot = self.workers[number].lock().await;
        if let Some(process) = &*slot {
            process.signal("STOP");
            tokio::time::sleep(time).await;
            process.signal("CONT");
        }
    }

    /// Kills an ingress, waits, and starts another at its addresses.
    pub(crate) async fn kill_ingress(&self, number: usize, away: Duration) {
        let mut slot = self.ingresses[number].lock().await;
        if let Some(process) = slot.take() {
            process.kill().await;
        }
        tokio::time::sleep(away).await;
        let [http, admin] = &self.addresses[number];
        *slot = Some(self.stack.start_at("ingress", [http, admin], &borrowed(&self.settings)).await);
    }

    /// Executions of calls in the database: those that have ended, and those that have not.
    async fn counts(&self, tenant: Option<&str>) -> (usize, usize) {
        let of_tenant = tenant.map_or_else(String::new, |tenant| format!("and i.tenant = '{tenant}'"));
        let statement = format!(
            "select count(*) filter (where ended_at is not null), count(*) filter (where ended_at is null) \
             from executions e join integrations i on i.id = e.integration_id where e.trigger_kind <> 'schedule' {of_tenant}"
        );
        let text = self.stack.sql(&statement).await;
        let mut counts = text.trim().split('|').map(|count| count.parse().unwrap_or_default());
        (counts.next().unwrap_or_default(), counts.next().unwrap_or_default())
    }

    /// Waits until so many executions of a tenant have ended, or until no further one ends.
    pub(crate) async fn drained(&self, tenant: &str, accepted: usize) {
        let (mut most, mut since) = (0, Instant::now());
        while since.elapsed() < DRAIN_TIMEOUT {
            let (ended, _) = self.counts(Some(tenant)).await;
            if ended >= accepted {
                return;
            }
            if ended > most {
                (most, since) = (ended, Instant::now());
            }
            tokio::time::sleep(DRAIN_INTERVAL).await;
        }
    }

    /// Waits until all work is done, or until nothing changes. `unfinished` returns the calls of which more effects must come.
    ///
    /// Executions of calls with unknown outcome may still be queued, so nothing may change for a while.
    pub(crate) async fn all_drained(&self, unfinished: impl Fn() -> usize) {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let (ended, running) = self.counts(None).await;
            let now = (ended, running, unfinished());
            if last != Some(now) {
                (last, since) = (Some(now), Instant::now());
            }
            let is_done = now.1 == 0 && now.2 == 0;
            if since.elapsed() > if is_done { STILL } else { DRAIN_TIMEOUT } {
                return;
            }
            tokio::time::sleep(DRAIN_INTERVAL).await;
        }
    }

    /// Every execution in the history of Forebay.
    pub(crate) async fn executions(&self) -> Vec<Recorded> {
        let listed = self.stack.command_json(&["executions", "list", "--limit", "10000000"]).await;
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let recorded = |row: &Value| Recorded {
            id: text(row, "id"),
            tenant: text(row, "tenant"),
            integration: text(row, "integration"),
            status: text(row, "status"),
            error: format!("{} {}", text(&row["error"], "code"), text(&row["error"], "message")).trim().to_owned(),
        };
        listed.as_array().into_iter().flatten().map(recorded).collect()
    }

    /// Writes the logs of all processes into a new folder; its path.
    pub(crate) fn save_logs(&self, name: &str) -> std::io::Result<PathBuf> {
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        for service in ["ingress", "worker", "scheduler"] {
            std::fs::write(folder.join(format!("{service}.log")), self.stack.log_of(service))?;
        }
        Ok(folder)
    }

    /// Ends every process and deletes the objects of the run at the broker and in the database.
    pub(crate) async fn end(self) {
        let slots = self.workers.into_iter().chain(self.ingresses);
        let processes: Vec<Process> = slots.filter_map(Mutex::into_inner).chain([self.scheduler]).collect();
        for process in processes {
            process.kill().await;
        }
    }
}

fn borrowed<'s>(settings: &'s [(&'static str, String)]) -> Vec<(&'static str, &'s str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Runs a verb of `scripts/services`, such as `stop-broker`, with its arguments.
///
/// # Errors
/// The error of the verb and the script.
pub(crate) async fn services(verb: &str) -> Result<(), String> {
    let script =
        std::env::var("FOREBAY_SERVICES").map_err(|_| "FOREBAY_SERVICES is not set: give the path of scripts/services".to_owned())?;
    let mut command = tokio::process::Command::new(&script);
    // If the URLs were set, the script would not control the servers.
    command.args(verb.split(' ')).env_remove("FOREBAY_AMQP_URL").env_remove("FOREBAY_DATABASE_URL");
    let output = command.output().await.map_err(|error| format!("{script} cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{script} {verb} failed: {}", text.trim())) }
}
