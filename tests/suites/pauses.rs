use forebay_tests::{Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The time within which a pause is effective on all workers.
const EFFECTIVE: Duration = Duration::from_secs(2);

fn definition(sink: &Sink, name: &str, webhook: &str, extra: &str) -> String {
    format!(
        "
tenant: t1
name: {name}
{extra}
trigger: {{ webhook: {{ methods: [POST], authentication: none{webhook} }} }}
steps: [{{ id: send, http: {{ method: POST, url: '{}/{name}', body: .body }} }}]
",
        sink.address()
    )
}

/// Returns the numbers that arrived from an integration, in their order.
fn numbers(sink: &Sink, name: &str) -> Vec<u64> {
    let path = format!("/{name}");
    let of_integration = sink.calls().into_iter().filter(|seen| seen.path == path);
    of_integration.map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap()["number"].as_u64().unwrap()).collect()
}

async fn send(stack: &Stack, ingress: &Process, name: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let answer = stack.post(ingress, &format!("/t1/{name}"), &json!({ "number": number }).to_string()).await;
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    }
}

async fn trigger(stack: &Stack, name: &str) -> Value {
    let triggers = stack.command_json(&["triggers", "list"]).await;
    triggers.as_array().unwrap().iter().find(|trigger| trigger["integration"] == name).unwrap().clone()
}

/// Waits until a pause that was just made is effective everywhere.
async fn effective() {
    tokio::time::sleep(EFFECTIVE).await;
}

#[tokio::test]
async fn a_paused_trigger_of_every_policy_accepts_calls_and_starts_none_until_it_is_resumed() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let policies = [
        ("parallel", ""),
        ("ordered", ", ordered: true"),
        ("keyed", ", ordered: { by: .body.number, concurrency: 4 }"),
        ("limited", ", concurrency: 3"),
    ];
    for (name, webhook) in policies {
        stack.apply(&definition(&sink, name, webhook, "")).await;
    }
    stack.apply(&definition(&sink, "other", "", "")).await;
    let ingress = stack.start("ingress").await;
    let workers = [stack.start("worker").await, stack.start("worker").await];
    for (name, _) in policies {
        let paused = stack.command_json(&["triggers", "pause", &format!("t1/{name}"), "--reason", "maintenance"]).await;
        assert_eq!((&paused["kind"], &paused["name"], &paused["until"]), (&json!("trigger"), &json!(name), &Value::Null));
    }
    effective().await;
    for (name, _) in policies {
        send(&stack, &ingress, name, 0..20).await;
        let state = trigger(&stack, name).await;
        assert_eq!(
            (&state["state"], &state["pause"]["cause"], &state["pause"]["reason"]),
            (&json!("paused"), &json!("trigger"), &json!("maintenance"))
        );
    }
    // They hold up no others, and they survive their workers.
    send(&stack, &ingress, "other", 0..20).await;
    stack.ended("other", 20).await;
    let id = stack.sql("select id from integrations where name = 'parallel'").await;
    eventually("the calls of the shared queue wait in a queue of their own", || async {
        (stack.sql("select count(*) from paused_queues").await.trim() == "1").then_some(())
    })
    .await;
    for worker in workers {
        worker.kill().await;
    }
    let _workers = [stack.start("worker").await, stack.start("worker").await];
    send(&stack, &ingress, "other", 20..40).await;
    stack.ended("other", 40).await;
    let started: HashSet<String> = sink.calls().into_iter().map(|seen| seen.path).collect();
    assert_eq!(started, HashSet::from(["/other".to_owned()]), "{id}");
    for (name, _) in policies {
        let path = format!("t1/{name}");
        let resumed = stack.command_json(&["triggers", "resume", &path]).await;
        assert_eq!(resumed["effect"], "unpaused");
        stack.ended(name, 20).await;
        assert_eq!(trigger(&stack, name).await["state"], "running");
        let (code, error) = stack.command_fails(&["triggers", "resume", &path]).await;
        assert!(code == 1 && error.contains("is not halted"), "{code}: {error}");
    }
    assert_eq!(numbers(&sink, "ordered"), (0..20).collect::<Vec<_>>());
    for (name, _) in policies {
        assert_eq!(numbers(&sink, name).into_iter().collect::<HashSet<_>>(), (0..20).collect(), "{name}");
    }
    // The queue of its own is consumed after a pause, and the shared queue as well.
    send(&stack, &ingress, "parallel", 20..30).await;
    stack.ended("parallel", 30).await;
}

