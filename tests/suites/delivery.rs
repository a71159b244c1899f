use forebay_tests::{Process, ReceivedCall, Sink, Stack, eventually};
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

/// Sends numbers one after another, each until it is accepted. Returns how many were sent again although they may have been delivered.
async fn send_numbers(stack: &Stack, ingress: &Process, connection: usize, count: usize) -> usize {
    let mut in_doubt = 0;
    for number in 0..count {
        loop {
            let answer = stack.post(ingress, "/t1/ordered", &json!({"connection": connection, "number": number}).to_string()).await;
            if answer.status == 202 {
                break;
            }
            let problem = answer.json();
            assert_eq!(answer.status, 503, "{problem}");
            assert!(!answer.header("retry-after").is_empty());
            in_doubt += usize::from(problem["mayBeDelivered"] == true);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    in_doubt
}

/// Repetitions in a run without losses and with the right order.
struct Twice {
    /// Executions that were running in a killed worker: repeated with the same idempotency key.
    run_again: usize,
    /// Calls that were sent again after a response that left their delivery open: another key, the same body.
    sent_again: usize,
}

/// Checks that executions start in the order of receipt, that none overlaps another, and that none is missing.
fn check_order(sink: &Sink, connections: usize, count: usize) -> Twice {
    let mut next: HashMap<u64, u64> = HashMap::new();
    let mut twice = Twice { run_again: 0, sent_again: 0 };
    let mut keys = std::collections::HashSet::new();
    let mut last: Option<ReceivedCall> = None;
    for call in sink.calls() {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let expected = next.entry(body["connection"].as_u64().unwrap()).or_default();
        let number = body["number"].as_u64().unwrap();
        if !keys.insert(call.idempotency_key.clone()) {
            assert_eq!(last.as_ref().unwrap().idempotency_key, call.idempotency_key, "only the execution that was under way may run again");
            twice.run_again += 1;
        } else if number + 1 == *expected {
            twice.sent_again += 1;
        } else {
            assert_eq!(number, *expected, "out of order");
            *expected += 1;
            // The call of a killed worker may still be answered while the next worker begins: it is the same execution, see above.
            assert!(last.as_ref().is_none_or(|last| last.ended <= call.began), "two executions overlap");
        }
        last = Some(call);
    }
    assert_eq!(next.len(), connections);
    assert!(next.values().all(|reached| *reached == count as u64), "lost: {next:?}");
    twice
}

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The size is increased by `FOREBAY_ORDER_CONNECTIONS`, `FOREBAY_ORDER_CALLS` (of each), `FOREBAY_ORDER_KILLS`; `FOREBAY_ORDER_RESTART` is
/// a command that restarts the broker, run once half-way.
#[tokio::test]
async fn an_ordered_trigger_keeps_its_order_while_its_workers_are_killed() {
    let connections = number_from("FOREBAY_ORDER_CONNECTIONS", 8);
    let count = number_from("FOREBAY_ORDER_CALLS", 50);
    let kills = number_from("FOREBAY_ORDER_KILLS", 4);
    let restart = std::env::var("FOREBAY_ORDER_RESTART").ok();
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_millis(2)).await;
    stack.apply(&ordered(&sink, "")).await;
    let ingress = stack.start("ingress").await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(stack.start("worker").await);
    }
    let in_doubt = std::cell::Cell::new(0);
    let sending = async {
        let senders = (0..connections).map(|connection| {
            let (stack, ingress, in_doubt) = (&stack, &ingress, &in_doubt);
            async move { in_doubt.set(in_doubt.get() + send_numbers(stack, ingress, connection, count).await) }
        });
        futures(senders.collect()).await;
    };
    let killing = async {
        for kill in 0..kills {
            let reached = (kill + 1) * connections * count / (kills + 2);
            eventually("executions go on", || async { (sink.calls().len() >= reached).then_some(()) }).await;
            if let Some(command) = restart.as_ref().filter(|_| kill == kills / 2) {
                let restarted = tokio::process::Command::new("bash").args(["-c", command]).status().await.unwrap();
                assert!(restarted.success());
            }
            workers.remove(0).kill().await;
            workers.push(stack.start("worker").await);
        }
    };
    tokio::join!(sending, killing);
    eventually("all are executed", || async { (sink.calls().len() >= connections * count).then_some(()) }).await;
    stack.ended("ordered", (connections * count).min(10_000)).await;
    let twice = check_order(&sink, connections, count);
    eprintln!("{} executions ran again, {} calls were sent again ({} in doubt)", twice.run_again, twice.sent_again, in_doubt.get());
    // A restart of the broker takes the delivery from a live worker, as a kill does.
    assert!(twice.run_again <= kills + usize::from(restart.is_some()), "{} executions ran twice in {kills} kills", twice.run_again);
    assert!(twice.sent_again <= in_doubt.get());
}

