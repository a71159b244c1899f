//! HTTP calls through a connection: its address, its headers, and its authentication.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite")]

mod support;

use forebay_contract::UnixMicros;
use forebay_contract::alert::{Alert, Notification};
use forebay_contract::connection::Connection;
use forebay_contract::outcome::ErrorCode;
use forebay_workflow::{Channel, Engine, ExecutionContext, Run};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::*;

fn erp(server: &Server, authentication: Value) -> Arc<Known> {
    let http = json!({
        "url": format!("http://{}/api", server.address),
        "authentication": authentication,
        "headers": { "X-Plant": "12", "Idempotency-Key": "of-the-connection" },
    });
    Arc::new(Known(Arc::new(Connection::from_value(&json!({ "tenant": "t37ed", "connection": "erp", "http": http })).unwrap())))
}

const CALL: &str = "steps: [{ id: call, http: { connection: erp, path: 'orders/${ .body.id }', method: POST, body: .body } }]";

async fn run_with(engine: &Engine, host: &Arc<Known>, steps: &str) -> Run {
    let execution = ExecutionContext { host: host.clone(), ..once() };
    engine.run(&program(steps), &envelope(r#"{"id":"a/b"}"#), execution).await
}

fn oauth2(server: &Server, fields: Value) -> Value {
    let mut oauth2 = json!({
        "token_url": format!("http://{}/token", server.address), "client_id": "client:1", "client_secret": "s3cr3t&",
    });
    oauth2.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "oauth2": oauth2 })
}

/// Issues the tokens `t1`, `t2`, ... at /token, each valid for `life` seconds.
fn token(given: &AtomicUsize, life: u64) -> Reply {
    let number = given.fetch_add(1, Ordering::SeqCst) + 1;
    let answer = json!({ "access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": life });
    reply(200, &[("content-type", "application/json")], answer.to_string())
}

#[tokio::test]
async fn a_call_goes_under_the_connections_address_with_its_headers_and_credentials() {
    for (authentication, header, expected) in [
        (json!({ "basic": { "username": "u", "password": "p" } }), "authorization", "Basic dTpw"),
        (json!({ "api_key": { "value": "k" } }), "x-api-key", "k"),
        (json!({ "api_key": { "header": "X-Key", "value": "k" } }), "x-key", "k"),
        (json!({ "bearer": { "token": "t" } }), "authorization", "Bearer t"),
    ] {
        let server = Server::with_json("1").await;
        response(run_with(&engine(), &erp(&server, authentication), CALL).await);
        let got = server.got().remove(0);
        assert_eq!((got.target.as_str(), got.header(header), got.header("x-plant")), ("/api/orders/a%2Fb", Some(expected), Some("12")));
        assert_eq!(got.header("idempotency-key"), Some("of-the-connection"));
    }
}

#[tokio::test]
async fn the_steps_own_headers_win_over_the_connections() {
    let server = Server::with_json("1").await;
    let host = erp(&server, json!({ "bearer": { "token": "t" } }));
    let steps = "steps: [{ id: call, http: { connection: erp, headers: { X-Plant: '7', authorization: '${ \"mine\" }' } } }]";
    response(run_with(&engine(), &host, steps).await);
    let got = server.got().remove(0);
    assert_eq!((got.header("x-plant"), got.header("authorization")), (Some("7"), Some("mine")));
    assert_eq!(got.headers.get_all("x-plant").iter().count(), 1);
}

#[tokio::test]
async fn a_token_is_fetched_once_for_calls_at_once_and_reused() {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let server = Server::start(move |got| if got.target == "/token" { token(&counter, 3600) } else { reply(200, &[], "") }).await;
    let host = erp(&server, oauth2(&server, json!({ "scope": "a b", "parameters": { "audience": "erp" } })));
    let engine = engine();
    let runs = (0..5).map(|_| run_with(&engine, &host, CALL));
    for run in futures_util::future::join_all(runs).await {
        response(run);
    }
    let asked: Vec<_> = server.got().into_iter().filter(|got| got.target == "/token").collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a%20b&audience=erp");
    // The encoding of RFC 6749, section 2.3.1: client%3A1:s3cr3t%26
    assert_eq!(asked[0].header("authorization"), Some("Basic Y2xpZW50JTNBMTpzM2NyM3QlMjY="));
    let calls: Vec<_> = server.got().into_iter().filter(|got| got.target != "/token").collect();
    assert!(calls.len() == 5 && calls.iter().all(|got| got.header("authorization") == Some("Bearer t1")), "{calls:?}");
}

