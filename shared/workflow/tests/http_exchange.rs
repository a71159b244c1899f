//! Details of the `http` step: headers that the definition does not set, reading of responses, and redirects.

mod support;

use forebay_contract::envelope::TraceContext;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use serde_json::{Value, json};
use std::sync::Arc;
use support::*;

/// Returns a call with additional fields of `http`; `.steps.call` is the response.
fn call(server: &Server, path: &str, fields: &str) -> String {
    format!("steps: [{{ id: call, http: {{ url: 'http://{}{path}', {fields} }} }}]", server.address)
}

async fn failure(rest: &str) -> ExecutionError {
    let error = error(run(rest, "{}").await);
    assert_eq!(error.step.as_deref(), Some("call"), "{error}");
    error
}

#[tokio::test]
async fn the_definition_s_own_headers_win() {
    let server = Server::with_json("1").await;
    let headers = "headers: { Idempotency-Key: mine, User-Agent: me/1, TraceParent: none, X-Name: Åsa }";
    json_answer(&call(&server, "/", headers)).await;
    let got = server.got().remove(0);
    let of =
        |name| got.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>();
    assert_eq!((of("idempotency-key"), of("user-agent")), (vec!["mine".to_owned()], vec!["me/1".to_owned()]));
    assert_eq!((of("traceparent"), of("x-name")), (vec!["none".to_owned()], vec!["Åsa".to_owned()]));
    json_answer(&call(&server, "/", "method: GET")).await;
    assert!(server.got()[1].header("user-agent").is_some_and(|agent| agent.starts_with("forebay/")));
}

#[tokio::test]
async fn the_trace_of_the_span_is_sent_on_else_the_envelope_s() {
    let server = Server::with_json("1").await;
    let program = program(&call(&server, "/", "method: GET"));
    let mut envelope = envelope("{}");
    response(engine().run(&program, &envelope, once()).await);
    envelope.trace = Some(TraceContext { traceparent: "00-envelope".to_owned(), tracestate: Some("a=b".to_owned()) });
    response(engine().run(&program, &envelope, once()).await);
    let engine = engine_with(|options| options.inject = Some(Arc::new(|| Some(("00-span".to_owned(), None)))));
    response(engine.run(&program, &envelope, once()).await);
    let sent: Vec<_> =
        server.got().iter().map(|got| (got.header("traceparent").map(str::to_owned), got.headers.contains_key("tracestate"))).collect();
    assert_eq!(sent, [(None, false), (Some("00-envelope".to_owned()), true), (Some("00-span".to_owned()), false)]);
}

#[tokio::test]
async fn a_request_s_body_takes_the_form_that_its_content_type_asks_for() {
    let server = Server::with_json("1").await;
    let cases = [
        ("body: '{ a: 1 }'", "application/json", "{\"a\":1}"),
        ("body: '\"text\"'", "application/json", "\"text\""),
        (
            "headers: { Content-Type: application/x-www-form-urlencoded }, body: '\"a=\\(1)&b=\\(\"x y\" | @uri)\"'",
            "application/x-www-form-urlencoded",
            "a=1&b=x%20y",
        ),
        ("headers: { content-type: text/xml }, body: '\"<a/>\"'", "text/xml", "<a/>"),
        (
            "headers: { content-type: text/xml }, body: '{ a: { \"@b\": 1 } }'",
            "text/xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"1\"/>",
        ),
        ("headers: { Content-Type: text/csv }, body: '[{ a: 1 }]'", "text/csv", "a\r\n1\r\n"),
        ("headers: { Content-Type: image/png }, body: '{ base64: \"aGk=\" }'", "image/png", "hi"),
        ("headers: { Content-Type: application/vnd.acme+json }, body: '[1]'", "application/vnd.acme+json", "[1]"),
    ];
    for (index, (fields, content_type, body)) in cases.into_iter().enumerate() {
        json_answer(&call(&server, "/", fields)).await;
        let got = server.got().remove(index);
        assert_eq!(
            (got.method.as_str(), got.header("content-type"), &got.body[..]),
            ("POST", Some(content_type), body.as_bytes()),
            "{fields}"
        );
        assert_eq!(got.header("content-length"), Some(body.len().to_string().as_str()));
    }
    json_answer(&call(&server, "/", "method: DELETE")).await;
    json_answer(&call(&server, "/", "method: POST")).await;
    let got = server.got().split_off(cases.len());
    assert_eq!((got[0].header("content-type"), got[0].body.len()), (None, 0));
    assert_eq!(got[1].header("content-length"), Some("0"), "some servers answer 411 to a POST without it");
}

