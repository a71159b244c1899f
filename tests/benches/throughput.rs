//! The cost of Forebay in addition to the broker: accepted calls and request-response calls by HTTP, compared with a bare lapin publisher
//! and a bare lapin request-reply. All are measured in one run on one machine, so ratios are meaningful.
//!
//! `scripts/bench` builds the command in release and runs this; each measurement lasts `FOREBAY_BENCH_SECONDS` (default 5).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first failure"
)]

use forebay_tests::{Process, Stack};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

const BODY_BYTES: usize = 1000;

const DEFINITIONS: &str = "
tenant: bench
name: accept
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: bench
name: answer
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 30s } } }
respond: { body: '.body' }
";

/// Rate and latencies of one measurement.
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Number of rounds of each measurement, alternating between Forebay and bare lapin. The median counts, since the machine is shared.
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    println!("| measurement | bare lapin | Forebay | ratio |");
    println!("|---|---|---|---|");
    let (mut bare, mut bare_spread, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // A new stack each time, so that the backlog of one round does not affect the next.
        let stack = Stack::new().await;
        stack.apply(DEFINITIONS).await;
        let ingress = stack.start("ingress").await;
        bare.push(bare_publish(128, 1).await);
        accepted.push(http(&ingress, "/bench/accept", 128, 202).await);
        bare_spread.push(bare_publish(128, 4).await);
    }
    row("accepted, 128 at once, calls/s (bare: 1 channel)", &bare, &accepted, |figures| figures.per_second);
    row("accepted, 128 at once, calls/s (bare: 4 channels)", &bare_spread, &accepted, |figures| figures.per_second);
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    for at_once in [1, 32, 128] {
        let (mut bare, mut answered) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(bare_request_reply(at_once).await);
            answered.push(http(&ingress, "/bench/answer", at_once, 200).await);
        }
        row(&format!("request-response, {at_once} at once, calls/s"), &bare, &answered, |figures| figures.per_second);
        row(&format!("request-response, {at_once} at once, p50 ms"), &bare, &answered, |figures| millis(figures.p50));
        row(&format!("request-response, {at_once} at once, p99 ms"), &bare, &answered, |figures| millis(figures.p99));
    }
}

/// Prints the medians, and the median of the ratios of the rounds.
fn row(what: &str, bare: &[Figures], forebay: &[Figures], of: impl Fn(&Figures) -> f64) {
    let ratios = bare.iter().zip(forebay).map(|(bare, forebay)| of(forebay) / of(bare));
    let (bare, ours, ratio) = (middle(bare.iter().map(&of)), middle(forebay.iter().map(&of)), middle(ratios));
    println!("| {what} | {bare:.2} | {ours:.2} | {ratio:.2} |");
}

fn middle(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn measured_for() -> Duration {
    let seconds = std::env::var("FOREBAY_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    Duration::from_secs(seconds)
}

/// Runs `work` repeatedly on `at_once` tasks and times each run.
async fn measure<F: Future<Output = ()> + Send + 'static>(
    at_once: usize,
    start: impl Fn(usize) -> F,
    times: Arc<Mutex<Vec<Duration>>>,
) -> Figures {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..at_once).map(|index| tokio::spawn(start(index))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = begun.elapsed();
    let mut times = times.lock().unwrap();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Figures { per_second: times.len() as f64 / elapsed.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

async fn http(process: &Process, path: &'static str, at_once: usize, status: u16) -> Figures {
    let address = process.url.trim_start_matches("http://").to_owned();
    let times = Arc::new(Mutex::new(Vec::new()));
    let memory = times.clone();
    let start = move |_| {
        let (address, memory) = (address.clone(), memory.clone());
        async move {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
            let request = [head.as_bytes(), body().as_slice()].concat();
            let expected = format!("HTTP/1.1 {status} ");
            let (mut buffer, mut length, mut own, begun) = (Vec::new(), None, Vec::new(), Instant::now());
            while begun.elapsed() < measured_for() {
                let sent = Instant::now();
                stream.write_all(&request).await.unwrap();
                read_answer(&mut stream, &mut buffer, &expected, &mut length).await;
                own.push(sent.elapsed());
            }
            memory.lock().unwrap().extend(own);
        }
    };
    measure(at_once, start, times).await
}

/// Reads one response. All responses of a measurement have the same length, so only the first is checked in detail: the load generator uses
/// the same cores as the measured process.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, expected: &str, length: &mut Option<usize>) {
    if let Some(length) = length {
        buffer.resize(*length, 0);
        stream.read_exact(buffer).await.unwrap();
        assert!(buffer.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(buffer));
        return;
    }
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the ingress closed a connection");
        let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..at]).to_lowercase();
        assert!(head.starts_with(&expected.to_lowercase()), "{}", String::from_utf8_lossy(buffer));
        let body = head.lines().find_map(|line| line.strip_prefix("content-length:")).expect("a length").trim().parse::<usize>().unwrap();
        if buffer.len() == at + 4 + body {
            *length = Some(buffer.len());
            return;
        }
    }
}

