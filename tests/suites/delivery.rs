use forebay_tests::{Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

fn ordered(sink: &Sink, extra: &str) -> String {
    format!(
        "
tenant: t1
name: ordered
trigger: {{ webhook: {{ methods: [POST], authentication: none, ordered: true }} }}
{extra}
steps: [{{ id: send, http: {{ method: POST, url: '{}/order', body: .body }} }}]
",
        sink.address()
    )
}

async fn send_numbers(stack: &Stack, ingress: &Process, connection: usize, count: usize) {
    for number in 0..count {
        let answer = stack.post(ingress, "/t1/ordered", &json!({"connection": connection, "number": number}).to_string()).await;
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    }
}

/// Executions start in the order of acceptance, none overlaps another, none is missing; what ran twice is what a killed worker had begun.
fn check_order(sink: &Sink, connections: usize, count: usize) -> usize {
    let seen = sink.seen();
    let mut next: HashMap<u64, u64> = HashMap::new();
    let mut keys = std::collections::HashSet::new();
    let mut duplicates = 0;
    let mut last: Option<Value> = None;
    for call in &seen {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let key = call.idempotency_key.clone().unwrap();
        if !keys.insert(key) {
            assert_eq!(last.as_ref(), Some(&body), "only the execution that was under way may run again");
            duplicates += 1;
            continue;
        }
        let expected = next.entry(body["connection"].as_u64().unwrap()).or_default();
        assert_eq!(body["number"].as_u64().unwrap(), *expected, "out of order");
        *expected += 1;
        last = Some(body);
    }
    assert_eq!(next.len(), connections);
    assert!(next.values().all(|reached| *reached == count as u64), "lost: {next:?}");
    duplicates
}

#[tokio::test]
async fn an_ordered_trigger_keeps_its_order_while_its_workers_are_killed() {
    let (connections, count, kills) = (8, 50, 4);
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_millis(2)).await;
    stack.apply(&ordered(&sink, "")).await;
    let ingress = stack.start("ingress").await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(stack.start("worker").await);
    }
    let sending = async {
        let senders = (0..connections).map(|connection| send_numbers(&stack, &ingress, connection, count));
        futures(senders.collect()).await;
    };
    let killing = async {
        for kill in 0..kills {
            let reached = (kill + 1) * connections * count / (kills + 2);
            eventually("executions go on", || async { (sink.seen().len() >= reached).then_some(()) }).await;
            workers.remove(0).kill().await;
            workers.push(stack.start("worker").await);
        }
    };
    tokio::join!(sending, killing);
    eventually("all are executed", || async { (sink.seen().len() >= connections * count).then_some(()) }).await;
    stack.ended("ordered", connections * count).await;
    let duplicates = check_order(&sink, connections, count);
    assert!(duplicates <= kills, "{duplicates} executions ran twice in {kills} kills");
}

/// Runs all at once on this task.
async fn futures<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn every_caller_gets_its_own_answer_from_any_process() {
    let stack = Stack::new().await;
    stack
        .apply("tenant: t1\nname: echo\ntrigger: { webhook: { methods: [POST], authentication: none, response: { wait: 50s } } }\nrespond: { body: '.body' }\n")
        .await;
    let ingresses = [stack.start("ingress").await, stack.start("ingress").await];
    let _workers = [stack.start("worker").await, stack.start("worker").await];
    let calls = (0..400).map(|number| {
        let (stack, ingress) = (&stack, &ingresses[number % 2]);
        async move {
            let body = json!({ "number": number }).to_string();
            let answer = stack.post(ingress, "/t1/echo", &body).await;
            if answer.status != 200 {
                let id = answer.header("forebay-execution-id").to_owned();
                panic!(
                    "{}: {}",
                    String::from_utf8_lossy(&answer.body),
                    stack.command(&["executions", "show", &id, "--output", "json"]).await
                );
            }
            assert_eq!(String::from_utf8(answer.body).unwrap(), body);
        }
    });
    futures(calls.collect()).await;
    for ingress in &ingresses {
        eventually("no caller waits", || async { (ingress.metric("forebay_ingress_reply_waiters").await == 0.0).then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_failure_halts_an_ordered_trigger_until_a_person_skips_or_resumes() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    stack.apply(&ordered(&sink, "on_failure: halt")).await;
    let process = stack.start("dev").await;
    let state = async || stack.command_json(&["triggers", "list"]).await[0]["state"].clone();
    let halted = async || eventually("the trigger is halted", || async { (state().await == "halted").then_some(()) }).await;
    let numbers = || {
        sink.seen().iter().map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap()["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    sink.answer_with(400);
    send_numbers(&stack, &process, 0, 3).await;
    halted().await;
    assert_eq!(numbers(), [0], "nothing runs behind the failed one");
    stack.command(&["triggers", "resume", "t1/ordered"]).await;
    eventually("it is tried again", || async { (numbers() == [0, 0]).then_some(()) }).await;
    halted().await;
    sink.answer_with(200);
    // The state says halted until the worker has taken the decision, so the command may have to be repeated; it says so.
    stack.command(&["triggers", "skip", "t1/ordered"]).await;
    eventually("the others run", || async { (numbers() == [0, 0, 1, 2]).then_some(()) }).await;
    let executions = stack.ended("ordered", 3).await;
    let failed: Vec<&Value> = executions.iter().filter(|execution| execution["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["skipped"], true);
    eventually("the trigger runs", || async { (state().await == "running").then_some(()) }).await;
}
