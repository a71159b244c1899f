//! Tests of connections.

use super::*;
use forebay_tests::{FileServer, MailServer};
use support::{Server, engine, reply};

async fn works(fields: Json) -> String {
    let mut connection = Connection::clone(&connection(fields));
    // A connection may be tested before it is enabled.
    connection.enabled = false;
    engine().test(&connection).await.unwrap()
}

async fn fails(fields: Json) -> String {
    engine().test(&connection(fields)).await.unwrap_err()
}

#[tokio::test]
async fn an_http_service_is_asked_with_the_connections_credentials() {
    let server = Server::start(|got| {
        let is_known = got.header("authorization") == Some("Bearer right");
        reply(if is_known { 404 } else { 401 }, &[], "")
    })
    .await;
    let url = format!("http://{}/api", server.address);
    let with = |token: &str| json!({ "http": { "url": url, "authentication": { "bearer": { "token": token } } } });
    assert_eq!(works(with("right")).await, format!("HTTP service at {}, answered 404 Not Found to a GET", server.address));
    let wrong = fails(with("hunter2")).await;
    assert!(wrong.contains("401 Unauthorized") && wrong.contains("check authentication") && !wrong.contains("hunter2"), "{wrong}");
    assert!(server.got().iter().all(|got| got.method == "GET"));
}

#[tokio::test]
async fn a_service_that_has_moved_fails_the_test_and_one_whose_address_leads_elsewhere_does_not() {
    for (location, has_moved) in [("https://127.0.0.1:1/api", true), ("https://docs.example/start", false)] {
        let server = Server::start(move |_| reply(301, &[("location", location)], "")).await;
        let http = json!({ "http": { "url": format!("http://{}/api", server.address) } });
        if has_moved {
            let moved = fails(http).await;
            let instead = format!("begin it with https://127.0.0.1:1 in place of http://{}", server.address);
            assert!(moved.contains("answered 301 Moved Permanently and redirects to the same path") && moved.contains(&instead), "{moved}");
        } else {
            assert!(works(http).await.contains("redirects to another path at https://docs.example, which was not followed"));
        }
    }
}

#[tokio::test]
async fn a_mail_server_is_signed_in_to_and_gets_no_mail() {
    let server = MailServer::start().await;
    let smtp = json!({ "smtp": {
        "host": "127.0.0.1", "port": server.port(), "tls": "disable", "from": "a@example.com", "username": "u", "password": "hunter2",
    } });
    assert_eq!(works(smtp.clone()).await, "mail server test, as 'u'");
    server.answer("AUTH", "535 no");
    let wrong = fails(smtp).await;
    assert!(wrong.contains("check username and password") && !wrong.contains("hunter2"), "{wrong}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_file_server_is_signed_in_to_and_its_folder_looked_for() {
    let server = FileServer::start().await;
    let in_folder = |folder: &str| {
        json!({ "sftp": {
            "host": "127.0.0.1", "port": server.port(), "username": server.username(), "private_key": server.private_key(),
            "host_key": server.host_key(), "folder": folder,
        } })
    };
    let folder = server.files().to_string_lossy().into_owned();
    assert_eq!(works(in_folder(&folder)).await, format!("file server, folder '{folder}', as '{}'", server.username()));
    let wrong = fails(in_folder("/no/such/folder")).await;
    assert!(wrong.contains("the folder '/no/such/folder' cannot be used: No such file"), "{wrong}");
}

#[tokio::test]
async fn a_broker_is_signed_in_to() {
    let url = from_env("FOREBAY_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f");
    assert_eq!(works(json!({ "amqp": { "url": url } })).await, "message broker, signed in");
    let (host, port, ..) = parts(&url);
    let wrong = fails(json!({ "amqp": { "url": format!("amqp://nobody:hunter2@{host}:{port}/%2f") } })).await;
    assert!(wrong.contains("check user, password and virtual host") && !wrong.contains("hunter2"), "{wrong}");
}

#[tokio::test]
async fn no_test_shows_a_part_of_a_connections_address_or_its_secrets() {
    let mails = MailServer::start().await;
    mails.answer("AUTH", "535 no user with TOKEN-0001 here");
    let broker = std::env::var("FOREBAY_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned());
    let broker = parts(&broker);
    let server = Server::start(|got| reply(401, &[], format!("no {}", got.target))).await;
    let cases = [
        json!({ "http": { "url": format!("http://{}/services/TOKEN-0001?key=TOKEN-0001", server.address) } }),
        json!({ "http": { "url": "http://127.0.0.1:1/services/TOKEN-0001" } }),
        json!({ "amqp": { "url": format!("amqp://{}:{}@{}:{}/TOKEN-0001", broker.2, broker.3, broker.0, broker.1) } }),
        json!({ "amqp": { "url": format!("amqp://TOKEN-0002:TOKEN-0001@{}:{}", broker.0, broker.1) } }),
        json!({ "amqp": { "url": "amqp://TOKEN-0002:TOKEN-0001@127.0.0.1:1/TOKEN-0003?key=TOKEN-0004" } }),
        json!({ "smtp": { "host": "127.0.0.1", "port": mails.port(), "tls": "disable", "from": "a@example.com", "username": "u", "password": "TOKEN-0001" } }),
        json!({ "postgres": { "host": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": "TOKEN-0001" } }),
        json!({ "mysql": { "host": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": "TOKEN-0001" } }),
    ];
    for fields in cases {
        let error = fails(fields.clone()).await;
        assert!(!error.contains("TOKEN"), "{fields}: {error}");
    }
}