#[tokio::test]
async fn a_caller_who_waits_gets_503_at_once_while_the_trigger_is_paused_and_202_where_that_is_allowed() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.apply(&definition(&sink, "asks", ", response: { wait: 50s }", "")).await;
    stack.apply(&definition(&sink, "later", ", response: { wait: 50s, on_timeout: accepted }", "")).await;
    let process = stack.start("dev").await;
    let began = Instant::now();
    stack.command(&["tenants", "pause", "t1", "--until", "90s", "--reason", "secret reason"]).await;
    effective().await;
    let answer = stack.post(&process, "/t1/asks", r#"{"number":1}"#).await;
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (503, &json!("https://forebay.dev/problems/trigger-paused")), "{problem}");
    let retry_after: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=90).contains(&retry_after), "{retry_after}");
    assert!(!problem["detail"].as_str().unwrap().contains("secret reason"), "{problem}");
    assert_eq!(stack.post(&process, "/t1/later", r#"{"number":2}"#).await.status, 202);
    let request = stack.http.post(format!("{}/t1/asks", process.url)).header("prefer", "respond-async");
    let preferred = stack.send(request.header("content-type", "application/json").body(r#"{"number":3}"#)).await;
    assert_eq!((preferred.status, preferred.header("preference-applied")), (202, "respond-async"));
    assert!(began.elapsed() < Duration::from_secs(40), "nobody waited for the timeout");
    let (code, error) = stack.command_fails(&["triggers", "resume", "t1/asks"]).await;
    assert!(code == 1 && error.contains("its tenant is paused") && error.contains("forebay tenants resume t1"), "{code}: {error}");
    assert!(stack.command(&["tenants", "resume", "t1"]).await.contains("the tenant t1 is resumed"));
    stack.ended("asks", 1).await;
    stack.ended("later", 1).await;
    assert_eq!((numbers(&sink, "asks"), numbers(&sink, "later")), (vec![3], vec![2]), "the refused call was not accepted");
    eventually("callers are answered again", || async {
        (stack.post(&process, "/t1/asks", r#"{"number":4}"#).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_pause_of_a_connection_pauses_what_uses_it_and_ends_by_itself() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.connect(&format!("tenant: t1\nconnection: erp\nhttp: {{ url: '{}' }}\n", sink.address())).await;
    let uses = "
tenant: t1
name: uses
trigger: { webhook: { methods: [POST], authentication: none } }
steps: [{ id: all, parallel: { a: [{ id: send, http: { method: POST, connection: erp, path: /uses, body: .body } }] } }]
";
    stack.apply(uses).await;
    stack.apply(&definition(&sink, "free", "", "")).await;
    let process = stack.start("dev").await;
    assert_eq!(stack.command_fails(&["connections", "pause", "t1/unknown"]).await.0, 1);
    let (code, error) = stack.command_fails(&["connections", "pause", "t1/erp", "--until", "2020-01-01T00:00:00Z"]).await;
    assert!(code == 1 && error.contains("has passed"), "{code}: {error}");
    let until = Instant::now() + Duration::from_secs(15);
    stack.command(&["connections", "pause", "t1/erp", "--until", "15s"]).await;
    effective().await;
    send(&stack, &process, "uses", 0..5).await;
    send(&stack, &process, "free", 0..5).await;
    stack.ended("free", 5).await;
    let paused = trigger(&stack, "uses").await;
    assert_eq!((&paused["pause"]["cause"], &paused["pause"]["connection"]), (&json!("connection"), &json!("erp")));
    assert_eq!(trigger(&stack, "free").await["state"], "running");
    assert!(numbers(&sink, "uses").is_empty() || Instant::now() >= until);
    stack.ended("uses", 5).await;
    assert!(Instant::now() >= until);
    assert_eq!(trigger(&stack, "uses").await["state"], "running");
    assert!(stack.command(&["connections", "resume", "t1/erp"]).await.contains("was not paused"));
}

#[tokio::test]
async fn a_definition_pauses_and_disables_what_was_accepted_before() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    for field in ["paused: true", "enabled: false"] {
        for (name, webhook) in [("shared", ""), ("ordered", ", ordered: true")] {
            let name = format!("{name}-{}", field.split(':').next().unwrap());
            stack.apply(&definition(&sink, &name, webhook, "")).await;
        }
    }
    let ingress = stack.start("ingress").await;
    for name in ["shared-paused", "ordered-paused", "shared-enabled", "ordered-enabled"] {
        eventually("the ingress knows it", || async {
            (stack.post(&ingress, &format!("/t1/{name}"), r#"{"number":0}"#).await.status == 202).then_some(())
        })
        .await;
    }
    for field in ["paused: true", "enabled: false"] {
        for (name, webhook) in [("shared", ""), ("ordered", ", ordered: true")] {
            let name = format!("{name}-{}", field.split(':').next().unwrap());
            stack.apply(&definition(&sink, &name, webhook, field)).await;
        }
    }
    let worker = stack.start("worker").await;
    eventually("both calls of the shared queue were moved", || async {
        (stack.sql("select count(*) from paused_queues").await.trim() == "2").then_some(())
    })
    .await;
    assert_eq!(sink.calls().len(), 0);
    let (code, error) = stack.command_fails(&["triggers", "resume", "t1/ordered-paused"]).await;
    assert!(code == 1 && error.contains("`paused: false`"), "{code}: {error}");
    for (name, webhook) in [("shared", ""), ("ordered", ", ordered: true")] {
        for field in ["paused", "enabled"] {
            stack.apply(&definition(&sink, &format!("{name}-{field}"), webhook, "")).await;
        }
    }
    eventually("all run", || async { (sink.calls().len() == 4).then_some(()) }).await;
    drop(worker);
}

#[tokio::test]
async fn a_paused_schedule_misses_its_runs_and_makes_up_for_them_as_its_definition_says() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let schedule = |missed: &str| {
        format!(
            "tenant: t1\nname: {missed}\npaused: true\ntrigger: {{ schedule: {{ every: 1s, missed: {missed}, input: {{ number: 1 }} }} }}\nsteps: [{{ id: send, http: {{ method: POST, url: '{}/{missed}', body: .body }} }}]\n",
            sink.address()
        )
    };
    for missed in ["once", "all"] {
        stack.apply(&schedule(missed)).await;
    }
    let _process = stack.start("dev").await;
    // The runs of a few seconds are missed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(sink.calls().len(), 0);
    stack.apply(&schedule("all").replace("paused: true\n", "")).await;
    stack.apply(&schedule("once").replace("paused: true\n", "")).await;
    let all = eventually("missed runs are made up for", || async {
        let (all, once) = (numbers(&sink, "all").len(), numbers(&sink, "once").len());
        (all >= 4 && once >= 1).then_some((all, once))
    })
    .await;
    assert!(all.0 > all.1, "{all:?}");
}

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The size is increased by `FOREBAY_PAUSE_CALLS`.
#[tokio::test]
async fn order_holds_over_pauses_and_killed_workers() {
    let count = number_from("FOREBAY_PAUSE_CALLS", 400) as u64;
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::from_millis(2)).await);
    stack.apply(&definition(&sink, "ordered", ", ordered: true", "")).await;
    stack.apply(&definition(&sink, "shared", "", "")).await;
    let ingress = stack.start("ingress").await;
    let mut workers = vec![stack.start("worker").await, stack.start("worker").await];
    let sending = async {
        for number in 0..count {
            send(&stack, &ingress, "ordered", number..number + 1).await;
            send(&stack, &ingress, "shared", number..number + 1).await;
        }
    };
    let pausing = async {
        for round in 1..=4 {
            let reached = count * round / 6;
            eventually("executions go on", || async { (numbers(&sink, "ordered").len() as u64 >= reached).then_some(()) }).await;
            stack.command(&["tenants", "pause", "t1"]).await;
            if round % 2 == 0 {
                workers.remove(0).kill().await;
                workers.push(stack.start("worker").await);
            }
            stack.command(&["tenants", "resume", "t1"]).await;
        }
    };
    tokio::join!(sending, pausing);
    stack.ended("ordered", count as usize).await;
    stack.ended("shared", count as usize).await;
    let mut ordered = numbers(&sink, "ordered");
    // The execution that a killed worker had begun runs again.
    ordered.dedup();
    assert_eq!(ordered, (0..count).collect::<Vec<_>>());
    assert_eq!(numbers(&sink, "shared").into_iter().collect::<HashSet<_>>(), (0..count).collect());
}
