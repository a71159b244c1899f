//! Failures of nodes of a cluster of three, under calls.

use forebay_tests::{Cluster, Process, Stack, VirtualAddress, eventually};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TRIGGERS: usize = 8;
/// Maximum time from a leader's death until calls are accepted again: another one is elected within seconds.
const RECOVERY: Duration = Duration::from_secs(12);

/// Calls to one trigger, ten per second, and their results: time, status and text.
struct Calls {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<(Instant, u16, String)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Calls {
    fn start(stack: &Stack, process: &Process, path: String) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, recorded, http, url) = (stop.clone(), answers.clone(), stack.http.clone(), format!("{}{path}", process.url));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let (url, http, recorded) = (url.clone(), http.clone(), recorded.clone());
                // In parallel: a call without a response must not delay others.
                tokio::spawn(async move {
                    let began = Instant::now();
                    let response = http.post(&url).header("content-type", "application/json").body("{}").send().await.unwrap();
                    let status = response.status().as_u16();
                    let text = response.text().await.unwrap();
                    recorded.lock().unwrap().push((began, status, text));
                });
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { stop, answers, task }
    }

    async fn end(self) -> Vec<(Instant, u16, String)> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

fn definitions() -> String {
    let one =
        |n| format!("tenant: t1\nname: ordered{n}\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, ordered: true }} }}\n");
    (0..TRIGGERS).map(one).collect::<Vec<_>>().join("---\n")
}

/// The name of a trigger's queue.
async fn queue_of(stack: &Stack, trigger: usize) -> String {
    let id = stack.sql(&format!("select id from integrations where name = 'ordered{trigger}'")).await;
    format!("{}trigger.{}", stack.queue_prefix(), id.trim())
}

/// Returns a trigger whose queue has its leader on this node; creates one if needed.
async fn trigger_led_by(stack: &Stack, cluster: &Cluster, node: usize) -> usize {
    let mut queues = Vec::new();
    for trigger in 0..TRIGGERS {
        queues.push(queue_of(stack, trigger).await);
    }
    eventually("a queue has its leader on the ingress's node", || async {
        let leaders = cluster.leaders(node).await;
        let is_led_here = |queue: &String| leaders.iter().any(|(name, leader)| name == queue && *leader == node);
        let found = queues.iter().position(is_led_here);
        if found.is_none() {
            cluster.rebalance(node).await;
        }
        found
    })
    .await
}

/// Kills the node to which the ingress is connected, and returns the result of calls to a trigger whose queue it led. `Err`: they were told
/// that the queue is full, or were still refused at the end.
///
/// The ingress connects to another node before a new leader is known there: RabbitMQ 3.10 then asks the dead node for every message of the
/// channel, and refuses all until that node is back.
async fn kill_a_leader(stack: &Stack, cluster: &Cluster, address: &VirtualAddress, process: &Process) -> Result<Duration, String> {
    let leader = address.current();
    let trigger = trigger_led_by(stack, cluster, leader).await;
    let calls = Calls::start(stack, process, format!("/t1/ordered{trigger}"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let killed = Instant::now();
    cluster.kill_node(leader);
    tokio::time::sleep(RECOVERY + Duration::from_secs(3)).await;
    let answers = calls.end().await;
    let refused = answers.iter().filter(|(began, status, _)| *began > killed && *status != 202);
    let summary = {
        let mut texts: Vec<String> = refused.clone().map(|(_, status, text)| format!("{status} {text}")).collect();
        let count = texts.len();
        texts.sort();
        texts.dedup();
        format!("{count} of {} refused: {texts:?}", answers.len())
    };
    let last_refused = refused.map(|(began, ..)| began.duration_since(killed)).max().unwrap_or_default();
    eprintln!("leader {leader} of ordered{trigger} killed: last refused call {last_refused:?} after; {summary}");
    let full = answers.iter().find(|(_, status, text)| *status == 503 && text.contains("is full"));
    cluster.start_node(leader).await;
    match full {
        Some((.., text)) => Err(format!("told as full: {text}")),
        None if last_refused > RECOVERY => Err(format!("refused for {last_refused:?}: {summary}")),
        None => Ok(last_refused),
    }
}

/// `FOREBAY_LEADER_KILLS` is the number of leaders that are killed.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_accepted_again_while_the_node_of_their_queues_leader_stays_away_and_no_queue_is_told_as_full() {
    let kills: usize = std::env::var("FOREBAY_LEADER_KILLS").map_or(2, |text| text.parse().unwrap());
    let cluster = Cluster::start().await;
    let stack = Stack::new().await;
    stack.apply(&definitions()).await;
    let address = cluster.virtual_address().await;
    let process = stack.start_with("ingress", &[("FOREBAY_AMQP_URL", &address.url)]).await;
    for trigger in 0..TRIGGERS {
        assert_eq!(stack.post(&process, &format!("/t1/ordered{trigger}"), "{}").await.status, 202);
    }
    let mut failures = Vec::new();
    for _ in 0..kills {
        failures.extend(kill_a_leader(&stack, &cluster, &address, &process).await.err());
    }
    assert!(failures.is_empty(), "{} of {kills} kills: {failures:#?}", failures.len());
}

/// The process has a publisher, replies, consumers and the inspector of queues.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_knows_several_nodes_goes_on_when_its_own_dies() {
    let cluster = Cluster::start().await;
    let stack = Stack::new().await;
    stack.apply(&definitions()).await;
    let process = stack.start_with("dev", &[("FOREBAY_AMQP_URL", &cluster.url(&[0, 1, 2]))]).await;
    for dying in 0..2 {
        assert_eq!(stack.post(&process, "/t1/ordered0", "{}").await.status, 202);
        cluster.kill_node(dying);
        let killed = Instant::now();
        eventually("calls are accepted again", || async { (stack.post(&process, "/t1/ordered0", "{}").await.status == 202).then_some(()) })
            .await;
        assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
        cluster.start_node(dying).await;
    }
    // Every service in the process has reconnected: accepted calls are executed.
    stack.ended("ordered0", 4).await;
}
