//! A remote system: a small HTTP/1.1 server that records every call, with its begin and its response.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const JSON: &str = "application/json";

/// One call that arrived.
#[derive(Debug, Clone)]
pub struct ReceivedCall {
    /// Path and query.
    pub path: String,
    /// The body as text.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `traceparent` header.
    pub traceparent: Option<String>,
    /// The time at which it was received completely.
    pub began: Instant,
    /// The time at which it was answered.
    pub ended: Instant,
}

/// The server; it ends with the test.
pub struct Sink {
    address: String,
    calls: Arc<Mutex<Vec<ReceivedCall>>>,
    status: Arc<Mutex<u16>>,
    body: Arc<Mutex<Typed>>,
}

/// A body, and the Content-Type that it is sent with.
type Typed = (String, Vec<u8>);

impl Sink {
    /// Answers every call with `{"ok":true}` after `delay`.
    pub async fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(Mutex::new(200));
        let body = Arc::new(Mutex::new((JSON.to_owned(), b"{\"ok\":true}".to_vec())));
        let (memory, code, text) = (calls.clone(), status.clone(), body.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, memory.clone(), code.clone(), text.clone(), delay));
            }
        });
        Self { address, calls, status, body }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Calls in the order in which they arrived.
    #[must_use]
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.calls.lock().unwrap().clone()
    }

    /// The body of answers from now on, JSON.
    pub fn answer_body(&self, json: &str) {
        self.answer_as(JSON, json.as_bytes());
    }

    /// The body of answers from now on, and the Content-Type that they have.
    pub fn answer_as(&self, content_type: &str, body: &[u8]) {
        *self.body.lock().unwrap() = (content_type.to_owned(), body.to_vec());
    }

    /// The status of answers from now on.
    pub fn answer_with(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }
}

async fn serve(
    mut stream: TcpStream,
    memory: Arc<Mutex<Vec<ReceivedCall>>>,
    code: Arc<Mutex<u16>>,
    text: Arc<Mutex<Typed>>,
    delay: Duration,
) {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
        while buffer.len() < head_end + length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let began = Instant::now();
        let bytes = buffer[head_end..head_end + length].to_vec();
        buffer.drain(..head_end + length);
        let index = {
            let mut memory = memory.lock().unwrap();
            memory.push(ReceivedCall {
                path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
                bytes,
                content_type: header("content-type"),
                authorization: header("authorization"),
                idempotency_key: header("idempotency-key"),
                traceparent: header("traceparent"),
                began,
                ended: began,
            });
            memory.len() - 1
        };
        tokio::time::sleep(delay).await;
        let code = *code.lock().unwrap();
        memory.lock().unwrap()[index].ended = Instant::now();
        let (content_type, body) = text.lock().unwrap().clone();
        let mut answer =
            format!("HTTP/1.1 {code} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
