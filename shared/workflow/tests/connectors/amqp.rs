//! Messages to RabbitMQ.

use super::*;
use forebay_broker::{RemoteMessage, RemotePublisher};
use forebay_tests::{Authority, TlsFront};
use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ConnectionProperties};

fn url() -> String {
    from_env("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
}

fn broker() -> Arc<Connection> {
    connection(json!({ "amqp": { "url": url() } }))
}

fn to(queue: &str) -> RemoteMessage {
    let content_type = "text/plain".to_owned();
    RemoteMessage { routing_key: queue.to_owned(), content_type, id: "7k3/send".to_owned(), body: "hi".into(), ..RemoteMessage::default() }
}

/// Declares a queue. The connection lives as long as the returned value.
async fn queue(arguments: FieldTable) -> (lapin::Connection, Channel, String) {
    let connection = lapin::Connection::connect(&url(), ConnectionProperties::default()).await.unwrap();
    let (channel, name) = (connection.create_channel().await.unwrap(), unique("connector"));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
    (connection, channel, name)
}

#[tokio::test]
async fn a_step_publishes_a_persistent_message_with_the_steps_id() {
    let (_connection, channel, name) = queue(FieldTable::default()).await;
    let steps = "
steps:
  - { id: send, amqp: { connection: remote, routing_key: '${ .body.queue }', headers: { X-Order: '${ .body.id }' }, body: '{ id: .body.id }' } }
respond: { body: .steps.send }";
    let output = run_on(broker(), steps, &json!({ "queue": name, "id": 7 })).await.unwrap();
    let got = channel.basic_get(name.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!(got.delivery.data, br#"{"id":7}"#);
    let properties = &got.delivery.properties;
    assert_eq!(output["messageId"], properties.message_id().as_ref().unwrap().as_str());
    assert!(output["messageId"].as_str().unwrap().ends_with("/send"), "{output}");
    assert_eq!((properties.delivery_mode(), properties.content_type().as_ref().unwrap().as_str()), (&Some(2), "application/json"));
    let header = properties.headers().as_ref().unwrap().inner().get("X-Order").cloned();
    assert_eq!(header, Some(AMQPValue::LongString("7".into())));
}

#[tokio::test]
async fn a_message_that_no_queue_takes_fails_for_good_and_the_next_one_goes() {
    let (_connection, channel, name) = queue(FieldTable::default()).await;
    let (connectors, broker) = (connectors(), broker());
    let error = connectors.amqp(&broker, to("no-such-queue"), BOUNDS).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Remote, &["no queue takes", "the default exchange", "'no-such-queue'"]);
    let nowhere = RemoteMessage { exchange: "no-such-exchange".to_owned(), ..to(&name) };
    assert_permanent(&connectors.amqp(&broker, nowhere, BOUNDS).await.unwrap_err(), ErrorCode::Remote, &["no-such-exchange"]);
    let error = connectors.amqp(&broker, to(&"x".repeat(256)), BOUNDS).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Mapping, &["routing_key has more than 255 bytes"]);
    for _ in 0..3 {
        connectors.amqp(&broker, to(&name), BOUNDS).await.unwrap();
    }
    assert_eq!(connectors.sessions(), 1);
    assert_eq!(channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_full_queue_may_take_the_message_later() {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let (_connection, _channel, name) = queue(arguments).await;
    let (connectors, broker) = (connectors(), broker());
    connectors.amqp(&broker, to(&name), BOUNDS).await.unwrap();
    let error = connectors.amqp(&broker, to(&name), BOUNDS).await.unwrap_err();
    assert_transient(&error, ErrorCode::Remote, &["a queue is full"]);
}

#[tokio::test]
async fn a_broker_that_does_not_let_in_or_is_not_there_is_named_without_the_password() {
    let (host, port, ..) = parts(&url());
    let wrong = connection(json!({ "amqp": { "url": format!("amqp://nobody:hunter2@{host}:{port}/%2f") } }));
    let error = connectors().amqp(&wrong, to("q"), BOUNDS).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Connection, &["connection 'remote' (amqp at ", "does not accept the login"]);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = connection(json!({ "amqp": { "url": format!("amqp://u:hunter2@{closed}/%2f") } }));
    let unreachable = connectors().amqp(&away, to("q"), BOUNDS).await.unwrap_err();
    assert_transient(&unreachable, ErrorCode::Unreachable, &["could not be reached"]);
    assert!(!error.message.contains("hunter2") && !unreachable.message.contains("hunter2"), "{error} {unreachable}");
}

#[tokio::test]
async fn amqps_connects_to_the_address_that_was_checked_and_to_no_other_and_wants_the_certificate_of_the_name() {
    let (authority, plain) = (Authority::new(), url());
    let (host, port, user, password, _) = parts(&plain);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    let connect = async |certificate: &str| {
        let front = TlsFront::start(authority.server(certificate), &format!("{host}:{port}")).await;
        let path = plain.rsplit_once('/').unwrap().1;
        // No resolver has this name, so a second resolution would fail.
        let url = format!("amqps://{user}:{password}@broker.invalid:5671/{path}");
        RemotePublisher::connect(&url, ([127, 0, 0, 1], front.port()).into(), Arc::new(config.clone())).await
    };
    let (_connection, channel, name) = queue(FieldTable::default()).await;
    connect("broker.invalid").await.unwrap().publish(&to(&name)).await.unwrap();
    let got = channel.basic_get(name.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!(got.delivery.data, b"hi");
    let error = connect("other.invalid").await.err().unwrap();
    assert!(forebay_tls::TlsFailure::in_error(&error).is_some(), "{error:?}");
}
