//! A load balancer for HTTP/1.1: it checks the readiness of its backends, reuses connections to them, and repeats no call.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The balancer; it ends with the test.
pub struct Balancer {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    backends: Arc<Vec<Backend>>,
}

struct Backend {
    calls: String,
    health: String,
    is_ready: AtomicBool,
    /// Connections that are open and carry no call.
    idle: Mutex<Vec<TcpStream>>,
    answered: AtomicUsize,
}

impl Balancer {
    /// Balances over backends, each with its addresses for calls and for health.
    pub async fn start(backends: &[[String; 2]]) -> Self {
        let backend = |[calls, health]: &[String; 2]| Backend {
            calls: calls.clone(),
            health: health.clone(),
            is_ready: AtomicBool::new(false),
            idle: Mutex::default(),
            answered: AtomicUsize::new(0),
        };
        let backends: Arc<Vec<Backend>> = Arc::new(backends.iter().map(backend).collect());
        for index in 0..backends.len() {
            tokio::spawn(check(backends.clone(), index));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepting = backends.clone();
        tokio::spawn(async move {
            let turn = Arc::new(AtomicUsize::new(0));
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, accepting.clone(), turn.clone()));
            }
        });
        Self { url, backends }
    }

    /// Backends that are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.backends.iter().filter(|backend| backend.is_ready.load(Ordering::Relaxed)).count()
    }

    /// Calls that each backend has answered.
    #[must_use]
    pub fn answered(&self) -> Vec<usize> {
        self.backends.iter().map(|backend| backend.answered.load(Ordering::Relaxed)).collect()
    }
}

impl Backend {
    /// A connection that is kept open. The backend may have closed others while they were idle.
    fn live_connection(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap();
        let is_open = |stream: &TcpStream| stream.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        while let Some(stream) = idle.pop() {
            if is_open(&stream) {
                return Some(stream);
            }
        }
        None
    }
}

async fn check(backends: Arc<Vec<Backend>>, index: usize) {
    let backend = &backends[index];
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build().unwrap();
    loop {
        let answer = http.get(format!("http://{}/readyz", backend.health)).send().await;
        let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
        if !is_ready {
            backend.idle.lock().unwrap().clear();
        }
        backend.is_ready.store(is_ready, Ordering::Relaxed);
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

async fn serve(mut client: TcpStream, backends: Arc<Vec<Backend>>, turn: Arc<AtomicUsize>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_message(&mut client, &mut buffer).await {
        let first = turn.fetch_add(1, Ordering::Relaxed);
        let mut candidates = (0..backends.len()).map(|offset| &backends[(first + offset) % backends.len()]);
        let backend = candidates.find(|backend| backend.is_ready.load(Ordering::Relaxed));
        let answer = match backend {
            Some(backend) => pass(backend, &request).await,
            None => Err("no backend is ready".to_owned()),
        };
        let answer = answer
            .unwrap_or_else(|error| format!("HTTP/1.1 502 Bad Gateway\r\ncontent-length: {}\r\n\r\n{error}", error.len()).into_bytes());
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Passes one call on, once.
async fn pass(backend: &Backend, request: &[u8]) -> Result<Vec<u8>, String> {
    let idle = backend.live_connection();
    let is_reused = idle.is_some();
    let mut stream = match idle {
        Some(stream) => stream,
        None => TcpStream::connect(&backend.calls).await.map_err(|error| format!("{} cannot be reached: {error}", backend.calls))?,
    };
    stream.write_all(request).await.map_err(|error| format!("{} took no call: {error}", backend.calls))?;
    let mut buffer = Vec::new();
    let answer = read_message(&mut stream, &mut buffer).await;
    let answer = answer.ok_or_else(|| format!("{} closed a connection without an answer (kept open: {is_reused})", backend.calls))?;
    backend.answered.fetch_add(1, Ordering::Relaxed);
    // The header of the backend is for the balancer only.
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..body - 4]).into_owned();
    let is_close = |line: &&str| line.eq_ignore_ascii_case("connection: close");
    if !head.split("\r\n").any(|line| is_close(&line)) {
        backend.idle.lock().unwrap().push(stream);
        return Ok(answer);
    }
    let head: Vec<&str> = head.split("\r\n").filter(|line| !is_close(line)).collect();
    Ok([head.join("\r\n").as_bytes(), b"\r\n\r\n", &answer[body..]].concat())
}

/// Reads one request or answer with a `Content-Length`; `None` at the end of the connection.
async fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if buffer.len() >= head + 4 + length {
                return Some(buffer.drain(..head + 4 + length).collect());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
