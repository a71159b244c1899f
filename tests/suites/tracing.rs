use forebay_tests::{Process, Sink, Stack, eventually};
use lapin::options::QueueDeleteOptions;
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Calls the integration within a trace and returns the trace context with which its step called the remote system.
async fn call(stack: &Stack, process: &Process, remote: &Sink) -> String {
    let request = stack.http.post(format!("{}/t1/traced", process.url)).header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(stack.send(request).await.status, 200);
    remote.calls().pop().unwrap().traceparent.expect("the step's call carries a traceparent")
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
    // The trace is in the execution, for people who look at it.
    let shown = stack.ended("traced", 1).await;
    assert_eq!(shown[0]["traceId"], TRACE);
    assert!(exporting.terminate().await.success());
    let exported: String = collector.calls().iter().filter(|call| call.path == "/v1/traces").map(|call| call.body.as_str()).collect();
    for name in ["POST /t1/traced", "process t1/traced", "remote_call", "messaging.message.id", "rabbitmq"] {
        assert!(exported.contains(name), "no {name} among the exported spans");
    }

    // Without an exporter there are no spans, and the context is forwarded as received.
    let plain = stack.start("dev").await;
    assert_eq!(call(&stack, &plain, &remote).await, format!("00-{TRACE}-{SPAN}-01"));

    // A trace that is not sampled is not stored.
    let request = stack.http.post(format!("{}/t1/traced", plain.url)).header("traceparent", format!("00-{TRACE}-{SPAN}-00"));
    assert_eq!(stack.send(request).await.status, 200);
    let shown = stack.ended("traced", 3).await;
    assert_eq!(shown.iter().filter(|execution| execution["traceId"].is_null()).count(), 1);
}

/// The AMQP client logs a returned message completely, as a warning, and has its own spans.
#[tokio::test]
async fn messages_that_come_back_from_a_broker_are_in_no_log_and_in_no_trace() {
    const SECRET: &str = "hunter2-in-a-header";
    let stack = Stack::new().await;
    let collector = Sink::start(Duration::ZERO).await;
    stack.connect(&format!("tenant: t1\nconnection: bus\namqp: {{ url: '{}' }}\n", stack.broker_url())).await;
    stack.apply(UNROUTABLE).await;
    let log = ("FOREBAY_LOG", "info,lapin=trace,amq_protocol=trace");
    let process = stack.start_with("dev", &[log, ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address())]).await;
    let call = |path: &str| {
        stack.http.post(format!("{}{path}", process.url)).header("x-secret", SECRET).header("content-type", "text/plain").body(SECRET)
    };
    // Through lapin, to a queue that another system would have.
    let answer = stack.send(call("/t1/foreign")).await;
    assert_eq!((answer.status, &answer.json()["step"]), (500, &"publish".into()));
    let failed = stack.ended("foreign", 1).await;
    assert!(failed[0]["error"].to_string().contains("no queue takes"), "{}", failed[0]);
    // Through the publishing connection, to a queue that was deleted meanwhile.
    assert_eq!(stack.send(call("/t1/ordered")).await.status, 202);
    stack.ended("ordered", 1).await;
    let id = stack.sql("select id from integrations where name = 'ordered'").await;
    let queue = format!("{}trigger.{}", stack.queue_prefix(), id.trim());
    let broker = lapin::Connection::connect(&stack.broker_url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = broker.create_channel().await.unwrap();
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    eventually("the queue is declared again", || async { (stack.send(call("/t1/ordered")).await.status == 202).then_some(()) }).await;
    assert!(process.terminate().await.success());

    let exported: String = collector.calls().iter().filter(|call| call.path == "/v1/traces").map(|call| call.body.as_str()).collect();
    let log = stack.log_of("dev");
    assert!(exported.contains("process t1/foreign") && log.contains("the ingress is listening"));
    for (name, text) in [("log", &log), ("export", &exported)] {
        for part in [SECRET, "BasicReturnMessage", "lapin::"] {
            let line = text.lines().find(|line| line.contains(part)).unwrap_or_default();
            assert!(!text.contains(part), "{part} is in the {name}: {line}");
        }
    }
}

const UNROUTABLE: &str = "
tenant: t1
name: foreign
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
steps:
  - id: publish
    amqp: { connection: bus, routing_key: no-such-queue, headers: { x-secret: '${ .body }' }, body: '.body' }
---
tenant: t1
name: ordered
trigger: { webhook: { methods: [POST], authentication: none, ordered: true } }
";
