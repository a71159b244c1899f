use forebay_tests::{Answer, Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEFINITIONS: &str = r#"
tenant: t1
name: order
trigger: { webhook: { methods: [POST], authentication: none, body: { max_bytes: 1048576 } } }
input: '{ id: (.body | if type == "object" then .id else null end) }'
---
tenant: t1
name: price
trigger:
  webhook:
    methods: [GET]
    authentication: none
    query: { item: { required: true }, customerid: { type: integer }, customername: { default: TheCompany } }
    response: { wait: 20s }
respond: { headers: { X-Item: '${ .query.item }' }, body: '{ item: .query.item, name: .query.customername, id: .query.customerid }' }
---
tenant: t1
name: echo
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 30s } } }
respond: { status: 201, body: '{ got: .body }' }
---
tenant: t1
name: broken
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
steps: [{ id: fails, set: '.body | error("no")' }]
"#;

async fn ready() -> (Stack, Process) {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let process = stack.start("dev").await;
    (stack, process)
}

pub(crate) fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], json!(status));
    assert!(problem["type"].as_str().unwrap().starts_with("https://"));
    problem
}

#[tokio::test]
async fn an_accepted_call_is_executed_and_its_outcome_is_at_its_location() {
    let (stack, process) = ready().await;
    let answer = stack.post(&process, "/t1/order", r#"{"id":7}"#).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["status"], "queued");
    let id = answer.json()["executionId"].as_str().unwrap().to_owned();
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/t1/order/executions/{id}"));
    let outcome = eventually("the execution has succeeded", || async {
        let outcome = stack.send(stack.http.get(format!("{}{location}", process.url))).await.json();
        (outcome["status"] == "succeeded").then_some(outcome)
    })
    .await;
    assert_eq!(outcome["executionId"], json!(id));
    let listed = stack.ended("order", 1).await;
    assert_eq!(listed[0]["id"], json!(id));
    // An id of another integration, and one that was never issued, are unknown.
    problem(&stack.send(stack.http.get(format!("{}/t1/echo/executions/{id}", process.url))).await, 404);
    problem(&stack.send(stack.http.get(format!("{}/t1/order/executions/nonsense", process.url))).await, 404);
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_workflows_own_answer() {
    let (stack, process) = ready().await;
    let answer = stack.send(stack.http.get(format!("{}/t1/price?item=a%20b&customerid=42", process.url))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"item": "a b", "name": "TheCompany", "id": 42}));
    assert_eq!(answer.header("x-item"), "a b");
    assert_eq!(answer.header("forebay-execution-id").len(), 39);
    let refused = problem(&stack.send(stack.http.get(format!("{}/t1/price?customerid=x", process.url))).await, 400);
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2);
    problem(&stack.send(stack.http.get(format!("{}/t1/price?item=1&item=2", process.url))).await, 400);

    let asynchronous = stack.http.post(format!("{}/t1/echo", process.url)).header("prefer", "respond-async").body("x");
    let answer = stack.send(asynchronous).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (202, "respond-async"));

    let failed = stack.post(&process, "/t1/broken", "{}").await;
    let failed = problem(&failed, 500);
    assert!(failed["type"].as_str().unwrap().ends_with("/execution-failed"));
    assert_eq!(failed["step"], "fails");
    assert!(failed["executionId"].is_string());
}

#[tokio::test]
async fn every_kind_of_body_gets_the_answer_that_the_contract_names() {
    let (stack, process) = ready().await;
    let post = |content_type: &str, body: Vec<u8>| {
        let request = stack.http.post(format!("{}/t1/echo", process.url)).header("content-type", content_type).body(body);
        stack.send(request)
    };
    let json_type = "application/json";
    assert_eq!(post(json_type, b"{\"a\":1}".to_vec()).await.json(), json!({"got": {"a": 1}}));
    assert_eq!(post(json_type, Vec::new()).await.json(), json!({"got": null}));
    assert_eq!(post("text/plain", "sö\0".into()).await.json(), json!({"got": "sö\0"}));
    assert_eq!(post("application/octet-stream", vec![0, 255]).await.json()["got"]["base64"], "AP8=");
    assert_eq!(post(json_type, b"{\"a\":1,\"a\":2}".to_vec()).await.json(), json!({"got": {"a": 2}}));
    assert_eq!(post("application/x-www-form-urlencoded", b"a=1&b=x+y".to_vec()).await.json(), json!({"got": {"a": "1", "b": "x y"}}));
    assert_eq!(post("application/octet-stream", vec![7; 1024 * 1024]).await.status, 201);
    problem(&post("application/octet-stream", vec![7; 1024 * 1024 + 1]).await, 413);
    for malformed in [b"{".to_vec(), b"\"\xff\"".to_vec(), b"\"\0\"".to_vec(), [vec![b'['; 5000], vec![b']'; 5000]].concat()] {
        problem(&post(json_type, malformed).await, 400);
    }
    problem(&post("text/plain; charset=ebcdic", b"ab".to_vec()).await, 415);
    problem(&post("application/xml", b"<a><b></a>".to_vec()).await, 400);
    let brotli = stack.http.post(format!("{}/t1/echo", process.url)).header("content-encoding", "br").body("x");
    problem(&stack.send(brotli).await, 415);

    let large = stack.http.post(format!("{}/t1/echo", process.url)).header("x-large", "y".repeat(70 * 1024));
    assert_eq!(stack.send(large).await.status, 431);
    let head = stack.send(stack.http.head(format!("{}/t1/echo", process.url))).await;
    assert_eq!((head.status, head.header("allow")), (405, "POST, OPTIONS"));
    problem(&stack.send(stack.http.put(format!("{}/t1/echo", process.url))).await, 405);
    problem(&stack.send(stack.http.get(format!("{}/t1/nothing", process.url))).await, 404);
    assert_eq!(stack.post(&process, "/t1/%65cho", "1").await.status, 201);
    assert_eq!(post(json_type, b"1".to_vec()).await.status, 201, "nothing of this has hurt the process");
}

