use forebay_tests::{Process, Sink, Stack};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Calls the integration within a trace and returns the trace context with which its step called the remote system.
async fn call(stack: &Stack, process: &Process, remote: &Sink) -> String {
    let request = stack.http.post(format!("{}/t1/traced", process.url)).header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(stack.send(request).await.status, 200);
    remote.seen().pop().unwrap().traceparent.expect("the step's call carries a traceparent")
}

#[tokio::test]
async fn one_trace_goes_from_the_call_through_the_broker_to_each_step() {
    let stack = Stack::new().await;
    let (remote, collector) = (Sink::start(Duration::ZERO).await, Sink::start(Duration::ZERO).await);
    let definition = format!(
        "
tenant: t1
name: traced
trigger: {{ webhook: {{ methods: [POST], authentication: none, response: {{ wait: 20s }} }} }}
steps: [{{ id: remote_call, http: {{ method: POST, url: '{}/' }} }}]
",
        remote.address()
    );
    stack.apply(&definition).await;

    let exporting = stack.start_with("dev", &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address())]).await;
    let context = call(&stack, &exporting, &remote).await;
    assert!(context.starts_with(&format!("00-{TRACE}-")), "{context}");
    assert!(!context.contains(SPAN), "the step's own span is the parent: {context}");
    // It is found from the execution, by whoever looks at that.
    let shown = stack.ended("traced", 1).await;
    assert_eq!(shown[0]["traceId"], TRACE);
    assert!(exporting.terminate().await.success());
    let exported: String = collector.seen().iter().filter(|seen| seen.path == "/v1/traces").map(|seen| seen.body.as_str()).collect();
    for name in ["POST /t1/traced", "process t1/traced", "remote_call", "messaging.message.id", "rabbitmq"] {
        assert!(exported.contains(name), "no {name} among the exported spans");
    }

    // Without an exporter there are no spans, and the context goes on as it came.
    let plain = stack.start("dev").await;
    assert_eq!(call(&stack, &plain, &remote).await, format!("00-{TRACE}-{SPAN}-01"));

    // Of a trace that is not sampled nothing is kept anywhere.
    let request = stack.http.post(format!("{}/t1/traced", plain.url)).header("traceparent", format!("00-{TRACE}-{SPAN}-00"));
    assert_eq!(stack.send(request).await.status, 200);
    let shown = stack.ended("traced", 3).await;
    assert_eq!(shown.iter().filter(|execution| execution["traceId"].is_null()).count(), 1);
}
