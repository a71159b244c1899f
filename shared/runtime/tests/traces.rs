//! Traces reach a real HTTP collector. One process, one telemetry: hence one test in this file.

#![allow(clippy::unwrap_used)]

use forebay_runtime::settings::Settings;
use forebay_runtime::telemetry::{self, TelemetryError, Traces};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE_ID_BYTES: [u8; 16] = [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];

/// Answers every request with 200 and hands on its request line, content type and body.
async fn collect(listener: TcpListener, requests: mpsc::UnboundedSender<(String, String, Vec<u8>)>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let requests = requests.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            loop {
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap() == 0 {
                        return;
                    }
                    match line.trim_end() {
                        "" => break,
                        line => head.push(line.to_owned()),
                    }
                }
                let header = |name: &str| {
                    let prefix = format!("{name}: ");
                    head.iter().find_map(|line| line.to_lowercase().strip_prefix(&prefix).map(str::to_owned))
                };
                let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
                stream.read_exact(&mut body).await.unwrap();
                let content_type = header("content-type").unwrap_or_default();
                let _ = requests.send((head.remove(0), content_type, body));
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

// A runtime of one thread: flushing must not need a second one.
#[tokio::test]
async fn a_span_that_continues_a_callers_trace_arrives_at_the_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut requests) = mpsc::unbounded_channel();
    tokio::spawn(collect(listener, sender));

    // A log filter that lets no span through must not thin out the traces.
    let settings = Settings::read(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "FOREBAY_LOG" => Some("warn".to_owned()),
        _ => None,
    })
    .unwrap();
    let telemetry = telemetry::init(&settings, "forebay-trace-test").unwrap();
    assert_eq!(telemetry.traces(), Traces::Exported);
    assert!(matches!(telemetry::init(&settings, "again"), Err(TelemetryError::AlreadyInstalled(_))));

    let caller = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    let parent = telemetry::continue_from(Some(&caller), Some("vendor=1"));
    let span = tracing::info_span!("accept-order", http.route = "/t37ed/CreateWorkOrder");
    telemetry::set_parent(&span, &parent);
    let (traceparent, tracestate) = span.in_scope(telemetry::current_traceparent).unwrap();
    assert!(traceparent.starts_with(&format!("00-{TRACE_ID}-")), "{traceparent}");
    assert_ne!(traceparent, caller, "what goes out names this span, not the caller's");
    assert_eq!(tracestate.as_deref(), Some("vendor=1"));
    drop(span);

    // Without set_parent, the context around the work is the parent.
    let inner = telemetry::in_context(telemetry::continue_from(Some(&caller), None), async {
        tracing::info_span!("run-order").in_scope(telemetry::current_traceparent)
    });
    let (inner, _) = inner.await.unwrap();
    assert!(inner.starts_with(&format!("00-{TRACE_ID}-")), "{inner}");
    assert_eq!(telemetry::current_traceparent(), None);

    telemetry.shutdown().await;
    let (request_line, content_type, body) = requests.try_recv().unwrap();
    assert_eq!(request_line, "POST /v1/traces HTTP/1.1");
    assert_eq!(content_type, "application/x-protobuf");
    for part in ["forebay-trace-test", "accept-order", "run-order", "http.route", "/t37ed/CreateWorkOrder"] {
        assert!(contains(&body, part.as_bytes()), "{part} is missing");
    }
    assert!(contains(&body, &TRACE_ID_BYTES));
}