#[tokio::test]
async fn a_token_that_lives_less_than_30_s_serves_more_than_one_call() {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let server = Server::start(move |got| if got.target == "/token" { token(&counter, 29) } else { reply(200, &[], "") }).await;
    let (engine, host) = (engine(), erp(&server, oauth2(&server, json!({ "credentials_in": "body" }))));
    for _ in 0..3 {
        response(run_with(&engine, &host, CALL).await);
    }
    assert_eq!(given.load(Ordering::SeqCst), 1);
    assert_eq!(server.got()[0].body, "grant_type=client_credentials&client_id=client%3A1&client_secret=s3cr3t%26");
    assert_eq!(server.got()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_call_made_once_more() {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let server = Server::start(move |got| match (got.target.as_str(), got.header("authorization")) {
        ("/token", _) => token(&counter, 3600),
        (_, Some("Bearer t2")) => reply(200, &[], ""),
        _ => reply(401, &[], ""),
    })
    .await;
    let (engine, host) = (engine(), erp(&server, oauth2(&server, json!({}))));
    response(run_with(&engine, &host, CALL).await);
    let bodies: Vec<_> = server.got().into_iter().filter(|got| got.target != "/token").map(|got| got.body).collect();
    assert_eq!(bodies, [r#"{"id":"a/b"}"#, r#"{"id":"a/b"}"#]);
    response(run_with(&engine, &host, CALL).await);
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_that_stays_refused_fails_after_the_second_time() {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let server = Server::start(move |got| if got.target == "/token" { token(&counter, 3600) } else { reply(401, &[], "no") }).await;
    let host = erp(&server, oauth2(&server, json!({})));
    let error = error(run_with(&engine(), &host, CALL).await);
    // Another process may have revoked the new token too: a retry fetches the next one.
    assert!(error.code == ErrorCode::Remote && error.transient && error.message.contains("401"), "{error:?}");
    assert_eq!(server.got().len(), 4);
}

#[tokio::test]
async fn a_redirect_names_the_field_in_which_the_address_is_written() {
    let server = Server::start(|_| reply(302, &[("location", "/elsewhere")], "")).await;
    let host = erp(&server, json!({ "bearer": { "token": "t" } }));
    let error = error(run_with(&engine(), &host, CALL).await);
    let advice = "put the final address into the url of the connection 'erp' and the step's path, or set `redirects: follow_as_get`";
    assert!(error.message.contains(advice), "{error}");
    let notification = Notification { number: 1, at: UnixMicros::default(), entries: Vec::new() };
    for (webhook, field) in [
        (json!({ "url": format!("http://{}/hook", server.address) }), "send.webhook.url"),
        (json!({ "connection": "erp", "path": "/hook" }), "the url of the connection 'erp' and send.webhook.path"),
    ] {
        let alert = json!({ "tenant": "t37ed", "alert": "a", "when": { "halted": {} }, "send": { "webhook": webhook } });
        let (alert, connection) = (Alert::from_value(&alert).unwrap(), host.0.clone());
        let id = envelope("{}").execution_id;
        let told =
            engine().notify(&alert, Channel::Webhook, &notification, id, Arc::new(move |_| Ok(connection.clone()))).await.unwrap_err();
        assert!(told.message.contains(&format!("put the final address into {field}")) && !told.message.contains("follow_as_get"), "{told}");
    }
}

#[tokio::test]
async fn a_token_request_that_is_redirected_fails_and_is_never_sent_as_a_get() {
    let server = Server::start(|got| match got.target.as_str() {
        "/token" => reply(302, &[("location", "/elsewhere?secret=TOKEN")], ""),
        _ => reply(200, &[("content-type", "application/json")], r#"{"access_token":"t"}"#),
    })
    .await;
    let error = error(run_with(&engine(), &erp(&server, oauth2(&server, json!({}))), CALL).await);
    assert!(!error.transient && error.message.contains("token_url answered 302"), "{error:?}");
    assert!(error.message.contains("put the final address into token_url") && !error.message.contains("TOKEN"), "{error}");
    assert_eq!(server.got().len(), 1);
}

#[tokio::test]
async fn a_token_server_is_left_alone_as_long_as_it_asks() {
    let asked_at = Arc::new(std::sync::Mutex::new(Vec::new()));
    let requests = asked_at.clone();
    let server = Server::start(move |got| {
        if got.target != "/token" {
            return reply(200, &[], "");
        }
        let mut requests = requests.lock().unwrap();
        requests.push(std::time::Instant::now());
        match requests.len() {
            1 => reply(429, &[("retry-after", "0.4")], ""),
            _ => reply(200, &[("content-type", "application/json")], r#"{"access_token":"t"}"#),
        }
    })
    .await;
    let again = CALL.replace("{ id: call,", "{ id: call, retry: { attempts: 2, backoff: { first: 1ms } },");
    response(run_with(&engine(), &erp(&server, oauth2(&server, json!({}))), &again).await);
    let asked_at = asked_at.lock().unwrap();
    assert!(asked_at.len() == 2 && asked_at[1] - asked_at[0] >= std::time::Duration::from_millis(400), "{asked_at:?}");
}

#[tokio::test]
async fn a_token_request_that_is_to_be_repeated_elsewhere_is() {
    let server = Server::start(|got| match got.target.as_str() {
        "/token" => reply(307, &[("location", "/elsewhere")], ""),
        "/elsewhere" => reply(200, &[("content-type", "application/json")], r#"{"access_token":"t"}"#),
        _ => reply(200, &[], ""),
    })
    .await;
    response(run_with(&engine(), &erp(&server, oauth2(&server, json!({}))), CALL).await);
    assert_eq!(server.got()[0].body, server.got()[1].body);
    assert_eq!(server.got()[1].method, "POST");
}

#[tokio::test]
async fn a_token_that_is_not_given_says_what_the_server_said_and_no_secret() {
    for (status, body, transient, expected) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"unknown client","echo":"s3cr3t&"}"#,
            false,
            "invalid_client: unknown client",
        ),
        (503, "s3cr3t&", true, "token_url answered 503"),
        (200, "{}", false, "without an `access_token`"),
        (200, r#"{"access_token":"x","token_type":"mac"}"#, false, "'mac'"),
    ] {
        let server = Server::start(move |_| reply(status, &[], body)).await;
        let host = erp(&server, oauth2(&server, json!({})));
        let error = error(run_with(&engine(), &host, CALL).await);
        assert!(error.transient == transient && error.message.contains(expected) && !error.message.contains("s3cr3t"), "{error:?}");
        assert!(error.message.starts_with("connection 'erp' (http at 127.0.0.1:"), "{error}");
        assert_eq!(server.got().len(), 1);
    }
}

#[tokio::test]
async fn a_step_that_ends_while_its_token_is_fetched_leaves_the_token_to_the_others() {
    let (given, may_answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counter, gate) = (given.clone(), may_answer.clone());
    let server = Server::start_with(move |got| {
        let (counter, gate) = (counter.clone(), gate.clone());
        async move {
            if got.target != "/token" {
                return reply(200, &[], "");
            }
            let token = token(&counter, 3600);
            drop(gate.acquire().await);
            token
        }
    })
    .await;
    let (engine, host) = (engine(), erp(&server, oauth2(&server, json!({}))));
    let impatient = "steps: [{ id: call, timeout: 200ms, http: { connection: erp, method: POST } }]";
    let error = error(run_with(&engine, &host, impatient).await);
    assert_eq!(error.code, ErrorCode::Timeout, "{error}");
    let patient = tokio::spawn(async move { run_with(&engine, &host, CALL).await });
    may_answer.add_permits(9);
    response(patient.await.unwrap());
    assert_eq!(given.load(Ordering::SeqCst), 1);
    assert_eq!(server.got().last().unwrap().header("authorization"), Some("Bearer t1"));
}

#[tokio::test]
async fn credentials_that_a_remote_system_repeats_are_in_no_failure() {
    let secret = "p\u{f6}+/ &\"w\\%41x";
    let long = format!("eyJ{}", "aB3+/".repeat(400));
    for (authentication, given) in [
        (json!({ "basic": { "username": "forebay", "password": secret } }), String::new()),
        (json!({ "bearer": { "token": "tok+en/0001==" } }), String::new()),
        (json!({ "api_key": { "header": "Authorization", "value": "Key k3y+1/2==" } }), String::new()),
        (json!({ "oauth2": {} }), "at+0001/xyz==".to_owned()),
        (json!({ "oauth2": {} }), long),
    ] {
        for notation in [|text: &str| text.to_owned(), as_json, as_percent, as_escaped_json] {
            let given = given.clone();
            let server = Server::start(move |got| match got.header("authorization") {
                _ if got.target == "/token" => {
                    let answer = json!({ "access_token": given, "token_type": "Bearer", "expires_in": 60 });
                    reply(200, &[("content-type", "application/json")], answer.to_string())
                }
                Some(value) => reply(500, &[], format!("you sent {} and {}", notation(value), notation(secret))),
                None => reply(500, &[], "you sent nothing"),
            })
            .await;
            let authentication = if authentication.get("oauth2").is_some() {
                oauth2(&server, json!({ "client_secret": secret }))
            } else {
                authentication.clone()
            };
            let error = error(run_with(&engine(), &erp(&server, authentication.clone()), CALL).await);
            assert!(error.message.contains("you sent ") && error.message.contains("***"), "{error}");
            let values = server.got().into_iter().filter_map(|got| got.header("authorization").map(str::to_owned));
            for value in values {
                let credentials = value.split_once(' ').map_or(value.as_str(), |(_, credentials)| credentials);
                for shown in [&notation(credentials)[..6], &credentials[..6]] {
                    assert!(!error.message.contains(shown), "{authentication}: {error}");
                }
            }
        }
    }
}

fn as_json(text: &str) -> String {
    json!(text).to_string()
}

/// Escapes as PHP and .NET do.
fn as_escaped_json(text: &str) -> String {
    let escaped = |unit: u16| {
        if unit < 128 && (unit as u8).is_ascii_alphanumeric() { (unit as u8 as char).to_string() } else { format!("\\u{unit:04x}") }
    };
    text.encode_utf16().map(escaped).collect()
}

fn as_percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
