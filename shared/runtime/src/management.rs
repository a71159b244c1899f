//! The management port: `/livez`, `/readyz` and `/metrics`.
//!
//! It is another port than that of the ingress, so that probes are answered while callers fill that one, and outsiders see neither.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::health::Health;
use crate::metrics::Metrics;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Time after which an idle connection is closed. A scraper keeps its connection open between scrapes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Time for responses in progress at shutdown.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Error of serving the management port.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// The address is in use, not of this machine, or not allowed.
    #[error("cannot listen on {addr} for health and metrics: free it or set FOREBAY_MANAGEMENT_LISTEN to another address")]
    Bind {
        /// The address of the settings.
        addr: SocketAddr,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
}

/// The server of the management port, bound and not yet serving.
#[derive(Debug)]
pub struct ManagementServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    health: Health,
    metrics: Metrics,
}

impl ManagementServer {
    /// Binds `addr`; port 0 is any free port, see [`ManagementServer::local_addr`].
    ///
    /// # Errors
    /// [`ManagementError::Bind`].
    pub async fn bind(addr: SocketAddr, health: Health, metrics: Metrics) -> Result<Self, ManagementError> {
        let bind_error = |source| ManagementError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, local_addr, health, metrics })
    }

    /// Returns the bound address, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` resolves. It should resolve at the end of draining, not at its start: probes should see "not ready"
    /// ([`Health::stopping`]) while the process drains.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let connections = GracefulShutdown::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            match accepted {
                Ok((stream, _peer)) => serve(stream, &connections, self.health.clone(), self.metrics.clone()),
                Err(error) => {
                    // Most often the process is out of file descriptors: a pause lets other parts close some.
                    tracing::warn!(error = %error, "cannot accept on the management port");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        let _ = tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await;
    }
}

fn serve(stream: TcpStream, connections: &GracefulShutdown, health: Health, metrics: Metrics) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &health, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT).serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "connection of the management port ended early");
        }
    });
}

fn answer(method: &Method, path: &str, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(path, "/livez" | "/readyz" | "/metrics") {
        return response(StatusCode::NOT_FOUND, TEXT, "see /livez, /readyz and /metrics\n".to_owned());
    }
    // hyper leaves the body out of an answer to HEAD.
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/livez" => response(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/readyz" => {
            let (ready, report) = health.report();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, JSON, report.to_string())
        }
        _ => response(StatusCode::OK, PROMETHEUS, metrics.render()),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 2] = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric_names::PUBLISH_TOTAL;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::sync::CancellationToken;

    async fn call(addr: SocketAddr, request_line: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("{request_line} HTTP/1.1\r\nhost: management\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn start() -> (SocketAddr, Health, CancellationToken, tokio::task::JoinHandle<()>) {
        let health = Health::new();
        let metrics = Metrics::of(|| metrics::counter!(PUBLISH_TOTAL, "result" => "confirmed").increment(1));
        let server = ManagementServer::bind("127.0.0.1:0".parse().unwrap(), health.clone(), metrics).await.unwrap();
        let (addr, stop) = (server.local_addr(), CancellationToken::new());
        let task = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        (addr, health, stop, task)
    }

    #[tokio::test]
    async fn readiness_follows_the_checks_and_liveness_does_not() {
        let (addr, health, _stop, _task) = start().await;
        health.set("broker", false, "connection refused");
        let answer = call(addr, "GET /readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        let body = r#"{"status":"not ready","checks":[{"name":"broker","ok":false,"detail":"connection refused"}]}"#;
        assert!(answer.ends_with(body), "{answer}");
        assert!(call(addr, "GET /livez").await.starts_with("HTTP/1.1 200"));

        health.set("broker", true, "connected");
        let answer = call(addr, "GET /readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(r#"{"status":"ready","#), "{answer}");
    }

    #[tokio::test]
    async fn metrics_are_served_in_the_form_of_prometheus() {
        let (addr, _health, _stop, _task) = start().await;
        let answer = call(addr, "GET /metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("forebay_publish_total{result=\"confirmed\"} 1"), "{answer}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused_and_head_has_no_body() {
        let (addr, _health, _stop, _task) = start().await;
        assert!(call(addr, "GET /").await.starts_with("HTTP/1.1 404"));
        let answer = call(addr, "POST /livez").await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD"), "{answer}");
        let answer = call(addr, "HEAD /livez").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn after_shutdown_the_port_is_free_although_a_connection_idles() {
        let (addr, _health, stop, task) = start().await;
        let mut idle = TcpStream::connect(addr).await.unwrap();
        idle.write_all(b"GET /livez HTTP/1.1\r\nhost: management\r\n\r\n").await.unwrap();
        idle.read_u8().await.unwrap();
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_what_to_do() {
        let (addr, health, _stop, _task) = start().await;
        let error = ManagementServer::bind(addr, health, Metrics::of(|| ())).await.unwrap_err().to_string();
        assert!(error.contains(&addr.to_string()) && error.contains("FOREBAY_MANAGEMENT_LISTEN"), "{error}");
    }
}
