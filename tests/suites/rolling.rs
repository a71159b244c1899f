//! Restarts of ingresses, one after another, behind a load balancer that uses only `/readyz`.

use forebay_tests::{Balancer, Process, Stack, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RESTARTS: usize = 20;
const CLIENTS: usize = 8;
const SETTINGS: [(&str, &str); 1] = [("FOREBAY_LAME_DUCK", "1s")];

const DEFINITIONS: &str = "
tenant: t1
name: async
trigger: { webhook: { methods: [POST], authentication: none } }
---
tenant: t1
name: answer
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
respond: { body: '.body' }
";

fn addresses(process: &Process) -> [String; 2] {
    [process.address().to_owned(), process.admin_address().to_owned()]
}

/// Sends calls one after another until it is stopped; returns their number, and the failed ones.
async fn call_until(stop: Arc<AtomicBool>, http: reqwest::Client, url: String) -> (usize, Vec<String>) {
    let (mut calls, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        calls += 1;
        let (path, expected) = if calls % 2 == 0 { ("async", 202) } else { ("answer", 200) };
        let request = http.post(format!("{url}/t1/{path}")).header("content-type", "application/json").body("{\"n\":1}");
        match request.send().await {
            Ok(answer) if answer.status().as_u16() == expected => _ = answer.bytes().await.unwrap(),
            Ok(answer) => failed.push(format!("{} {}", answer.status(), answer.text().await.unwrap())),
            Err(error) => failed.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (calls, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_rolling_restarts_of_two_ingresses_fail_no_call() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let _worker = stack.start("worker").await;
    let mut ingresses = vec![stack.start_with("ingress", &SETTINGS).await, stack.start_with("ingress", &SETTINGS).await];
    let balancer = Balancer::start(&[addresses(&ingresses[0]), addresses(&ingresses[1])]).await;
    eventually("both are ready", || async { (balancer.ready() == 2).then_some(()) }).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(call_until(stop.clone(), stack.http.clone(), balancer.url.clone()))).collect();
    for _ in 0..RESTARTS {
        let ingress = ingresses.remove(0);
        let [http, admin] = addresses(&ingress);
        assert!(ingress.terminate().await.success());
        ingresses.push(stack.start_at("ingress", [&http, &admin], &SETTINGS).await);
        eventually("both are ready", || async { (balancer.ready() == 2).then_some(()) }).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut calls, mut failed) = (0, Vec::new());
    for client in clients {
        let (some, wrong) = client.await.unwrap();
        calls += some;
        failed.extend(wrong);
    }
    eprintln!("{calls} calls, {} failed; answered by each: {:?}", failed.len(), balancer.answered());
    assert!(calls > 50 * RESTARTS && balancer.answered().iter().all(|answered| *answered > 10 * RESTARTS), "{calls}");
    failed.sort();
    failed.dedup();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn an_ingress_that_stops_is_not_ready_and_goes_on_accepting_for_its_lame_duck_time() {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let ingress = stack.start_with("ingress", &[("FOREBAY_LAME_DUCK", "2s")]).await;
    assert_eq!(stack.post(&ingress, "/t1/async", "{}").await.header("connection"), "");
    let signalled = Instant::now();
    ingress.signal("TERM");
    let ready = format!("http://{}/readyz", ingress.admin_address());
    eventually("it is not ready", || async { (stack.send(stack.http.get(&ready)).await.status == 503).then_some(()) }).await;
    let answer = stack.post(&ingress, "/t1/async", "{}").await;
    assert_eq!((answer.status, answer.header("connection")), (202, "close"));
    assert_eq!(stack.post(&ingress, "/t1/missing", "{}").await.header("connection"), "close", "errors as well");
    assert!(ingress.ended().await.success());
    let elapsed = signalled.elapsed();
    assert!(elapsed >= Duration::from_secs(2) && elapsed < Duration::from_secs(10), "{elapsed:?}");
}

#[tokio::test]
async fn a_second_signal_ends_the_lame_duck_time_at_once() {
    let stack = Stack::new().await;
    let ingress = stack.start_with("ingress", &[("FOREBAY_LAME_DUCK", "60s"), ("FOREBAY_DRAIN_TIMEOUT", "60s")]).await;
    let ready = format!("http://{}/readyz", ingress.admin_address());
    ingress.signal("TERM");
    eventually("it is not ready", || async { (stack.send(stack.http.get(&ready)).await.status == 503).then_some(()) }).await;
    let signalled = Instant::now();
    ingress.signal("TERM");
    assert_eq!(ingress.ended().await.code(), Some(130));
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
}
