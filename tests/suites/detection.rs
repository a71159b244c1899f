//! Time of a takeover if a worker or the database hangs while its connections stay open.

use forebay_tests::{Process, Proxy, Sink, Stack, Way, eventually};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const ORDERED: &str = "
tenant: t1
name: ordered
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
";

/// Maximum time of a takeover: RabbitMQ closes a connection after two to three missed heartbeats; the rest is for a busy machine.
const TAKEOVER: Duration = Duration::from_secs(9 + 3);
/// Time for which one worker must run all calls before the trigger counts as settled on it: queues move when a worker joins.
const REST: Duration = Duration::from_secs(5);
/// Time between two losses; a worker that hangs still counts as live then.
const SOON: Duration = Duration::from_secs(3);

/// Workers, and the trigger that one of them serves.
struct Workers {
    stack: Stack,
    ingress: Process,
    workers: Vec<(&'static str, Process)>,
}

impl Workers {
    async fn start(names: &[&'static str]) -> Self {
        let stack = Stack::new().await;
        stack.apply(ORDERED).await;
        let ingress = stack.start("ingress").await;
        let mut workers = Vec::new();
        for name in names {
            workers.push((*name, stack.start_with("worker", &[("FOREBAY_WORKER_NAME", *name)]).await));
        }
        Self { stack, ingress, workers }
    }

    fn signal(&self, worker: &str, name: &str) {
        let (_, process) = self.workers.iter().find(|(name, _)| *name == worker).unwrap();
        process.signal(name);
    }

    /// Returns the worker that runs a call, and its duration.
    async fn run(&self) -> (String, Duration) {
        let (before, begun) = (self.stack.executions("ordered").await.len(), Instant::now());
        assert_eq!(self.stack.post(&self.ingress, "/t1/ordered", "{}").await.status, 202);
        let ended = self.stack.ended("ordered", before + 1).await;
        (ended[0]["worker"].as_str().unwrap_or_default().to_owned(), begun.elapsed())
    }

    /// Returns the worker on which the trigger has settled.
    async fn active(&self) -> String {
        let (mut active, mut since) = (String::new(), Instant::now());
        while active.is_empty() || since.elapsed() < REST {
            let (worker, _) = self.run().await;
            if worker != active {
                (active, since) = (worker, Instant::now());
            }
        }
        active
    }
}

#[tokio::test]
async fn the_triggers_of_a_worker_that_hangs_are_run_by_another_within_three_heartbeats() {
    let workers = Workers::start(&["one", "two"]).await;
    let active = workers.active().await;
    workers.signal(&active, "STOP");
    let (other, elapsed) = workers.run().await;
    workers.signal(&active, "CONT");
    eprintln!("taken over after {elapsed:?}");
    assert_ne!(other, active);
    assert!(elapsed < TAKEOVER, "{elapsed:?}");
}

#[tokio::test]
async fn the_triggers_of_two_workers_that_hang_soon_one_after_the_other_are_run_by_a_third() {
    let workers = Workers::start(&["one", "two", "three"]).await;
    let active = workers.active().await;
    // The standby takes over, and again when the first one is back.
    workers.signal(&active, "STOP");
    let (standby, _) = workers.run().await;
    workers.signal(&active, "CONT");
    eventually("the first one runs the calls again", || async { (workers.run().await.0 == active).then_some(()) }).await;
    assert_eq!(workers.active().await, active);

    workers.signal(&active, "STOP");
    tokio::time::sleep(SOON).await;
    workers.signal(&standby, "STOP");
    let (third, elapsed) = workers.run().await;
    workers.signal(&active, "CONT");
    workers.signal(&standby, "CONT");
    eprintln!("taken over after {elapsed:?}");
    assert!(third != active && third != standby, "{third}");
    assert!(elapsed < TAKEOVER, "{elapsed:?}");
}

#[tokio::test]
async fn calls_are_accepted_and_executed_while_the_database_answers_nothing() {
    const CALLS: usize = 400;
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let step = |id: &str| format!("  - id: {id}\n    http: {{ method: POST, url: '{}/', body: '.body' }}\n", sink.address());
    let steps = format!("steps:\n{}{}", step("first"), step("second"));
    stack.apply(&format!("tenant: t1\nname: two\ntrigger: {{ webhook: {{ methods: [POST], authentication: none }} }}\n{steps}")).await;
    let database = Proxy::start(stack.database_url()).await.unwrap();
    let settings = [("FOREBAY_DATABASE_URL", database.url.as_str()), ("FOREBAY_WORKER_CONCURRENCY", "16")];
    let ingress = stack.start_with("ingress", &settings).await;
    let _worker = stack.start_with("worker", &settings).await;
    let send = async || {
        for number in 0..CALLS {
            assert_eq!(stack.post(&ingress, "/t1/two", &number.to_string()).await.status, 202);
        }
    };
    // A remote call that is repeated has the same key, and counts once.
    let effects = || sink.calls().into_iter().map(|call| call.idempotency_key).collect::<HashSet<_>>().len();
    let time_of = async |before: usize| {
        let begun = Instant::now();
        send().await;
        eventually("all have their effects", || async { (effects() >= before + 2 * CALLS).then_some(()) }).await;
        begun.elapsed()
    };
    let with_database = time_of(0).await;
    stack.ended("two", CALLS).await;
    database.set(Way::Shut);
    let without = time_of(effects()).await;
    database.set(Way::Open);
    eprintln!("{CALLS} calls elapsed {with_database:?}, and {without:?} without an answer of the database");
    let executions = stack.ended("two", 2 * CALLS).await;
    assert!(executions.iter().all(|execution| execution["status"] == "succeeded"), "{executions:?}");
}
