//! Measures the encoding and decoding of an envelope, and the part of its proof: `cargo bench -p forebay-broker`. Prints microseconds, the
//! best of several rounds.
#![allow(missing_docs, clippy::print_stdout)]

use bytes::Bytes;
use forebay_broker::{MessageKey, decode_envelope, encode_envelope};
use forebay_contract::IdIssuer;
use forebay_contract::envelope::{Envelope, Request};
use std::hint::black_box;
use std::time::{Duration, Instant};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 20;
const TIMES_IN_ROUND: u32 = 2000;

fn envelope(bytes: usize) -> Result<Envelope, Failure> {
    let integration = Uuid::new_v4();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: "POST".to_owned(),
        path: "/t37ed/Order".to_owned(),
        query_string: "customerid=7".to_owned(),
        query: [("customerid".to_owned(), 7.into())].into_iter().collect(),
        headers: vec![header("host", "forebay.example"), header("user-agent", "bench/1"), header("content-type", "application/json")],
    };
    let id = IdIssuer::new(b"key").issue(integration)?;
    Ok(Envelope::new(id, "t37ed/Order".parse()?, integration, 1, request, Bytes::from(vec![b'7'; bytes])))
}

fn best(mut once: impl FnMut()) -> Duration {
    let round = |once: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..TIMES_IN_ROUND).for_each(|_| once());
        begun.elapsed() / TIMES_IN_ROUND
    };
    (0..ROUNDS).map(|_| round(&mut once)).min().unwrap_or_default()
}

fn main() -> Result<(), Failure> {
    let key = MessageKey::new(b"installation", false);
    let accepting_unsigned = MessageKey::new(b"installation", true);
    println!("| body | encode | decode | of which the proof |");
    println!("|---|---|---|---|");
    for bytes in [100, 1_000, 10_000, 100_000] {
        let envelope = envelope(bytes)?;
        let message = encode_envelope(&envelope, None, &key);
        // A value of this property that another program wrote is no proof.
        let unsigned = message.properties().clone().with_app_id("none".into());
        let body = message.body();
        let encode = best(|| drop(black_box(encode_envelope(&envelope, None, &key))));
        let decode = best(|| drop(black_box(decode_envelope(message.properties(), body.clone(), &key))));
        let without = best(|| drop(black_box(decode_envelope(&unsigned, body.clone(), &accepting_unsigned))));
        let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
        println!(
            "| {bytes} bytes | {:.2} µs | {:.2} µs | {:.2} µs |",
            micros(encode),
            micros(decode),
            micros(decode.saturating_sub(without))
        );
    }
    Ok(())
}