#[tokio::test]
async fn a_call_that_did_not_start_in_time_gets_504_and_never_starts() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::ZERO).await;
    let definition = format!(
        "
tenant: t1
name: late
trigger: {{ webhook: {{ methods: [POST], authentication: none, response: {{ wait: 1s }} }} }}
steps: [{{ id: call, http: {{ method: POST, url: '{}/late' }} }}]
",
        sink.address()
    );
    stack.apply(&definition).await;
    let ingress = stack.start("ingress").await;
    let begun = Instant::now();
    let answer = stack.post(&ingress, "/t1/late", "{}").await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let timeout = problem(&answer, 504);
    assert!(timeout["type"].as_str().unwrap().ends_with("/execution-timeout"));
    assert!(answer.header("location").contains(timeout["executionId"].as_str().unwrap()));
    eventually("no caller waits", || async { (ingress.metric("forebay_ingress_reply_waiters").await == 0.0).then_some(()) }).await;
    // The worker deliberately starts too late.
    let _worker = stack.start("worker").await;
    let executions = stack.ended("late", 1).await;
    assert_eq!(executions[0]["status"], "expired");
    assert!(sink.calls().is_empty(), "an expired call must not be executed");
}

#[tokio::test]
async fn an_execution_that_takes_long_is_shown_as_running() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_secs(6)).await;
    let definition = format!(
        "
tenant: t1
name: long
trigger: {{ webhook: {{ methods: [POST], authentication: none }} }}
steps: [{{ id: call, http: {{ method: POST, url: '{}/long' }} }}]
",
        sink.address()
    );
    stack.apply(&definition).await;
    let process = stack.start("dev").await;
    let location = stack.post(&process, "/t1/long", "{}").await.header("location").to_owned();
    for status in ["running", "succeeded"] {
        eventually(status, || async {
            let outcome = stack.send(stack.http.get(format!("{}{location}", process.url))).await.json();
            (outcome["status"] == status).then_some(())
        })
        .await;
    }
    assert_eq!(sink.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_an_endpoint_takes_get_429_and_say_when_to_come_again() {
    let stack = Stack::new().await;
    let limited = |rate: &str| format!("tenant: t1\nname: limited\ntrigger: {{ webhook: {{ rate: {rate} }} }}\n");
    stack.apply(&limited("{ calls: 3, per: 1h, scope: key }")).await;
    let key = async |label: &str| {
        let created = stack.command_json(&["keys", "create", "--tenant", "t1", "--label", label, "--integration", "limited"]).await;
        created["key"].as_str().unwrap().to_owned()
    };
    let (first, second) = (key("first").await, key("second").await);
    let process = stack.start("dev").await;
    let call = async |key: &str| stack.send(stack.http.post(format!("{}/t1/limited", process.url)).header("x-api-key", key)).await;
    for _ in 0..3 {
        assert_eq!(call(&first).await.status, 202);
    }
    let refused = call(&first).await;
    let details = problem(&refused, 429);
    assert_eq!(details["type"], "https://forebay.dev/problems/rate-limited");
    assert!(details["detail"].as_str().unwrap().contains("3 calls per 1h with each API key"), "{details}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1_190..=1_200).contains(&wait), "a third of an hour: {wait}");
    assert_eq!(call("wrong").await.status, 401, "who may not call is not told of rates");
    assert_eq!(call(&second).await.status, 202, "others are not held back");
    assert_eq!(stack.ended("limited", 4).await.len(), 4);
    let openapi = stack.send(stack.http.get(format!("{}/t1/openapi.json", process.url)).header("x-api-key", &first)).await.json();
    let meaning = &openapi["paths"]["/t1/limited"]["post"]["responses"]["429"]["description"];
    assert_eq!(meaning, "More than 3 calls per 1h with each API key, or too many calls at once. Nothing was accepted.");

    stack.apply(&limited("{ calls: 1000, per: 1s }")).await;
    eventually("the new rate holds", || async { (call(&first).await.status == 202).then_some(()) }).await;
}
