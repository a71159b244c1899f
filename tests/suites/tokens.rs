//! Access tokens of connections: workers share them, so that a server which ends a token by giving a new one refuses nobody for good.

use forebay_tests::{Stack, eventually};
use futures_util::future::join_all;
use serde_json::json;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Gives tokens at /token, each of which ends the one before, and answers other paths only to the last one.
struct Guarded {
    address: String,
    given: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    life: Arc<AtomicU64>,
}

impl Guarded {
    async fn start(life: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (given, refused, life) = (Arc::default(), Arc::default(), Arc::new(AtomicU64::new(life)));
        let server = Self { address, given, refused, life };
        let (given, refused, life) = (server.given.clone(), server.refused.clone(), server.life.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, given.clone(), refused.clone(), life.clone()));
            }
        });
        server
    }
}

async fn serve(stream: TcpStream, given: Arc<AtomicU64>, refused: Arc<AtomicU64>, life: Arc<AtomicU64>) -> Option<()> {
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
        let (status, body) = if path == "/token" {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            let life = life.load(Ordering::SeqCst);
            (200, json!({ "access_token": format!("t{number}"), "token_type": "bearer", "expires_in": life }).to_string())
        } else if token == format!("t{}", given.load(Ordering::SeqCst)) {
            (200, json!({ "ok": true }).to_string())
        } else {
            refused.fetch_add(1, Ordering::SeqCst);
            (401, "{}".to_owned())
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn connect(stack: &Stack, server: &Guarded, secret: &str) {
    let oauth2 = format!("{{ token_url: '{}/token', client_id: c, client_secret: {secret} }}", server.address);
    let http = format!("{{ url: '{}/api', authentication: {{ oauth2: {oauth2} }} }}", server.address);
    stack.connect(&format!("tenant: t1\nconnection: erp\nhttp: {http}\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_a_token_where_each_new_one_ends_the_one_before() {
    let (stack, server) = (Stack::new().await, Guarded::start(3600).await);
    connect(&stack, &server, "hunter2-one").await;
    let definition = "
tenant: t1
name: guarded
trigger: { webhook: { authentication: none, response: { wait: 20s } } }
steps: [{ id: call, http: { connection: erp, path: /orders, body: .body } }]
";
    stack.apply(definition).await;
    let ingress = stack.start("ingress").await;
    let workers = [stack.start("worker").await, stack.start("worker").await];
    let call = async || stack.post(&ingress, "/t1/guarded", "{}").await.status;
    let calls = async |count: usize| join_all((0..count).map(|_| call())).await.into_iter().filter(|status| *status != 200).count();
    assert_eq!(calls(60).await, 0);
    assert_eq!(server.given.load(Ordering::SeqCst), 1);

    // Tokens that live a second: each renewal of one worker ends the token in the hands of the other.
    server.life.store(1, Ordering::SeqCst);
    connect(&stack, &server, "hunter2-two").await;
    let before = server.given.load(Ordering::SeqCst);
    eventually("the new secret is used", || async {
        assert_eq!(call().await, 200);
        (server.given.load(Ordering::SeqCst) > before).then_some(())
    })
    .await;
    let failed = Cell::new(0);
    for _ in 0..12 {
        failed.set(failed.get() + calls(5).await);
        let given = server.given.load(Ordering::SeqCst);
        eventually("a token is renewed", || async {
            failed.set(failed.get() + usize::from(call().await != 200));
            (server.given.load(Ordering::SeqCst) > given).then_some(())
        })
        .await;
    }
    assert_eq!(failed.get(), 0, "{} tokens, {} refused", server.given.load(Ordering::SeqCst), server.refused.load(Ordering::SeqCst));
    let kept = stack.sql("select count(*)::text || ' ' || count(sealed)::text from connection_tokens").await;
    assert_eq!(kept.trim(), "2 2");
    let stored = stack.sql("select string_agg(encode(sealed, 'escape'), ' ') from connection_tokens").await;
    assert!(!stored.contains("hunter2"), "{stored}");
    for worker in workers {
        assert!(worker.metric("forebay_worker_executions_total").await > 0.0, "both workers had a share");
    }
}