/// Runs all futures in parallel on this task.
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
    let calls = (0..number_from("FOREBAY_CALLS_AT_ONCE", 400)).map(|number| {
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
        sink.calls().iter().map(|call| serde_json::from_str::<Value>(&call.body).unwrap()["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    sink.answer_with(400);
    send_numbers(&stack, &process, 0, 3).await;
    halted().await;
    assert_eq!(numbers(), [0], "nothing runs behind the failed one");
    stack.command(&["triggers", "resume", "t1/ordered"]).await;
    eventually("it is tried again", || async { (numbers() == [0, 0]).then_some(()) }).await;
    halted().await;
    sink.answer_with(200);
    // The state is halted until the worker has carried out the decision, so the command may have to be repeated, as it says.
    stack.command(&["triggers", "skip", "t1/ordered"]).await;
    eventually("the others run", || async { (numbers() == [0, 0, 1, 2]).then_some(()) }).await;
    let executions = stack.ended("ordered", 3).await;
    let failed: Vec<&Value> = executions.iter().filter(|execution| execution["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["skipped"], true);
    eventually("the trigger runs", || async { (state().await == "running").then_some(()) }).await;
}

#[tokio::test]
async fn a_halt_whose_message_is_gone_from_the_queue_ends_with_the_next_call_after_the_decision() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&ordered(&sink, "on_failure: halt")).await;
    let process = stack.start("dev").await;
    let state = async || stack.command_json(&["triggers", "list"]).await[0]["state"].clone();
    sink.answer_with(400);
    send_numbers(&stack, &process, 0, 1).await;
    eventually("the trigger is halted", || async { (state().await == "halted").then_some(()) }).await;
    let queue = format!("{}trigger.{}", stack.queue_prefix(), stack.sql("select id from integrations").await.trim());
    let connection = lapin::Connection::connect(&stack.broker_url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    eventually("the message is purged", || async {
        let purged = channel.queue_purge(queue.as_str().into(), lapin::options::QueuePurgeOptions::default()).await.unwrap();
        (purged == 1).then_some(())
    })
    .await;
    sink.answer_with(200);
    let decided = stack.command_json(&["triggers", "resume", "t1/ordered"]).await;
    assert_eq!((&decided["decision"], &decided["effect"]), (&Value::from("resume"), &Value::from("pending")));
    send_numbers(&stack, &process, 1, 2).await;
    stack.ended("ordered", 2).await;
    eventually("the trigger runs", || async { (state().await == "running").then_some(()) }).await;
}

#[tokio::test]
async fn ordered_work_that_is_tried_again_in_its_place_shows_why_it_waits() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let definition = format!(
        "
tenant: t1
name: flaky
trigger: {{ webhook: {{ methods: [POST], authentication: none, ordered: true }} }}
retry: {{ attempts: 2, backoff: {{ first: 4s }} }}
steps: [{{ id: send, http: {{ method: POST, url: '{}/' }} }}]
",
        sink.address()
    );
    stack.apply(&definition).await;
    let process = stack.start("dev").await;
    sink.answer_with(503);
    stack.post(&process, "/t1/flaky", "{}").await;
    let waits = eventually("it waits for its next attempt and says why", || async {
        stack.executions("flaky").await.into_iter().find(|execution| execution["error"].is_object())
    })
    .await;
    let text = waits["error"]["message"].as_str().unwrap_or_default();
    assert!(waits["status"] == "running" && text.contains("503") && text.contains("; the next attempt begins after "), "{waits}");
    sink.answer_with(200);
    let ended = eventually("it has succeeded", || async {
        stack.executions("flaky").await.into_iter().find(|execution| execution["status"] == "succeeded")
    })
    .await;
    assert!(ended["attempts"] == 2 && ended["error"].is_null(), "{ended}");
}

#[tokio::test]
async fn unordered_work_that_fails_for_now_is_tried_again_later_and_shows_why_it_waits() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    let definition = format!(
        "
tenant: t1
name: flaky
trigger: {{ webhook: {{ methods: [POST], authentication: none }} }}
retry: {{ attempts: 3, backoff: {{ first: 1s, factor: 2, max: 10s }} }}
steps: [{{ id: send, http: {{ method: POST, url: '{}/' }} }}]
",
        sink.address()
    );
    stack.apply(&definition).await;
    let process = stack.start("dev").await;
    sink.answer_with(503);
    let location = stack.post(&process, "/t1/flaky", "{}").await.header("location").to_owned();
    let show = async || stack.send(stack.http.get(format!("{}{location}", process.url))).await.json();
    eventually("it waits for its next attempt and says why", || async {
        let shown = show().await;
        let message =
            stack.executions("flaky").await.first().map(|execution| execution["error"]["message"].to_string()).unwrap_or_default();
        let waits = message.contains("503") && message.contains("the next attempt begins after");
        (shown["status"] == "queued" && shown["error"]["code"] == "remote" && waits).then_some(())
    })
    .await;
    // The second call may have arrived without being answered yet.
    eventually("the second attempt has failed", || async {
        let shown = show().await;
        (shown["status"] == "queued" && shown["attempts"] == 2).then_some(())
    })
    .await;
    sink.answer_with(200);
    let outcome = eventually("it has succeeded", || async {
        let shown = show().await;
        (shown["status"] == "succeeded").then_some(shown)
    })
    .await;
    assert_eq!(outcome["attempts"], 3);
    let calls = sink.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.idempotency_key == calls[0].idempotency_key), "one execution, one key");
    assert!(calls[2].began - calls[1].began >= Duration::from_secs(2), "the second pause is twice the first");
    // A permanent failure is not retried.
    sink.answer_with(404);
    stack.post(&process, "/t1/flaky", "{}").await;
    let executions = eventually("it has failed", || async {
        let executions = stack.executions("flaky").await;
        executions.iter().any(|execution| execution["status"] == "failed").then_some(executions)
    })
    .await;
    assert_eq!(executions.iter().find(|execution| execution["status"] == "failed").unwrap()["attempts"], 1);
}
