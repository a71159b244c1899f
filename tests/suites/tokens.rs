//! Access tokens of connections: workers share them, so that a server which revokes a token when it issues a new one does not refuse
//! anybody permanently.

use forebay_tests::{Stack, eventually};
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Executions in parallel in a worker: if more are at the remote system, both workers run some of them.
const WORKER_CONCURRENCY: u64 = 2;

/// Issues tokens at /token, each of which revokes the one before, and answers other paths only for the last one.
struct Guarded {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    given: AtomicU64,
    /// The last token that was revoked before it expired.
    ended: AtomicU64,
    refused: AtomicU64,
    /// Requests that are held now.
    held: AtomicU64,
    /// The path whose requests are held, in lower case.
    holds: watch::Sender<&'static str>,
}

impl Guarded {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: format!("http://{}", listener.local_addr().unwrap()), state: Arc::default() };
        let state = server.state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, state.clone()));
            }
        });
        server
    }

    fn given(&self) -> u64 {
        self.state.given.load(Ordering::SeqCst)
    }

    fn hold(&self, path: &'static str) {
        self.state.holds.send_replace(path);
    }

    fn release(&self) {
        self.hold("");
    }

    /// Revokes the last token before it expires.
    fn end_token(&self) {
        self.state.ended.store(self.given(), Ordering::SeqCst);
    }

    async fn held(&self, at_least: u64) {
        eventually("requests are held", || async { (self.state.held.load(Ordering::SeqCst) >= at_least).then_some(()) }).await;
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut path, mut token, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let lower = line.trim().to_ascii_lowercase();
            match lower.split_once(": ") {
                _ if lower.is_empty() => break,
                Some(("authorization", value)) => value.strip_prefix("bearer ").unwrap_or_default().clone_into(&mut token),
                Some(("content-length", value)) => length = value.parse().ok()?,
                _ if path.is_empty() => lower.split(' ').nth(1).unwrap_or_default().clone_into(&mut path),
                _ => {}
            }
        }
        stream.read_exact(&mut vec![0; length]).await.ok()?;
        let number = if path == "/token" { state.given.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
        state.held.fetch_add(1, Ordering::SeqCst);
        state.holds.subscribe().wait_for(|held| *held != path).await.ok()?;
        state.held.fetch_sub(1, Ordering::SeqCst);
        let given = state.given.load(Ordering::SeqCst);
        let (status, body) = if path == "/token" {
            (200, json!({ "access_token": format!("t{number}"), "token_type": "bearer", "expires_in": 3600 }).to_string())
        } else if token == format!("t{given}") && given > state.ended.load(Ordering::SeqCst) {
            (200, json!({ "ok": true }).to_string())
        } else {
            state.refused.fetch_add(1, Ordering::SeqCst);
            (401, "{}".to_owned())
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn connect(stack: &Stack, server: &Guarded) {
    let oauth2 = format!("{{ token_url: '{}/token', client_id: c, client_secret: hunter2 }}", server.address);
    let http = format!("{{ url: '{}/api', authentication: {{ oauth2: {oauth2} }} }}", server.address);
    stack.connect(&format!("tenant: t1\nconnection: erp\nhttp: {http}\n")).await;
    let definition = |name: &str, timeout: &str| {
        format!(
            "tenant: t1\nname: {name}\ntrigger: {{ webhook: {{ authentication: none, response: {{ wait: 60s }} }} }}\n\
             steps: [{{ id: call, timeout: {timeout}, http: {{ connection: erp, path: /orders, body: .body }} }}]\n"
        )
    };
    stack.apply(&format!("{}---\n{}", definition("patient", "50s"), definition("impatient", "1s"))).await;
}

/// Sends waiting calls until so many requests are held by the server.
async fn calls_until_held(stack: &Arc<Stack>, server: &Guarded, url: &str, at_least: u64) -> Vec<JoinHandle<u16>> {
    let calls = std::sync::Mutex::new(Vec::new());
    eventually("both workers are at the remote system", || async {
        let (stack, url) = (stack.clone(), url.to_owned());
        let call = async move { stack.send(stack.http.post(url).body("{}")).await.status };
        calls.lock().unwrap().push(tokio::spawn(call));
        (server.state.held.load(Ordering::SeqCst) >= at_least).then_some(())
    })
    .await;
    calls.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_a_token_where_each_new_one_ends_the_one_before() {
    let (stack, server) = (Arc::new(Stack::new().await), Guarded::start().await);
    connect(&stack, &server).await;
    let ingress = stack.start("ingress").await;
    let concurrency = WORKER_CONCURRENCY.to_string();
    let settings = [("FOREBAY_WORKER_CONCURRENCY", concurrency.as_str())];
    let workers = [stack.start_with("worker", &settings).await, stack.start_with("worker", &settings).await];
    let url = format!("{}/t1/patient", ingress.url);
    for round in 1..=5 {
        server.hold("/api/orders");
        let calls = calls_until_held(&stack, &server, &url, WORKER_CONCURRENCY + 1).await;
        // The token is revoked while both workers use it, except in the first round, which has none.
        if round > 1 {
            server.end_token();
        }
        server.release();
        let statuses: Vec<u16> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert!(statuses.iter().all(|status| *status == 200), "round {round}: {statuses:?}");
        assert_eq!(server.given(), round, "one token a round");
    }
    assert!(server.state.refused.load(Ordering::SeqCst) > 4 * WORKER_CONCURRENCY, "both workers were refused in each round but the first");
    for worker in workers {
        assert!(worker.metric("forebay_worker_executions_total").await > 0.0, "both workers had a share");
    }
    let stored = stack.sql("select count(*)::text || ' ' || count(sealed)::text from connection_tokens").await;
    assert_eq!(stored.trim(), "1 1");
    let stored = stack.sql("select string_agg(encode(sealed, 'escape'), ' ') from connection_tokens").await;
    assert!(!stored.contains("hunter2"), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ends_while_its_token_is_fetched_keeps_no_process_waiting() {
    let (stack, server) = (Arc::new(Stack::new().await), Guarded::start().await);
    connect(&stack, &server).await;
    let ingress = stack.start("ingress").await;
    let first = stack.start("worker").await;
    server.hold("/token");
    let failed = stack.post(&ingress, "/t1/impatient", "{}").await;
    assert_eq!(failed.status, 500, "its step's timeout ends before the token server answers");
    assert_eq!(server.given(), 1);
    let _second = stack.start("worker").await;
    let calls = join_all((0..4).map(|_| stack.post(&ingress, "/t1/patient", "{}")));
    let release = async {
        server.held(1).await;
        server.release();
    };
    let (answers, ()) = tokio::join!(calls, release);
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(server.given(), 1, "the token that the first step did not wait for is used");
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_connection_fetches_a_token_and_leaves_it_to_the_workers() {
    let (stack, server) = (Arc::new(Stack::new().await), Guarded::start().await);
    connect(&stack, &server).await;
    let (ingress, _worker) = (stack.start("ingress").await, stack.start("worker").await);
    assert_eq!(stack.post(&ingress, "/t1/patient", "{}").await.status, 200);
    stack.command(&["connections", "test", "t1/erp"]).await;
    assert_eq!(server.given(), 2, "the test asks the token server");
    assert_eq!(stack.post(&ingress, "/t1/patient", "{}").await.status, 200);
    assert_eq!(server.given(), 2, "the worker goes on with the token of the test");
}
