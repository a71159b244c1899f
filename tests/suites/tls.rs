//! TLS connections of Forebay and of steps, to servers with certificates of a trusted authority.

use forebay_tests::{Authority, MailServer, SelfSigned, Stack, TlsFront};
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
        for part in ["TLS could not be begun", "is for 'other.example' and not for 'localhost'", "as tls.certificate"] {
            assert!(code == 1 && error.contains(part), "no '{part}' for {name}: {code} {error}");
        }
        let (code, _, error) = stack.command_ends_with(&["connections", "test", name], &[]).await;
        assert!(code == 1 && error.contains("from an authority that is not trusted") && error.contains("tls.authority"), "{name}: {error}");
    }
    // A port that begins in clear.
    stack.connect(&smtp("implicit", inner.port(), "require")).await;
    let (code, _, error) = stack.command_ends_with(&["connections", "test", "t1/implicit"], &trusted).await;
    assert!(code == 1 && error.contains("write `tls: starttls`"), "{code} {error}");
    assert!(mails.mails().is_empty() && inner.mails().is_empty());
}

/// Returns the URL with another host and port, and parameters.
fn moved(url: &str, port: u16, parameters: &str) -> String {
    let (login, _, rest) = parts(url);
    format!("{}://{login}@localhost:{port}{rest}{parameters}", url.split_once("://").unwrap().0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_reaches_its_own_broker_and_database_over_tls() {
    let (stack, authority) = (Stack::new().await, Authority::new());
    let broker = TlsFront::start(authority.server("localhost"), parts(&broker_url()).1).await;
    let database = TlsFront::start_before_postgres(authority.server("localhost"), parts(stack.database_url()).1).await;
    let authorities = stack.named_file("authority.pem", authority.pem());
    let amqp_url = moved(&broker_url(), broker.port(), "").replace("amqp://", "amqps://");
    let database_url = moved(stack.database_url(), database.port(), "?sslmode=verify-full");
    let settings = [("SSL_CERT_FILE", authorities.as_str()), ("FOREBAY_AMQP_URL", &amqp_url), ("FOREBAY_DATABASE_URL", &database_url)];
    stack
        .apply("tenant: t1\nname: echo\ntrigger: { webhook: { authentication: none, response: { wait: 20s } } }\nsteps: [{ id: a, set: .body }]\n")
        .await;
    let (ingress, _worker) = (stack.start_with("ingress", &settings).await, stack.start_with("worker", &settings).await);
    let answer = stack.post(&ingress, "/t1/echo", "{\"n\":3}").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "n": 3 })));
    assert_eq!(stack.ended("echo", 1).await[0]["status"], "succeeded");
    // A later definition is announced over another connection.
    stack.apply("tenant: t1\nname: later\ntrigger: { webhook: { authentication: none } }\nsteps: [{ id: a, set: .body }]\n").await;
    forebay_tests::eventually("the new endpoint is there", || async {
        (stack.post(&ingress, "/t1/later", "{}").await.status == 202).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_trusts_a_self_signed_broker_and_database_that_its_file_of_certificates_names() {
    let (stack, certificate) = (Stack::new().await, SelfSigned::new("localhost"));
    let broker = TlsFront::start(certificate.server(), parts(&broker_url()).1).await;
    let database = TlsFront::start_before_postgres(certificate.server(), parts(stack.database_url()).1).await;
    let file = stack.named_file("self-signed.pem", &certificate.pem());
    let amqp_url = moved(&broker_url(), broker.port(), "").replace("amqp://", "amqps://");
    let database_url = moved(stack.database_url(), database.port(), "?sslmode=verify-full");
    let settings = [("SSL_CERT_FILE", file.as_str()), ("FOREBAY_AMQP_URL", &amqp_url), ("FOREBAY_DATABASE_URL", &database_url)];
    stack
        .apply("tenant: t1\nname: echo\ntrigger: { webhook: { authentication: none, response: { wait: 20s } } }\nsteps: [{ id: a, set: .body }]\n")
        .await;
    let (ingress, _worker) = (stack.start_with("ingress", &settings).await, stack.start_with("worker", &settings).await);
    let answer = stack.post(&ingress, "/t1/echo", "{\"n\":3}").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "n": 3 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_trusted_as_far_as_its_url_says() {
    let (stack, authority) = (Stack::new().await, Authority::new());
    let plain = parts(stack.database_url()).1;
    let right = TlsFront::start_before_postgres(authority.server("localhost"), plain).await.port();
    let other = TlsFront::start_before_postgres(authority.server("other.example"), plain).await.port();
    let strict = TlsFront::start_before_postgres(authority.server_for_identified("localhost"), plain).await.port();
    let root = format!("sslrootcert={}", stack.named_file("authority.pem", authority.pem()).replace('/', "%2F"));
    let (cert, key) = authority.identity_pem("forebay");
    let identity = format!("sslcert={}&sslkey={}", stack.named_file("cert.pem", &cert), stack.named_file("key.pem", &key));
    let works = "";
    let cases = [
        (right, "".to_owned(), works),
        (right, "?sslmode=require".to_owned(), works),
        (right, format!("?sslmode=verify-full&{root}"), works),
        (right, "?sslmode=verify-full".to_owned(), "an authority that is not trusted"),
        (right, "?sslmode=verify-ca".to_owned(), "an authority that is not trusted"),
        (other, format!("?sslmode=verify-ca&{root}"), works),
        (other, format!("?sslmode=require&{root}"), works),
        (other, format!("?sslmode=verify-full&{root}"), "and not for 'localhost'"),
        (strict, format!("?sslmode=verify-full&{root}&{identity}"), works),
        (strict, format!("?sslmode=verify-full&{root}"), "error"),
    ];
    for (port, parameters, expected) in cases {
        let url = moved(stack.database_url(), port, &parameters);
        let (code, _, error) = stack.command_ends_with(&["migrate"], &[("FOREBAY_DATABASE_URL", &url)]).await;
        let as_expected = if expected == works { code == 0 } else { code == 5 && error.contains(expected) };
        assert!(as_expected, "{parameters}: {code} {error}");
    }
    // The front does not use TLS.
    let in_clear = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = in_clear.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = in_clear.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = stream.read(&mut [0; 8]).await;
            let _ = stream.write_all(b"N").await;
        }
    });
    let url = moved(stack.database_url(), port, "?sslmode=require");
    let (code, _, error) = stack.command_ends_with(&["migrate"], &[("FOREBAY_DATABASE_URL", &url)]).await;
    assert!(code == 5 && error.contains("server does not support TLS"), "{code} {error}");
}