#[tokio::test]
async fn a_multipart_request_has_the_boundary_of_its_body_in_its_content_type() {
    let server = Server::with_json("1").await;
    json_answer(&call(&server, "/", "headers: { Content-Type: multipart/form-data }, body: '{ a: \"x\" }'")).await;
    let got = server.got().remove(0);
    let boundary = got.header("content-type").and_then(|text| text.strip_prefix("multipart/form-data; boundary=")).unwrap();
    let expected = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--{boundary}--\r\n");
    assert_eq!(&got.body[..], expected.as_bytes());
}

#[tokio::test]
async fn an_answer_is_read_as_its_content_type_says() {
    // `{"a":1}`
    let gzipped: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 84, 178, 50, 172, 5, 0, 175, 172, 27, 86, 7, 0, 0, 0];
    let server = Server::start(move |got| match got.target.as_str() {
        "/text" => reply(201, &[("content-type", "text/plain"), ("x-a", "1"), ("X-A", "2")], "söme"),
        "/form" => reply(200, &[("content-type", "application/x-www-form-urlencoded")], "a=1&a=2"),
        "/none" => reply(200, &[], "hi"),
        "/empty" => reply(204, &[], ""),
        "/gzip" => reply(200, &[("content-type", "application/json"), ("content-encoding", "gzip")], gzipped),
        "/servlet" => reply(200, &[("content-type", "application/json ;;charset=ISO-8859-1")], &b"\xef\xbb\xbf{\"ok\":true}"[..]),
        "/soap" => reply(200, &[("content-type", "application/soap+xml; action=http://x/y")], "<!DOCTYPE a SYSTEM 'b'><a/>"),
        "/xml" => reply(200, &[("content-type", "text/xml")], "<a b='1'>x</a>"),
        other => panic!("{other}"),
    })
    .await;
    let binary = |content_type: Value, base64: &str, size: i64| json!({"base64": base64, "contentType": content_type, "size": size});
    let cases = [
        ("/text", 201, json!("söme")),
        ("/form", 200, json!({"a": ["1", "2"]})),
        ("/none", 200, binary(Value::Null, "aGk=", 2)),
        ("/empty", 204, Value::Null),
        ("/gzip", 200, json!({"a": 1})),
        ("/servlet", 200, json!({"ok": true})),
        ("/soap", 200, json!({"a": null})),
        ("/xml", 200, json!({"a": {"@b": "1", "#text": "x"}})),
    ];
    for (path, status, body) in cases {
        let output = json_answer(&call(&server, path, "method: GET")).await;
        assert_eq!((&output["status"], &output["body"]), (&json!(status), &body), "{path}");
        if path == "/text" {
            assert_eq!(output["headers"]["x-a"], json!("1, 2"));
        }
    }
    let head = json_answer(&call(&server, "/text", "method: HEAD")).await;
    assert_eq!((&head["status"], &head["body"]), (&json!(201), &Value::Null));
}

#[tokio::test]
async fn a_definition_says_how_a_response_is_read() {
    let server = Server::start(|got| match got.target.as_str() {
        "/csv" => reply(200, &[("content-type", "text/plain")], &b"a;b\n\xf6;1,5\n"[..]),
        "/html" => reply(200, &[("content-type", "application/json")], "<html>"),
        other => panic!("{other}"),
    })
    .await;
    let body = async |path: &str, fields: &str| json_answer(&call(&server, path, fields)).await["body"].clone();
    let csv = body("/csv", "response: { content_type: text/csv, charset: windows-1252, separator: ';' }").await;
    assert_eq!(csv, json!([{"a": "ö", "b": "1,5"}]));
    assert_eq!(body("/csv", "response: { charset: iso-8859-1 }").await, json!("a;b\nö;1,5\n"));
    let bytes = body("/html", "response: { content_type: application/octet-stream }").await;
    assert_eq!(bytes, json!({"base64": "PGh0bWw+", "contentType": "application/octet-stream", "size": 6}));
}

