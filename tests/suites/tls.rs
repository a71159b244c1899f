//! Mail and messages over TLS: to servers with certificates of an authority that the worker is told to trust.

use forebay_tests::{Authority, MailServer, Stack, TlsFront};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::json;

fn broker_url() -> String {
    std::env::var("FOREBAY_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// `user:password`, host with port, and virtual host with the slash before it.
fn parts(url: &str) -> (&str, &str, &str) {
    let (login, place) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (address, _) = place.split_once('/').unwrap_or((place, ""));
    (login, address, &place[address.len()..])
}

fn smtp(name: &str, port: u16, tls: &str) -> String {
    format!("tenant: t1\nconnection: {name}\nsmtp: {{ host: localhost, port: {port}, tls: {tls}, from: a@example.com }}\n")
}

fn amqps(name: &str, port: u16) -> String {
    let url = broker_url();
    let (login, _, host) = parts(&url);
    format!("tenant: t1\nconnection: {name}\namqp: {{ url: 'amqps://{login}@localhost:{port}{host}' }}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_and_messages_travel_over_tls_to_servers_of_an_authority_that_the_worker_trusts() {
    let (stack, authority) = (Stack::new().await, Authority::new());
    let mails = MailServer::start_with_starttls(authority.server("localhost")).await;
    let inner = MailServer::start().await;
    let mails_in_tls = TlsFront::start(authority.server("localhost"), &format!("127.0.0.1:{}", inner.port())).await;
    let url = broker_url();
    let broker = TlsFront::start(authority.server("localhost"), parts(&url).1).await;
    let connections =
        [smtp("starttls", mails.port(), "starttls"), smtp("implicit", mails_in_tls.port(), "require"), amqps("bus", broker.port())];
    stack.connect(&connections.join("---\n")).await;
    let queue = format!("tls-{}", uuid::Uuid::new_v4().simple());
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
    stack
        .apply(&format!(
            "
tenant: t1
name: sends
trigger: {{ webhook: {{ authentication: none, response: {{ wait: 20s }} }} }}
steps:
  - {{ id: one, email: {{ connection: starttls, to: b@example.com, subject: one, text: hi }} }}
  - {{ id: two, email: {{ connection: implicit, to: b@example.com, subject: two, text: hi }} }}
  - {{ id: three, amqp: {{ connection: bus, routing_key: {queue}, body: '{{ n: 3 }}' }} }}
respond: {{ body: '[.steps.one.accepted, .steps.two.accepted]' }}
"
        ))
        .await;
    let authorities = stack.named_file("authority.pem", authority.pem());
    let (ingress, _worker) = (stack.start("ingress").await, stack.start_with("worker", &[("SSL_CERT_FILE", &authorities)]).await);
    let answer = stack.post(&ingress, "/t1/sends", "{}").await;
    assert_eq!((answer.status, answer.json()), (200, json!([["b@example.com"], ["b@example.com"]])));
    assert!(mails.mails()[0].is_encrypted && mails.mails()[0].data.contains("Subject: one"), "{:?}", mails.mails());
    assert!(inner.mails()[0].data.contains("Subject: two"), "{:?}", inner.mails());
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap();
    assert_eq!(got.unwrap().delivery.data, br#"{"n":3}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_or_of_an_authority_that_is_not_trusted_is_refused_and_nothing_is_sent() {
    let (stack, authority) = (Stack::new().await, Authority::new());
    let mails = MailServer::start_with_starttls(authority.server("other.example")).await;
    let inner = MailServer::start().await;
    let mails_in_tls = TlsFront::start(authority.server("other.example"), &format!("127.0.0.1:{}", inner.port())).await;
    let url = broker_url();
    let broker = TlsFront::start(authority.server("other.example"), parts(&url).1).await;
    let connections =
        [smtp("starttls", mails.port(), "starttls"), smtp("implicit", mails_in_tls.port(), "require"), amqps("bus", broker.port())];
    stack.connect(&connections.join("---\n")).await;
    let authorities = stack.named_file("authority.pem", authority.pem());
    let trusted = [("SSL_CERT_FILE", authorities.as_str())];
    for name in ["t1/starttls", "t1/implicit", "t1/bus"] {
        let (code, _, error) = stack.command_ends_with(&["connections", "test", name], &trusted).await;
        for part in ["TLS could not be begun", "not valid for name \"localhost\"", "other.example", "must be of the connection's host"] {
            assert!(code == 1 && error.contains(part), "no '{part}' for {name}: {code} {error}");
        }
        let (code, _, error) = stack.command_ends_with(&["connections", "test", name], &[]).await;
        assert!(code == 1 && error.contains("UnknownIssuer") && error.contains("an authority that this machine trusts"), "{name}: {error}");
    }
    // A port that begins in clear.
    stack.connect(&smtp("implicit", inner.port(), "require")).await;
    let (code, _, error) = stack.command_ends_with(&["connections", "test", "t1/implicit"], &trusted).await;
    assert!(code == 1 && error.contains("write `tls: starttls`"), "{code} {error}");
    assert!(mails.mails().is_empty() && inner.mails().is_empty());
}
