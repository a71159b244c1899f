//! The load of the quiet tenants, at a steady rate from the beginning to the end of a run.

use crate::caller::{Caller, Endpoint};
use crate::definitions::QUIET_TENANTS;
use crate::history::Kind;
use crate::random::Random;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(400);
/// Synchronous calls of every fourth tick, sent at once: their answers can be mistaken for each other.
const SYNCHRONOUS_BURST: u64 = 4;
/// Calls of an ordered trigger that follow each other without a pause.
const ORDERED_BURST: u64 = 6;
const ORDERED_INTERVAL: Duration = Duration::from_millis(1500);
const REPETITION_INTERVAL: Duration = Duration::from_millis(300);
/// Calls with a key that are repeated although they were answered, in percent.
const REPEATED: u64 = 25;
/// Maximum repetitions of a call.
const MAX_REPETITIONS: usize = 300;

/// Starts the tasks of all quiet tenants; they end when the caller is stopped.
pub(crate) fn start(caller: &Caller, random: &mut Random) {
    for tenant in QUIET_TENANTS {
        let endpoint = |integration: &str, kind| Endpoint::new(tenant, integration, kind, true);
        tokio::spawn(at_a_rate(caller.clone(), endpoint("answer", Kind::Synchronous), SYNCHRONOUS_BURST));
        tokio::spawn(at_a_rate(caller.clone(), endpoint("work", Kind::Asynchronous), 1));
        tokio::spawn(with_keys(caller.clone(), endpoint("once", Kind::Asynchronous), 1, random.fork()));
        tokio::spawn(one_by_one(caller.clone(), endpoint("line", Kind::Ordered)));
        tokio::spawn(with_keys(caller.clone(), endpoint("keyed-line", Kind::Ordered), ORDERED_BURST, random.fork()));
    }
}

/// Sends one call each tick, however long responses take, and a burst each second.
async fn at_a_rate(caller: Caller, endpoint: Endpoint, burst: u64) {
    let mut ticks = tokio::time::interval(TICK);
    let mut n = 0;
    while !caller.is_stopped() {
        ticks.tick().await;
        // Missed ticks follow at once, which keeps the rate.
        let count = if n % (3 + burst) == 0 { burst } else { 1 };
        for _ in 0..count {
            let (caller, endpoint) = (caller.clone(), endpoint.clone());
            tokio::spawn(async move { caller.call(&endpoint, n).await });
            n += 1;
        }
    }
}

/// Sends calls one after another, each after the response to the one before. A call of unknown outcome is not repeated.
async fn one_by_one(caller: Caller, endpoint: Endpoint) {
    let mut n = 0;
    while !caller.is_stopped() {
        let answer = caller.call(&endpoint, n).await;
        n += 1;
        if answer.accepted_execution().is_none() {
            tokio::time::sleep(REPETITION_INTERVAL).await;
        }
        if n % ORDERED_BURST == 0 {
            tokio::time::sleep(ORDERED_INTERVAL).await;
        }
    }
}

/// Sends calls one after another with an idempotency key, with which each is repeated until its outcome is known, and sometimes after that.
async fn with_keys(caller: Caller, endpoint: Endpoint, burst: u64, mut random: Random) {
    let mut n = 0;
    while !caller.is_stopped() {
        let id = caller.open(&endpoint, n);
        let (key, body) = (format!("{}-{n}", endpoint.integration), format!(r#"{{"call":{id}}}"#).into_bytes());
        for _ in 0..MAX_REPETITIONS {
            let answer = caller.send(&endpoint, id, Some(&key), body.clone()).await;
            if answer.accepted_execution().is_some() {
                break;
            }
            tokio::time::sleep(REPETITION_INTERVAL).await;
        }
        if random.is(REPEATED) {
            caller.send(&endpoint, id, Some(&key), body).await;
        }
        n += 1;
        if n % burst == 0 {
            tokio::time::sleep(ORDERED_INTERVAL).await;
        }
    }
}
