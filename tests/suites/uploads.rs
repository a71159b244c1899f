//! Slow uploads and calls in flight: one endpoint or tenant must leave capacity of the ingress to the others.

use forebay_tests::{Process, Stack, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: usize = 1024 * 1024;

fn open(tenant: &str) -> String {
    format!(
        "tenant: {tenant}\nname: orders\ntrigger: {{ webhook: {{ methods: [POST], authentication: none, body: {{ max_bytes: 8388608 }} }} }}\n"
    )
}

/// Begins an upload of 8 MiB and sends only a part of it; then reads the response.
async fn stall(address: String, body: Arc<Vec<u8>>, stalled: Arc<AtomicUsize>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /t1/orders HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", 8 * MIB);
    // The server may refuse and close before it has read everything.
    if stream.write_all(head.as_bytes()).await.is_ok() {
        let _ = stream.write_all(&body).await;
    }
    stalled.fetch_add(1, Ordering::SeqCst);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count) = stream.read(&mut part).await {
        answer.extend_from_slice(&part[..count]);
        // A problem is one JSON object.
        if count == 0 || answer.ends_with(b"}") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Stalls so many uploads, and waits until each has sent its part or was refused.
async fn stall_many(process: &Process, count: usize, bytes: usize) -> Vec<tokio::task::JoinHandle<String>> {
    let (body, stalled) = (Arc::new(vec![b'x'; bytes]), Arc::new(AtomicUsize::new(0)));
    let uploads = (0..count).map(|_| tokio::spawn(stall(process.address().to_owned(), body.clone(), stalled.clone()))).collect();
    eventually("all uploads stall", || async { (stalled.load(Ordering::SeqCst) == count).then_some(()) }).await;
    uploads
}

#[tokio::test]
async fn stalled_uploads_to_one_endpoint_leave_memory_to_the_others_and_end() {
    let stack = Stack::new().await;
    for tenant in ["t1", "t2"] {
        stack.apply(&open(tenant)).await;
    }
    let process = stack.start_with("ingress", &[("FOREBAY_BODY_TIMEOUT", "20s")]).await;
    let before = process.resident_bytes();
    let uploads = stall_many(&process, 600, MIB).await;
    for _ in 0..20 {
        let answer = stack.post(&process, "/t2/orders", &format!("\"{}\"", "y".repeat(MIB))).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
    }
    let held = process.resident_bytes() - before;
    assert!(held < 512 * MIB as u64, "{} MiB", held / MIB as u64);
    let (mut refused, mut timed_out, mut cut_off) = (0, 0, 0);
    for upload in uploads {
        let answer = upload.await.unwrap();
        match answer.get(..12) {
            Some("HTTP/1.1 408") => timed_out += 1,
            Some("HTTP/1.1 503") if answer.contains("the endpoint's share") => refused += 1,
            // A connection that is closed with bytes unread loses the answer.
            None => cut_off += 1,
            Some(_) => panic!("{answer}"),
        }
    }
    // Each holds 1 MiB, and 256 KiB for its connection, of 256 MiB.
    assert!((180..=256).contains(&timed_out), "{timed_out} timed out");
    assert!(refused > 0, "{cut_off} were cut off");
    assert_eq!(stack.post(&process, "/t1/orders", "1").await.status, 202, "there is room again");
}

#[tokio::test]
async fn an_upload_below_the_rate_ends_after_its_grace() {
    let stack = Stack::new().await;
    stack.apply(&open("t1")).await;
    let process = stack.start("ingress").await;
    let begun = Instant::now();
    let mut uploads = stall_many(&process, 1, 10).await;
    let answer = uploads.remove(0).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("at least 16 KiB/s"), "{answer}");
    assert!((5..15).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn calls_under_way_of_one_tenant_leave_places_to_the_others() {
    let stack = Stack::new().await;
    for tenant in ["t1", "t2"] {
        stack.apply(&open(tenant)).await;
    }
    let process = stack.start_with("ingress", &[("FOREBAY_MAX_IN_FLIGHT", "10")]).await;
    let uploads = stall_many(&process, 8, 1).await;
    let in_flight = async || process.metric("forebay_ingress_in_flight").await;
    eventually("eight calls are under way", || async { (in_flight().await >= 8.0).then_some(()) }).await;
    let refused = stack.post(&process, "/t1/orders", "1").await;
    assert_eq!((refused.status, refused.json()["title"].as_str().unwrap()), (429, "Too many calls of this tenant at once"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(stack.post(&process, "/t2/orders", "1").await.status, 202);
    for upload in uploads {
        assert!(upload.await.unwrap().starts_with("HTTP/1.1 408"));
    }
    assert_eq!(stack.post(&process, "/t1/orders", "1").await.status, 202);
}