/// A JSON text of `BODY_BYTES`.
fn body() -> Vec<u8> {
    format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_BYTES - 8)).into_bytes()
}

async fn connect() -> Connection {
    let url = std::env::var("FOREBAY_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    Connection::connect(&url, ConnectionProperties::default()).await.unwrap()
}

async fn quorum_queue(channel: &Channel) -> String {
    let name = format!("bench.{}", uuid::Uuid::new_v4());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.as_str().into(), durable, arguments).await.unwrap();
    name
}

fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// Measures confirmed, mandatory, persistent publishes to one quorum queue.
async fn bare_publish(at_once: usize, channel_count: usize) -> Figures {
    let connection = connect().await;
    let mut channels = Vec::new();
    for _ in 0..channel_count {
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        channels.push(channel);
    }
    let queue = quorum_queue(&channels[0]).await;
    let times = Arc::new(Mutex::new(Vec::new()));
    let (memory, name, of_tasks) = (times.clone(), queue.clone(), channels.clone());
    let start = move |index: usize| {
        let (channel, memory, queue) = (of_tasks[index % channel_count].clone(), memory.clone(), name.clone());
        async move {
            let (payload, mut own, begun) = (body(), Vec::new(), Instant::now());
            let mandatory = BasicPublishOptions { mandatory: true, immediate: false };
            while begun.elapsed() < measured_for() {
                let sent = Instant::now();
                let confirm = channel.basic_publish("".into(), queue.as_str().into(), mandatory, &payload, persistent()).await.unwrap();
                assert!(confirm.await.unwrap().is_ack());
                own.push(sent.elapsed());
            }
            memory.lock().unwrap().extend(own);
        }
    };
    let figures = measure(at_once, start, times).await;
    channels[0].queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    figures
}

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// Measures requests through a quorum queue, echoed by one consumer to an exclusive reply queue.
async fn bare_request_reply(at_once: usize) -> Figures {
    let (asking, serving) = (connect().await, connect().await);
    let server = serving.create_channel().await.unwrap();
    let queue = quorum_queue(&server).await;
    server.basic_qos(256, BasicQosOptions::default()).await.unwrap();
    let mut requests =
        server.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await.unwrap();
    let echo = tokio::spawn(async move {
        while let Some(Ok(request)) = requests.next().await {
            let properties = BasicProperties::default().with_correlation_id(request.properties.correlation_id().clone().unwrap());
            let reply_to = request.properties.reply_to().clone().unwrap();
            let plain = BasicPublishOptions::default();
            server.basic_publish("".into(), reply_to, plain, &request.data, properties).await.unwrap();
            request.ack(BasicAckOptions::default()).await.unwrap();
        }
    });
    let client = asking.create_channel().await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let replies = client.queue_declare("".into(), exclusive, FieldTable::default()).await.unwrap().name().as_str().to_owned();
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut answers = client.basic_consume(replies.as_str().into(), "".into(), no_ack, FieldTable::default()).await.unwrap();
    let waiting = Waiting::default();
    let waiters = waiting.clone();
    let listen = tokio::spawn(async move {
        while let Some(Ok(answer)) = answers.next().await {
            let id = answer.properties.correlation_id().as_ref().unwrap().as_str().to_owned();
            let waiter = waiters.lock().unwrap().remove(&id).unwrap();
            waiter.send(()).unwrap();
        }
    });
    let times = Arc::new(Mutex::new(Vec::new()));
    let (memory, name, of_tasks) = (times.clone(), queue.clone(), client.clone());
    let start = move |index: usize| {
        let (channel, memory, waiting) = (of_tasks.clone(), memory.clone(), waiting.clone());
        let (queue, reply_to) = (name.clone(), replies.clone());
        async move {
            let (payload, mut own, begun) = (body(), Vec::new(), Instant::now());
            while begun.elapsed() < measured_for() {
                let sent = Instant::now();
                let id = format!("{index}.{}", own.len());
                let (waiter, answered) = oneshot::channel();
                waiting.lock().unwrap().insert(id.clone(), waiter);
                let properties = persistent().with_correlation_id(id.as_str().into()).with_reply_to(reply_to.as_str().into());
                channel
                    .basic_publish("".into(), queue.as_str().into(), BasicPublishOptions::default(), &payload, properties)
                    .await
                    .unwrap();
                answered.await.unwrap();
                own.push(sent.elapsed());
            }
            memory.lock().unwrap().extend(own);
        }
    };
    let figures = measure(at_once, start, times).await;
    client.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
    listen.abort();
    echo.abort();
    asking.close(200, "done".into()).await.unwrap();
    serving.close(200, "done".into()).await.unwrap();
    figures
}
