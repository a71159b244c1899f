//! The remote system of all workflows: an HTTP/1.1 server that records each request as an effect.

use crate::history::{Effect, Stage};
use crate::journal::Journal;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Response time: it makes executions of an ordered trigger that run in parallel visibly overlap.
const ANSWER_TIME: Duration = Duration::from_millis(15);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

pub(crate) struct Effects {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    is_hanging: watch::Sender<bool>,
}

impl Effects {
    pub(crate) async fn start(journal: Arc<Journal>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (is_hanging, watched) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, journal.clone(), watched.clone()));
            }
        });
        Ok(Self { url, is_hanging })
    }

    /// While it hangs, requests to `/hang` are noted and get no answer.
    pub(crate) fn hang(&self, is_hanging: bool) {
        self.is_hanging.send_replace(is_hanging);
    }
}

/// One request.
struct Request {
    path: String,
    idempotency_key: String,
    body: Vec<u8>,
}

async fn serve(mut stream: TcpStream, journal: Arc<Journal>, mut is_hanging: watch::Receiver<bool>) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let answer = match effect(&request, &journal) {
            Some(effect) => {
                journal.effect(effect);
                tokio::time::sleep(ANSWER_TIME).await;
                if request.path == "/hang" && is_hanging.wait_for(|is_hanging| !is_hanging).await.is_err() {
                    return;
                }
                ANSWER
            }
            None => BAD_REQUEST,
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// The effect that a request is; `None` for a request that no workflow of this program sends.
fn effect(request: &Request, journal: &Journal) -> Option<Effect> {
    let stage = match request.path.as_str() {
        "/begin" => Stage::Begin,
        "/end" => Stage::End,
        "/done" | "/hang" => Stage::Done,
        _ => return None,
    };
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let text = |field: &str| Some(body[field].as_str()?.to_owned());
    Some(Effect {
        at: journal.now(),
        tenant: text("tenant")?,
        integration: text("integration")?,
        call: usize::try_from(body["call"].as_u64()?).ok()?,
        stage,
        // Steps send `<execution id>/<step id>`.
        execution: request.idempotency_key.split('/').next()?.to_owned(),
    })
}

/// Reads one request with a `Content-Length`; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(head_end) = buffer.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let header = |name: &str| {
                let fields = head.lines().filter_map(|line| line.split_once(':'));
                let value = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next();
                value.unwrap_or_default().to_owned()
            };
            let length: usize = header("content-length").parse().unwrap_or_default();
            let end = head_end + 4 + length;
            if buffer.len() >= end {
                let body = buffer[head_end + 4..end].to_vec();
                buffer.drain(..end);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                return Some(Request { path, idempotency_key: header("idempotency-key"), body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