#[tokio::test]
async fn an_answer_that_breaks_its_promise_or_a_bound_fails_the_step() {
    let server = Server::start(|got| match got.target.as_str() {
        "/json" => reply(200, &[("content-type", "application/json")], "<html>"),
        "/gzip" => reply(200, &[("content-encoding", "gzip")], "no gzip"),
        "/latin1" => reply(200, &[("content-type", "text/plain")], &b"\xf6"[..]),
        "/charset" => reply(200, &[("content-type", "text/plain; charset=ebcdic")], "hi"),
        "/html" => reply(200, &[("content-type", "text/xml")], "<!DOCTYPE html><a>"),
        "/odd" => reply(200, &[("content-type", "nonsense")], "hi"),
        "/surrogate" => reply(200, &[("content-type", "application/json")], r#"{"a":"\ud800"}"#),
        "/brotli" => reply(200, &[("content-encoding", "br")], "x"),
        _ => reply(200, &[], vec![b'x'; 2000]),
    })
    .await;
    let cases = [
        ("/json", ErrorCode::Remote, "not valid JSON"),
        ("/json", ErrorCode::Remote, "say how it is to be read, with response"),
        ("/gzip", ErrorCode::Remote, "not valid gzip"),
        ("/latin1", ErrorCode::Remote, "byte 0 is not UTF-8"),
        ("/charset", ErrorCode::Remote, "'ebcdic' is not supported"),
        ("/html", ErrorCode::Remote, "not valid XML"),
        ("/odd", ErrorCode::Remote, "the Content-Type 'nonsense'"),
        ("/surrogate", ErrorCode::Remote, "half of a surrogate pair"),
        ("/brotli", ErrorCode::Remote, "'br' is not supported"),
        ("/large", ErrorCode::Limit, "more than 1000 bytes"),
    ];
    let engine = engine_with(|options| options.remote_bytes = 1000);
    for (path, code, expected) in cases {
        let run = engine.run(&program(&call(&server, path, "method: GET")), &envelope("{}"), once()).await;
        let error = error(run);
        assert_eq!((error.code, error.transient), (code, false), "{path}: {error}");
        assert!(error.message.contains(expected), "{path}: {error}");
    }
}

#[tokio::test]
async fn only_statuses_that_ask_to_come_again_are_transient() {
    let server = Server::start(|got| reply(got.target[1..4].parse().unwrap(), &[], "the\nbody ".to_owned() + &"x".repeat(1000))).await;
    for (status, transient) in [
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (409, false),
        (410, false),
        (422, false),
        (425, true),
        (429, true),
        (500, true),
        (501, true),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let path = format!("/{status}/x?key=SECRET");
        let error = failure(&call(&server, &path, "method: GET")).await;
        assert_eq!((error.code, error.transient), (ErrorCode::Remote, transient), "{error}");
        let expected = format!("GET http://{} answered {status}", server.address);
        assert!(error.message.starts_with(&expected), "{error}");
        assert!(error.message.contains(": the body xxx") && !error.message.contains("SECRET"), "{error}");
        assert!(error.message.len() < 400, "{error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_only() {
    let other = Server::with_json("\"other\"").await;
    let elsewhere = format!("http://{}/", other.address);
    let server = Server::start(move |got| match got.target.strip_prefix("/hop/").map(|left| left.parse::<usize>().unwrap()) {
        Some(0) => reply(200, &[("content-type", "application/json")], "\"there\""),
        Some(left) => reply(307, &[("location", &format!("/hop/{}", left - 1))], ""),
        None => reply(307, &[("location", &elsewhere)], ""),
    })
    .await;
    let there = json_answer(&call(&server, "/hop/5", "body: '1'")).await;
    assert_eq!(there["body"], json!("there"));
    let last = server.got().pop().unwrap();
    assert_eq!((last.method.as_str(), &last.body[..]), ("POST", &b"1"[..]));
    for path in ["/hop/6", "/elsewhere"] {
        let error = failure(&call(&server, path, "body: '1'")).await;
        assert_eq!((error.code, error.transient), (ErrorCode::Remote, false), "{path}: {error}");
        assert!(error.message.contains("answered 307") && error.message.contains("not followed"), "{path}: {error}");
    }
    assert_eq!(other.got().len(), 0);
}

#[tokio::test]
async fn a_post_that_is_redirected_fails_the_step_unless_it_says_that_the_result_is_there() {
    for status in [301, 302, 303] {
        let server = Server::start(move |got| match got.target.as_str() {
            "/in" => reply(status, &[("location", "/done?token=SECRET")], ""),
            _ => reply(200, &[("content-type", "application/json")], "\"there\""),
        })
        .await;
        let error = failure(&call(&server, "/in", "body: '1'")).await;
        assert_eq!((error.code, error.transient), (ErrorCode::Remote, false), "{error}");
        for part in [&format!("answered {status} "), "another path of the same host", "would become a GET", "redirects: follow_as_get"] {
            assert!(error.message.contains(part) && !error.message.contains("SECRET"), "{part}: {error}");
        }
        assert_eq!(server.got().len(), 1);
        let there = json_answer(&call(&server, "/in", "body: '1', redirects: follow_as_get")).await;
        assert_eq!(there["body"], json!("there"));
        let last = server.got().pop().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str(), last.body.len()), ("GET", "/done?token=SECRET", 0));
        assert!(last.header("content-type").is_none() && last.header("content-length").is_none(), "{last:?}");
        let left = json_answer(&call(&server, "/in", &format!("body: '1', accept: [{status}]"))).await;
        assert_eq!((&left["status"], &left["headers"]["location"]), (&json!(status), &json!("/done?token=SECRET")));
        let got = json_answer(&call(&server, "/in", "method: GET")).await;
        assert_eq!(got["body"], json!("there"));
    }
}

#[tokio::test]
async fn a_redirect_without_a_location_is_told_as_one() {
    let server = Server::start(|_| reply(302, &[], "")).await;
    for more in ["method: GET", "body: '1'"] {
        let error = failure(&call(&server, "/in", more)).await;
        assert!(error.message.contains("answered 302 Found without a Location"), "{error}");
    }
}

#[tokio::test]
async fn an_address_of_a_step_or_a_connection_is_in_no_message_beyond_its_host() {
    const SECRET: &str = "/services/T0/B0/TOKEN1234";
    let server = Server::start(|got| match got.target.rsplit('/').next().unwrap() {
        "away" => reply(307, &[("location", "http://other.example/services/T0/B0/TOKEN1234")], ""),
        _ => reply(404, &[], format!("Cannot {} {}", got.method, got.target)),
    })
    .await;
    let at = &server.address;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (host, path) in [(at.clone(), "/x?key=TOKEN1234"), (at.clone(), "/away"), (unused.to_string(), "/x")] {
        let by_url = failure(&format!("steps: [{{ id: call, http: {{ url: 'http://{host}{SECRET}{path}' }} }}]")).await;
        assert!(by_url.message.starts_with(&format!("GET http://{host} ")), "{by_url}");
        let document = json!({ "tenant": "t37ed", "connection": "chat", "http": { "url": format!("http://{host}{SECRET}") } });
        let known = Arc::new(Known(Arc::new(forebay_contract::connection::Connection::from_value(&document).unwrap())));
        let execution = forebay_workflow::ExecutionContext { host: known, ..once() };
        let steps = format!("steps: [{{ id: call, http: {{ connection: chat, path: '{path}' }} }}]");
        let by_connection = error(engine().run(&program(&steps), &envelope("{}"), execution).await);
        let path = path.split('?').next().unwrap();
        assert!(by_connection.message.starts_with(&format!("GET {path} to connection 'chat' (http at {host})")), "{by_connection}");
        let test = engine().test(&forebay_contract::connection::Connection::from_value(&document).unwrap()).await;
        for text in [by_url.message, by_connection.message, format!("{test:?}")] {
            assert!(!text.contains("TOKEN") && !text.contains("services"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_may_go_better() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let cases = [
        (format!("http://{address}/a?key=SECRET"), "refused"),
        (
            format!("https://{}/", Server::with_json("1").await.address),
            "speaks no TLS; where the port begins in clear text, write `http://`",
        ),
    ];
    for (url, expected) in cases {
        let error = failure(&format!("steps: [{{ id: call, timeout: 15s, http: {{ url: '{url}' }} }}]")).await;
        assert_eq!((error.code, error.transient), (ErrorCode::Unreachable, true), "{url}: {error}");
        assert!(error.message.contains(expected) && !error.message.contains("SECRET"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_transient_and_says_that_the_call_may_have_been_carried_out() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        }
    });
    let error = failure(&format!("steps: [{{ id: call, http: {{ url: 'http://{address}/', body: '1' }} }}]")).await;
    assert_eq!((error.code, error.transient), (ErrorCode::Unreachable, true), "{error}");
    assert!(error.message.contains("may have been carried out"), "{error}");
}

#[tokio::test]
async fn an_address_and_its_query_are_built_of_encoded_values() {
    let server = Server::with_json("1").await;
    let at = &server.address;
    let body = r#"{"s": "a b/ö?&#%", "n": 1.5, "url": "http://HOST/given?x=1", "host": "127.0.0.1", "port": 0}"#
        .replace("HOST", at)
        .replace("\"port\": 0", &format!("\"port\": {}", at.split(':').nth(1).unwrap()));
    let cases = [
        (
            format!("'http://{at}/${{ .body.s }}/${{ .body.n }}?q=${{ .body.s }}'"),
            "/a%20b%2F%C3%B6%3F%26%23%25/1.5?q=a%20b%2F%C3%B6%3F%26%23%25",
        ),
        (format!("'http://{at}', query: {{ 'a b': '${{ .body.s }} c&d', e: 'f' }}"), "/?a%20b=a%20b%2F%C3%B6%3F%26%23%25%20c%26d&e=f"),
        ("'${ .body.url }', query: { y: '2' }".to_owned(), "/given?x=1&y=2"),
        ("'http://${ .body.host }:${ .body.port }/x'".to_owned(), "/x"),
    ];
    for (index, (url, target)) in cases.into_iter().enumerate() {
        response(run(&format!("steps: [{{ id: call, http: {{ url: {url} }} }}]"), &body).await);
        assert_eq!(server.got()[index].target, target, "{url}");
    }
}
