use forebay_tests::{Process, Stack, eventually};
use std::collections::HashMap;
use std::fmt::Write;

const TRIGGERS: usize = 40;

/// Exclusive queues of each live worker, as the command shows them.
async fn loads(stack: &Stack) -> HashMap<String, usize> {
    let mut loads = HashMap::new();
    for trigger in stack.command_json(&["triggers", "list"]).await.as_array().unwrap() {
        if let Some(worker) = trigger["worker"].as_str() {
            *loads.entry(worker.to_owned()).or_default() += 1;
        }
    }
    loads
}

async fn until_balanced(stack: &Stack, workers: usize) {
    let most = (TRIGGERS as f64 / workers as f64 * 1.25).floor() as usize;
    eventually(&format!("{TRIGGERS} triggers are spread over {workers} workers, {most} at most on one"), || async {
        let loads = loads(stack).await;
        let balanced = loads.len() == workers && loads.values().sum::<usize>() == TRIGGERS && loads.values().all(|load| *load <= most);
        balanced.then_some(())
    })
    .await;
}

async fn worker(stack: &Stack, name: &str) -> Process {
    stack.start_with("worker", &[("FOREBAY_WORKER_NAME", name)]).await
}

#[tokio::test]
async fn exclusive_queues_are_spread_again_when_a_worker_joins_or_leaves_and_go_on_being_served() {
    let stack = Stack::new().await;
    let mut definitions = String::new();
    for number in 0..TRIGGERS {
        writeln!(
            definitions,
            "---\ntenant: t1\nname: o{number}\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, ordered: true, response: {{ wait: 50s }} }} }}"
        )
        .unwrap();
    }
    stack.apply(&definitions).await;
    let ingress = stack.start("ingress").await;
    let mut workers = vec![worker(&stack, "w1").await, worker(&stack, "w2").await, worker(&stack, "w3").await];
    until_balanced(&stack, 3).await;
    workers.push(worker(&stack, "w4").await);
    until_balanced(&stack, 4).await;
    workers.remove(1).kill().await;
    until_balanced(&stack, 3).await;
    for number in 0..TRIGGERS {
        let answer = stack.post(&ingress, &format!("/t1/o{number}"), "1").await;
        assert_eq!(answer.status, 200, "o{number}: {}", String::from_utf8_lossy(&answer.body));
    }
}
