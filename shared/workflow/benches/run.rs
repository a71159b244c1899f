//! Duration of a whole run: `cargo bench -p forebay-workflow --bench run`. Prints microseconds, the best of several rounds.
#![allow(missing_docs, clippy::print_stdout)]

use bytes::Bytes;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::Checkpoint;
use forebay_contract::{IdIssuer, UnixMicros};
use forebay_fairness::CountingAllocator;
use forebay_workflow::{Engine, EngineOptions, ExecutionContext, Program, RunEnd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: u32 = 200;

const HEAD: &str = "tenant: t37ed\nname: Order\ntrigger: { webhook: { ordered: { by: .body.order.customer } } }\n";

/// An input mapping, a computed step and a response.
const ORDER: &str = r#"
input: |
  { id: .body.order.id, customer: .query.customerid,
    lines: [ .body.order.lines[] | { item: .sku, quantity: (.quantity | tonumber), price: (.price | tonumber) } ] }
steps:
  - { id: total, when: '.input.lines | length > 0', set: '[.input.lines[] | .quantity * .price] | add' }
respond: { status: 201, headers: { Location: '/orders/${ .input.id }' }, body: '{ id: .input.id, total: .steps.total }' }
"#;

const THREE_STEPS: &str = r#"
steps:
  - { id: lines, set: '.body.order.lines | map({ item: .sku, quantity: (.quantity | tonumber), price: (.price | tonumber) })' }
  - { id: amounts, each: { in: .steps.lines, steps: [{ id: amount, set: '.item.quantity * .item.price' }] } }
  - { id: total, set: '.steps.amounts | add' }
"#;

fn order() -> String {
    let line =
        |n: usize| format!(r#"{{"sku":"SKU-{n:05}","name":"Pump housing, size {n}","quantity":"{n}","price":"{n}.50","unit":"pcs"}}"#);
    let lines: Vec<String> = (1..=20).map(line).collect();
    let head = r#""id":"4711","customer":"000123","createdAt":"2026-11-24T08:00:00Z","address":"Hamngatan 2, 411 06 Göteborg""#;
    format!(r#"{{"order":{{{head},"lines":[{}]}}}}"#, lines.join(","))
}

fn envelope(body: String) -> Result<Envelope, Failure> {
    let integration_id = Uuid::new_v4();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: "POST".to_owned(),
        path: "/t37ed/Order".to_owned(),
        query_string: "customerid=7".to_owned(),
        query: [("customerid".to_owned(), 7.into())].into_iter().collect(),
        headers: vec![header("host", "forebay.example"), header("user-agent", "bench/1"), header("content-type", "application/json")],
    };
    let path = "t37ed/Order".parse()?;
    let envelope = Envelope::new(
        IdIssuer::new(b"key").issue(integration_id).map_err(|error| error.to_string())?,
        path,
        integration_id,
        1,
        request,
        Bytes::from(body),
    );
    Ok(Envelope { content_type: Some("application/json".to_owned()), received_at: UnixMicros::new(1_764_000_000_123_456), ..envelope })
}

fn program(rest: &str) -> Result<Program, Failure> {
    let document = documents(&format!("{HEAD}{rest}"))?.into_iter().next().ok_or("no document")?;
    let definition = Arc::new(Definition::from_value(&document)?);
    Program::compile(definition).map_err(|problems| format!("{problems:?}").into())
}

async fn run(engine: &Engine, program: &Program, envelope: &Envelope) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let run = engine.run(program, envelope, ExecutionContext::once(deadline)).await;
    match run.end {
        RunEnd::Succeeded(_) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

async fn best(name: &str, engine: &Engine, program: &Program, envelope: &Envelope) -> Result<(), Failure> {
    let mut best = Duration::MAX;
    for _ in 0..30 {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            run(engine, program, envelope).await?;
        }
        best = best.min(started.elapsed() / ROUNDS);
    }
    println!("{name:<55} {:>9.2} us", best.as_secs_f64() * 1e6);
    Ok(())
}

/// Runs an execution that resumes after two calls with stored outputs of 1 KB: neither call is repeated.
async fn resumed(engine: &Engine, envelope: &Envelope) -> Result<(), Failure> {
    let calls = "steps: [{ id: a, http: { method: POST, url: 'http://127.0.0.1:1/a' } }, { id: b, http: { method: POST, url: 'http://127.0.0.1:1/b' } }, { id: c, set: .steps.a.status }]";
    let program = program(calls)?;
    let output = format!(r#"{{"status":200,"headers":{{}},"body":{{"text":"{}"}}}}"#, "x".repeat(1000)).into_bytes();
    let kept: Vec<Checkpoint> = ["a", "b"].map(|path| Checkpoint { path: path.to_owned(), output: output.clone() }).to_vec();
    let mut best = Duration::MAX;
    for _ in 0..30 {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            let mut execution = ExecutionContext::once(Instant::now() + Duration::from_secs(60));
            execution.checkpoints = kept.clone();
            let run = engine.run(&program, envelope, execution).await;
            if !matches!(run.end, RunEnd::Succeeded(_)) {
                return Err(format!("{:?}", run.end).into());
            }
        }
        best = best.min(started.elapsed() / ROUNDS);
    }
    println!("{:<55} {:>9.2} us", "resume after two kept calls of 1 KB, one mapping", best.as_secs_f64() * 1e6);
    Ok(())
}

async fn measure() -> Result<(), Failure> {
    let engine = Engine::new(EngineOptions::default())?;
    let envelope = envelope(order())?;
    println!("a body of {} bytes", envelope.body.len());
    best("nothing: the body is the answer", &engine, &program("")?, &envelope).await?;
    best("one step: `1`", &engine, &program("steps: [{ id: a, set: '1' }]")?, &envelope).await?;
    best("order: input, step with when, answer with header", &engine, &program(ORDER)?, &envelope).await?;
    for steps in [10, 200] {
        let list: String = (0..steps).map(|index| format!("  - {{ id: s{index}, set: '.input.order.id' }}\n")).collect();
        best(&format!("{steps} steps: `.input.order.id`"), &engine, &program(&format!("steps:\n{list}"))?, &envelope).await?;
    }

    best("three steps: mapping, loop over 20 lines, sum", &engine, &program(THREE_STEPS)?, &envelope).await?;
    resumed(&engine, &envelope).await?;

    let order = program(ORDER)?;
    let started = Instant::now();
    for _ in 0..ROUNDS * 10 {
        order.ordering_key(&envelope).await.map_err(|error| error.to_string())?;
    }
    println!("{:<55} {:>9.2} us", "ordering key: `.body.order.customer`", (started.elapsed() / (ROUNDS * 10)).as_secs_f64() * 1e6);
    let started = Instant::now();
    for _ in 0..20 {
        program(ORDER)?;
    }
    println!("{:<55} {:>9.2} us", "compile the order's definition", (started.elapsed() / 20).as_secs_f64() * 1e6);
    Ok(())
}

fn main() -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure())
}
