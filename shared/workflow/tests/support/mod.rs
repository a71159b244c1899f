//! Common parts of the suites of this crate: definitions from YAML, envelopes, and a real HTTP server on a free port.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use forebay_contract::connection::Connection;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::{Checkpoint, ExecutionError, Response};
use forebay_contract::{IdIssuer, Name, UnixMicros};
use forebay_workflow::{CallEnd, Engine, EngineOptions, ExecutionContext, Host, HostFuture, NoHost, OutgoingCall, Program, Run, RunEnd};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use uuid::Uuid;

pub const LONG: Duration = Duration::from_secs(20);

/// Returns a definition with the usual head; `rest` is the workflow.
pub fn definition(rest: &str) -> Arc<Definition> {
    let yaml = format!("tenant: t37ed\nname: Order\ntrigger: {{ webhook: {{}} }}\n{rest}");
    definition_of(&yaml)
}

pub fn definition_of(yaml: &str) -> Arc<Definition> {
    Arc::new(Definition::from_value(&documents(yaml).unwrap()[0]).unwrap())
}

pub fn program(rest: &str) -> Program {
    Program::compile(definition(rest)).map_err(|problems| format!("{problems:?}")).unwrap()
}

/// Returns all problems, one per line.
pub fn problems(rest: &str) -> String {
    let problems = Program::compile(definition(rest)).err().expect("the definition must not compile");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub fn envelope(body: &str) -> Envelope {
    let integration_id = Uuid::new_v4();
    let request = Request {
        method: "POST".to_owned(),
        path: "/t37ed/Order".to_owned(),
        query_string: "customerid=7".to_owned(),
        query: serde_json::json!({"customerid": 7}).as_object().unwrap().clone(),
        headers: [("x-tag", "a"), ("accept", "*/*"), ("x-tag", "b")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    };
    let path = "t37ed/Order".parse().unwrap();
    let envelope = Envelope::new(
        IdIssuer::new(b"key").issue(integration_id).unwrap(),
        path,
        integration_id,
        1,
        request,
        Bytes::copy_from_slice(body.as_bytes()),
    );
    Envelope { content_type: Some("application/json".to_owned()), received_at: UnixMicros::new(1_764_000_000_123_456), ..envelope }
}

pub fn engine() -> Engine {
    Engine::new(EngineOptions::default()).unwrap()
}

pub fn engine_with(change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let mut options = EngineOptions::default();
    change(&mut options);
    Engine::new(options).unwrap()
}

pub fn once() -> ExecutionContext {
    within(LONG)
}

pub fn within(time: Duration) -> ExecutionContext {
    ExecutionContext::once(Instant::now() + time)
}

pub async fn run(rest: &str, body: &str) -> Run {
    engine().run(&program(rest), &envelope(body), once()).await
}

#[track_caller]
pub fn response(run: Run) -> Response {
    match run.end {
        RunEnd::Succeeded(response) => response,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn error(run: Run) -> ExecutionError {
    match run.end {
        RunEnd::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Returns the body of a successful run, as text.
#[track_caller]
pub fn text(run: Run) -> String {
    String::from_utf8(response(run).body.to_vec()).unwrap()
}

pub async fn answer(rest: &str, body: &str) -> String {
    text(run(rest, body).await)
}

/// Returns the response to `{}`, parsed as JSON.
pub async fn json_answer(rest: &str) -> serde_json::Value {
    serde_json::from_str(&answer(rest, "{}").await).unwrap()
}

/// A host with one connection.
pub struct Known(pub Arc<Connection>);

impl Host for Known {
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool> {
        NoHost.store_checkpoints(steps)
    }

    fn answer(&self, response: &Response) {
        NoHost.answer(response);
    }

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        NoHost.call(call)
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        if *name == self.0.name { Ok(Arc::clone(&self.0)) } else { NoHost.connection(name) }
    }
}

/// A request as received by the server.
#[derive(Debug, Clone)]
pub struct Got {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub type Reply = hyper::Response<Full<Bytes>>;

/// A real HTTP server on a free port of this machine.
pub struct Server {
    pub address: String,
    got: Arc<Mutex<Vec<Got>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    /// Starts a server that answers every request with the result of `answer`.
    pub async fn start(answer: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(move |got| std::future::ready(answer(&got))).await
    }

    /// Starts a server that answers asynchronously.
    pub async fn start_with<F: Future<Output = Reply> + Send>(answer: impl Fn(Got) -> F + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (got, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (log, count) = (got.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (answer, log) = (answer.clone(), log.clone());
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (answer, log) = (answer.clone(), log.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        let target = head.uri.path_and_query().unwrap().to_string();
                        let got = Got { method: head.method.to_string(), target, headers: head.headers, body };
                        log.lock().unwrap().push(got.clone());
                        if got.target.starts_with("/never") {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Infallible>(answer(got).await)
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, got, connections }
    }

    /// Starts a server that answers 200 with the JSON text.
    pub async fn with_json(json: &'static str) -> Self {
        Self::start(move |_| reply(200, &[("content-type", "application/json")], json)).await
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut builder = hyper::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body.into())).unwrap()
}
