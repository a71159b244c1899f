//! Definitions and calls of a tenant can end only its own executions.

use forebay_tests::Stack;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Programs, each with the possible codes of its failure.
const PROGRAMS: [(&str, &str); 8] = [
    ("def f: f; f", "timeout limit"),
    ("last(range(1000000000000))", "timeout"),
    ("\"x\" * 1000000000", "limit"),
    ("[limit(1000000000; repeat(1))]", "timeout limit"),
    ("def f: [f]; f", "limit timeout"),
    ("reduce range(1000000) as $i (null; [.])", "limit timeout"),
    ("[range(100000)] | combinations", "timeout limit mapping"),
    ("[range(3000000)] | to_csv", "limit timeout mapping"),
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_mappings_and_bodies_fail_in_time_while_others_are_served_by_the_same_worker() {
    let stack = Stack::new().await;
    let hostile = PROGRAMS.iter().enumerate().map(|(index, (program, _))| {
        let program = program.replace('\'', "''");
        format!("tenant: bad\nname: p{index}\ntrigger: {{ webhook: {{ authentication: none, response: {{ wait: 40s }} }} }}\ninput: '{program}'\n---\n")
    });
    let yaml = format!(
        "{}tenant: bad\nname: bodies\ntrigger: {{ webhook: {{ authentication: none, body: {{ max_bytes: 8000000 }}, response: {{ wait: 40s }} }} }}\nrespond: {{ body: '.body | length' }}\n---\n\
         tenant: good\nname: n\ntrigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}\nrespond: {{ body: .body.n }}\n",
        hostile.collect::<String>()
    );
    stack.apply(&yaml).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);

    let done = Arc::new(AtomicBool::new(false));
    let (http, url, stop) = (stack.http.clone(), ingress.url.clone(), done.clone());
    let others = tokio::spawn(async move {
        let (mut slowest, mut served) = (Duration::ZERO, 0);
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let request =
                http.post(format!("{url}/good/n")).header("content-type", "application/json").body(json!({"n": served}).to_string());
            let answer = request.send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, served.to_string()));
            slowest = slowest.max(begun.elapsed());
            served += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (slowest, served)
    });

    let calls = PROGRAMS.iter().enumerate().map(|(index, (program, codes))| {
        let (stack, ingress) = (&stack, &ingress);
        async move {
            let begun = Instant::now();
            let answer = stack.post(ingress, &format!("/bad/p{index}"), "{}").await;
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            assert!(answer.status == 500 && codes.split(' ').any(|expected| expected == code), "{program}: {} {code}", answer.status);
            assert!(begun.elapsed() < Duration::from_secs(30), "{program}: {:?}", begun.elapsed());
        }
    });
    futures_util::future::join_all(calls).await;

    let send = async |content_type: &str, body: String| {
        let request = stack.http.post(format!("{}/bad/bodies", ingress.url)).header("content-type", content_type).body(body);
        stack.send(request).await.status
    };
    let bomb = "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><x>&b;</x>";
    assert_eq!(send("application/xml", bomb.to_owned()).await, 400);
    assert_eq!(send("application/xml", "<a>".repeat(100_000)).await, 400);
    assert_eq!(send("application/json", "[".repeat(1_000_000)).await, 400);
    assert!([200, 500].contains(&send("application/json", format!("[{}]", "9".repeat(1_000_000))).await));
    let wide = format!("{}\n{}\n", vec!["a"; 1_000_000].join(","), vec!["1"; 1_000_000].join(","));
    assert!([200, 500].contains(&send("text/csv", wide).await));

    done.store(true, Ordering::Relaxed);
    let (slowest, served) = others.await.unwrap();
    assert!(served > 20 && slowest < Duration::from_secs(5), "{served} served, the slowest in {slowest:?}");
    // The worker is still the same process.
    assert!(worker.resident_bytes() > 0);
}
