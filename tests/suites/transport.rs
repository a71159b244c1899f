use forebay_tests::{Sink, Stack, eventually};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ECHO: &str = "
tenant: t1
name: echo
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
respond: { body: '{ got: .body }' }
";
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn slow(sink: &Sink) -> String {
    format!(
        "
tenant: t1
name: slow
trigger: {{ webhook: {{ methods: [POST], authentication: none, response: {{ wait: 30s }} }} }}
steps: [{{ id: call, http: {{ method: POST, url: '{}/' }} }}]
",
        sink.address()
    )
}

/// Reads everything until the other side closes, or for `max_wait`.
async fn read_all(stream: &mut TcpStream, max_wait: Duration) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(max_wait, stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_chunked_body_is_read_whole() {
    let stack = Stack::new().await;
    stack.apply(ECHO).await;
    let process = stack.start("dev").await;
    let mut stream = TcpStream::connect(process.address()).await.unwrap();
    let head =
        "POST /t1/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in ["5\r\n{\"a\":\r\n", "3\r\n[1]\r\n", "1\r\n}\r\n", "0\r\n\r\n"] {
        stream.write_all(chunk.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    let answer = read_all(&mut stream, Duration::from_secs(30)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("{\"got\":{\"a\":[1]}}"), "{answer}");
}

#[tokio::test]
async fn slow_headers_and_slow_bodies_are_given_up() {
    let stack = Stack::new().await;
    stack.apply(ECHO).await;
    let process = stack.start_with("ingress", &[("FOREBAY_HEADER_TIMEOUT", "1s"), ("FOREBAY_BODY_TIMEOUT", "1s")]).await;
    for sent in ["POST /t1/echo HTTP/1.1\r\nhost: x\r\n", "POST /t1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx"] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(process.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut first)).await.expect("an answer").unwrap();
        assert_eq!(&first, b"HTTP/1.1 408", "{sent:?}");
        // The server's clock for connections ticks in half seconds.
        assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    }
    // Bytes that never become a request do not delay the process either.
    let mut stream = TcpStream::connect(process.address()).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream, Duration::from_secs(10)).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_head_larger_than_any_buffer_is_refused_with_431() {
    let stack = Stack::new().await;
    stack.apply(ECHO).await;
    let process = stack.start("ingress").await;
    let mut stream = TcpStream::connect(process.address()).await.unwrap();
    let head = format!("POST /t1/echo HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "y".repeat(300 * 1024));
    // The server may close before it has read everything.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = read_all(&mut stream, Duration::from_secs(10)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(stack.send(stack.http.post(format!("{}/t1/nothing", process.url))).await.status, 404, "the process goes on");
}

#[tokio::test]
async fn calls_are_served_over_tls_when_a_certificate_is_set() {
    let stack = Stack::new().await;
    stack.apply(ECHO).await;
    let (cert, key) = (format!("{FIXTURES}/cert.pem"), format!("{FIXTURES}/key.pem"));
    let process = stack.start_with("dev", &[("FOREBAY_TLS_CERT", &cert), ("FOREBAY_TLS_KEY", &key)]).await;
    let address = process.address().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&cert).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let client = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(client, std::net::TcpStream::connect(address).unwrap());
        stream
            .write_all(
                b"POST /t1/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\ncontent-type: text/plain\r\n\r\nx",
            )
            .unwrap();
        let mut answer = String::new();
        // The server may close without the closing alert; only the received text counts.
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"got\":\"x\"}"), "{answer}");
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_answers_what_it_has_accepted() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_secs(2)).await;
    stack.apply(&slow(&sink)).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    let call = tokio::spawn(stack.http.post(format!("{}/t1/slow", ingress.url)).body("x").send());
    eventually("the execution has begun", || async { (!sink.calls().is_empty()).then_some(()) }).await;
    let url = ingress.url.clone();
    let (ingress_ended, worker_ended) = tokio::join!(ingress.terminate(), worker.terminate());
    assert!(ingress_ended.success() && worker_ended.success(), "{ingress_ended} {worker_ended}");
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert!(stack.http.post(url).send().await.is_err(), "nothing listens any more");
    assert_eq!(stack.executions("slow").await[0]["status"], "succeeded");
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_nothing_behind() {
    let stack = Stack::new().await;
    let sink = Sink::start(Duration::from_secs(3)).await;
    stack.apply(&slow(&sink)).await;
    let process = stack.start("dev").await;
    let mut stream = TcpStream::connect(process.address()).await.unwrap();
    stream.write_all(b"POST /t1/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
    eventually("the caller waits", || async { (process.metric("forebay_ingress_reply_waiters").await == 1.0).then_some(()) }).await;
    drop(stream);
    eventually("nobody waits", || async { (process.metric("forebay_ingress_reply_waiters").await == 0.0).then_some(()) }).await;
    let executions = stack.ended("slow", 1).await;
    assert_eq!(executions.len(), 1, "what was accepted is executed");
}
