//! The effect on other tenants of one tenant whose remote system hangs, or that floods: their latencies before and during it, in one run.
//!
//! `scripts/bench fairness` builds the command in release and runs this. All tenants share one pair of shared queues, the hardest case.
//! `FOREBAY_BENCH_SECONDS` (default 10) is the length of each measurement, `FOREBAY_BENCH_WORKERS` (default `1,2,4`) the workers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first failure"
)]

use forebay_tests::{Process, Sink, Stack};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const QUIET_TENANTS: usize = 6;
/// Calls of each kind and each quiet tenant in a second.
const RATE: u32 = 10;
/// Calls of the hanging tenant that wait for their answers at the same time, and that do not.
const HANGING_CALLS: usize = 90;
const HANGING_WORK: usize = 200;
/// Time from the first call of the busy tenant until those of the others are measured: so the measured load is steady, without the moment
/// in which all its calls arrive.
const ONSET: Duration = Duration::from_secs(2);
/// Maximum wait for the effect of an asynchronous call.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The load of the tenant that is not quiet.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// Its remote system does not respond.
    Hangs,
    /// It sends as many calls as it can, 32 at a time.
    Floods,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Answered,
    Asynchronous,
    Ordered,
}

#[tokio::main]
async fn main() {
    let seconds = number("FOREBAY_BENCH_SECONDS", 10);
    let workers = std::env::var("FOREBAY_BENCH_WORKERS").unwrap_or_else(|_| "1,2,4".to_owned());
    println!(
        "| load of one tenant | workers | calls of the others | p50 ms before | during | p99 ms before | during | ratio of p99 | failed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for load in [Load::Hangs, Load::Floods] {
        for workers in workers.split(',') {
            measure(load, workers.trim().parse().unwrap(), Duration::from_secs(seconds)).await;
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn measure(load: Load, workers: usize, time: Duration) {
    let (stack, sink, hanging) =
        (Arc::new(Stack::new().await), Sink::start(Duration::ZERO).await, Sink::start(Duration::from_secs(60)).await);
    stack.apply(&definitions(sink.address(), hanging.address())).await;
    let ingress = Arc::new(stack.start("ingress").await);
    let mut running = Vec::new();
    for _ in 0..workers {
        running.push(stack.start("worker").await);
    }
    // Everything is compiled, connected and declared once.
    calls(&stack, &ingress, &sink, Duration::from_secs(2)).await;
    let before = calls(&stack, &ingress, &sink, time).await;
    let busy = tokio::spawn(busy_tenant(stack.clone(), ingress.clone(), load, ONSET + time));
    let _ = calls(&stack, &ingress, &sink, ONSET).await;
    let during = calls(&stack, &ingress, &sink, time).await;
    busy.abort();
    for kind in [Kind::Answered, Kind::Asynchronous, Kind::Ordered] {
        let [(before_50, before_99, _), (during_50, during_99, failed)] = [&before, &during].map(|figures| figures.of(kind));
        let ratio = during_99 / before_99;
        println!(
            "| {load:?} | {workers} | {kind:?} | {before_50:.1} | {during_50:.1} | {before_99:.1} | {during_99:.1} | {ratio:.2} | {failed} |"
        );
    }
}

fn definitions(sink: &str, hanging: &str) -> String {
    let mut text = String::new();
    for tenant in 0..QUIET_TENANTS {
        let webhook = "methods: [POST], authentication: none";
        let step = format!("steps: [{{ id: a, http: {{ method: POST, url: '{sink}/${{ .body.id }}', body: '.body' }} }}]");
        let _ = write!(
            text,
            "tenant: quiet{tenant}\nname: answer\ntrigger: {{ webhook: {{ {webhook}, response: {{ wait: 10s }} }} }}\nrespond: {{ body: '.body' }}\n---\n\
             tenant: quiet{tenant}\nname: work\ntrigger: {{ webhook: {{ {webhook} }} }}\n{step}\n---\n\
             tenant: quiet{tenant}\nname: line\ntrigger: {{ webhook: {{ {webhook}, ordered: true }} }}\n{step}\n---\n"
        );
    }
    let step = format!("steps: [{{ id: a, timeout: 60s, http: {{ url: '{hanging}/' }} }}]");
    let _ = write!(
        text,
        "tenant: busy\nname: call\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, response: {{ wait: 60s }} }} }}\n{step}\n---\n\
         tenant: busy\nname: work\ntrigger: {{ webhook: {{ methods: [POST], authentication: none }} }}\n{step}\n---\n\
         tenant: busy\nname: echo\ntrigger: {{ webhook: {{ methods: [POST], authentication: none }} }}\ninput: '[range(2000)] | map(. * 2) | add'\n"
    );
    text
}

async fn busy_tenant(stack: Arc<Stack>, ingress: Arc<Process>, load: Load, time: Duration) {
    let mut sending = JoinSet::new();
    let (paths, until): (Vec<&str>, Instant) = match load {
        Load::Hangs => (
            std::iter::repeat_n("/busy/call", HANGING_CALLS).chain(std::iter::repeat_n("/busy/work", HANGING_WORK)).collect(),
            Instant::now(),
        ),
        Load::Floods => (vec!["/busy/echo"; 32], Instant::now() + time),
    };
    for path in paths {
        let (stack, ingress) = (stack.clone(), ingress.clone());
        sending.spawn(async move {
            loop {
                let _ = stack.http.post(format!("{}{path}", ingress.url)).body("{}").send().await;
                if Instant::now() >= until {
                    return;
                }
            }
        });
    }
    sending.join_all().await;
}

/// Latencies in milliseconds; infinite if the call failed.
struct Figures(HashMap<Kind, Vec<f64>>);

impl Figures {
    /// Returns the median, the 99th percentile, and the number of failures.
    fn of(&self, kind: Kind) -> (f64, f64, usize) {
        let mut sorted = self.0[&kind].clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
        (at(0.5), at(0.99), sorted.iter().filter(|millis| millis.is_infinite()).count())
    }
}

/// Sends calls of the quiet tenants at a steady rate.
async fn calls(stack: &Arc<Stack>, ingress: &Arc<Process>, sink: &Sink, time: Duration) -> Figures {
    let mut sending = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let until = Instant::now() + time;
    let mut number: u64 = 0;
    while Instant::now() < until {
        ticks.tick().await;
        for tenant in 0..QUIET_TENANTS {
            for (kind, name) in [(Kind::Answered, "answer"), (Kind::Asynchronous, "work"), (Kind::Ordered, "line")] {
                number += 1;
                let (stack, id) = (stack.clone(), format!("{}-{number}", uuid::Uuid::new_v4().simple()));
                let url = format!("{}/quiet{tenant}/{name}", ingress.url);
                sending.spawn(async move {
                    // Not all in one instant.
                    tokio::time::sleep(Duration::from_millis(number % 19 * 5)).await;
                    let begun = Instant::now();
                    let request = stack.http.post(url).header("content-type", "application/json").body(format!(r#"{{"id":"{id}"}}"#));
                    let answer = request.send().await;
                    let is_answered = answer.is_ok_and(|answer| [200, 202].contains(&answer.status().as_u16()));
                    (kind, id, begun, is_answered.then(|| begun.elapsed()))
                });
            }
        }
    }
    let sent = sending.join_all().await;
    let arrivals = arrivals(sink, &sent).await;
    let mut figures: HashMap<Kind, Vec<f64>> = HashMap::new();
    for (kind, id, begun, answered) in sent {
        let latency = match kind {
            Kind::Answered => answered,
            Kind::Asynchronous | Kind::Ordered => {
                answered.and_then(|_| arrivals.get(&format!("/{id}"))).map(|arrived| arrived.saturating_duration_since(begun))
            }
        };
        figures.entry(kind).or_default().push(latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64() * 1000.0));
    }
    Figures(figures)
}

/// Returns the time of each call's effect, once all have occurred or [`TIMEOUT`] has passed.
async fn arrivals(sink: &Sink, sent: &[(Kind, String, Instant, Option<Duration>)]) -> HashMap<String, Instant> {
    let expected = |sent: &&(Kind, String, Instant, Option<Duration>)| sent.0 != Kind::Answered && sent.3.is_some();
    let begun = Instant::now();
    loop {
        let arrivals: HashMap<String, Instant> = sink.calls().into_iter().map(|call| (call.path, call.began)).collect();
        let is_complete = sent.iter().filter(expected).all(|(_, id, ..)| arrivals.contains_key(&format!("/{id}")));
        if is_complete || begun.elapsed() > TIMEOUT {
            return arrivals;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
