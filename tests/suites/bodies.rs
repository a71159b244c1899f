//! Bodies in forms that real systems send: through the ingress and the broker to `.body`, and from remote systems.

use forebay_tests::{Answer, Process, Sink, Stack, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const DEFINITIONS: &str = r#"
tenant: t1
name: echo
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 30s } } }
respond: { body: .body }
---
tenant: t1
name: rows
trigger:
  webhook:
    methods: [POST]
    authentication: none
    response: { wait: 30s }
    idempotency: { key: '.body[0].id' }
    body:
      content_type: text/csv
      charset: windows-1252
      separator: ';'
      schema: { type: array, items: { required: [id], properties: { id: { pattern: '^[0-9]+$' } } } }
respond: { body: '{ rows: .body, type: .request.contentType }' }
---
tenant: t1
name: calls
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 30s } } }
steps: [{ id: other, call: { integration: late, body: '{ a: "b;c" }' } }]
respond: { body: .steps.other.body }
---
tenant: t1
name: late
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 30s }, body: { content_type: text/csv } } }
respond: { body: .body }
"#;

async fn ready() -> (Stack, Process) {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let process = stack.start("dev").await;
    (stack, process)
}

async fn post(stack: &Stack, process: &Process, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let request = stack.http.post(format!("{}{path}", process.url)).header("content-type", content_type).body(body.to_vec());
    stack.send(request).await
}

#[tokio::test]
async fn bodies_that_systems_really_send_are_read_and_damaged_ones_are_refused_with_their_place() {
    let (stack, process) = ready().await;
    let form = "application/x-www-form-urlencoded";
    let accepted: &[(&str, &[u8], Value)] = &[
        ("application/json ; charset=utf-8", br#"{"a":1}"#, json!({"a": 1})),
        ("application/json;;charset=utf-8", br#"{"a":1}"#, json!({"a": 1})),
        ("application/json; charset=ISO-8859-1", "\"ö\"".as_bytes(), json!("ö")),
        ("application/json", b"\xef\xbb\xbf[1]", json!([1])),
        ("application/soap+xml; charset=utf-8; action=http://x/y", b"<a/>", json!({"a": null})),
        (
            "multipart/form-data; boundary=----=_Part_1",
            b"------=_Part_1\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nw7Y=\r\n------=_Part_1--",
            json!({"a": "ö"}),
        ),
        (form, b"name=J%F6rg&charset=windows-1252", json!({"name": "Jörg", "charset": "windows-1252"})),
        ("text/xml", b"<!DOCTYPE cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd\"><cXML/>", json!({"cXML": null})),
        ("text/csv", b"sep=;\r\na;b\r\n1,5;2\r\n", json!([{"a": "1,5", "b": "2"}])),
        ("text/csv; header=absent", b"12,5;A;3", json!([["12,5", "A", "3"]])),
    ];
    for (content_type, body, expected) in accepted {
        let answer = post(&stack, &process, "/t1/echo", content_type, body).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{content_type}");
    }
    let refused: &[(&str, &[u8], &str)] = &[
        (form, b"id=1&name=J%F6rg", "the value of 'name' (field 2): byte 1 is not UTF-8"),
        ("application/json", b"\xff\xfe{\0}\0", "byte order mark of UTF-16"),
        ("application/json", br#"{"a":"\ud800"}"#, "byte 6: \\ud800 is half of a surrogate pair"),
        ("text/xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 1: the DOCTYPE has a declaration, <!ENTITY"),
        ("json", b"{}", "is not of the form type/subtype"),
    ];
    for (content_type, body, expected) in refused {
        let answer = post(&stack, &process, "/t1/echo", content_type, body).await;
        assert_eq!(answer.status, 400, "{content_type}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(expected), "{content_type}: {detail}");
    }
}

#[tokio::test]
async fn the_definition_says_what_a_sender_means_wherever_the_body_is_read() {
    let (stack, process) = ready().await;
    let send = async |body: &'static [u8]| post(&stack, &process, "/t1/rows", "application/json", body).await;
    let answer = send(b"id;name\n1;J\xf6rg, Bo\n").await;
    let expected = json!({"rows": [{"id": "1", "name": "Jörg, Bo"}], "type": "application/json"});
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    // The rule also applies to the key: the repetition gets the first response. It gets 409 until the first outcome is in the database.
    let again = eventually("the first outcome is stored", async || {
        let again = send(b"id;name\n1;J\xf6rg, Bo\n").await;
        (again.status != 409).then_some(again)
    });
    let again = again.await;
    assert_eq!((again.header("idempotent-replayed"), again.json()), ("true", expected));
    assert_eq!(send(b"id;name\nx;y\n").await.status, 422, "the schema is held against what is read");
    assert_eq!(send(b"id;name\n\"1;y\n").await.status, 400);

    // A call by another integration is JSON.
    let called = post(&stack, &process, "/t1/calls", "application/json", b"{}").await;
    assert_eq!((called.status, called.json()), (200, json!({"a": "b;c"})));

    // `forebay try` has the same result.
    let example = stack.named_file("example.txt", "");
    std::fs::write(&example, b"id;name\n1;J\xf6rg\n").unwrap();
    let tried = stack.command(&["try", &stack.file(DEFINITIONS), "--integration", "t1/rows", "--input", &example]).await;
    assert!(tried.contains("Jörg"), "{tried}");
}

/// The outcome has the response's bytes in the form of their type.
#[tokio::test]
async fn the_outcome_at_the_location_shows_a_body_by_its_type() {
    let stack = Stack::new().await;
    let respond = "respond: { body: .request.raw }";
    stack.apply(&format!("tenant: t1\nname: raw\ntrigger: {{ webhook: {{ authentication: none, methods: [POST] }} }}\ndiagnostics: {{ output: true }}\n{respond}\n")).await;
    let process = stack.start("dev").await;
    let cases: &[(&str, &[u8], Value)] = &[
        ("application/json", b"{ \"n\": 1.50 }", serde_json::from_str(r#"{"n":1.50}"#).unwrap()),
        ("text/plain; charset=iso-8859-1", b"\xf6", json!("ö")),
        ("text/csv", b"a;b\n1;2\n", json!("a;b\n1;2\n")),
        (
            "text/xml",
            b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xf6</a>",
            json!("<?xml version='1.0' encoding='iso-8859-1'?><a>ö</a>"),
        ),
        ("application/octet-stream", b"\xff\0", json!({"base64": "/wA=", "contentType": "application/octet-stream", "size": 2})),
    ];
    for (content_type, body, expected) in cases {
        let location = post(&stack, &process, "/t1/raw", content_type, body).await.header("location").to_owned();
        let outcome = eventually("it has ended", || async {
            let outcome = stack.send(stack.http.get(format!("{}{location}", process.url))).await.json();
            (outcome["status"] == "succeeded").then_some(outcome)
        })
        .await;
        assert_eq!(outcome["response"]["body"].to_string(), expected.to_string(), "{content_type}: {outcome}");
    }
}

#[tokio::test]
async fn the_version_that_accepted_a_call_decides_how_its_body_is_read() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let definition = |separator: &str| {
        format!(
            "tenant: t1\nname: late\ntrigger: {{ webhook: {{ authentication: none, body: {{ content_type: text/csv, separator: '{separator}' }} }} }}\n\
             steps: [{{ id: send, http: {{ method: POST, url: '{}/x', body: .body }} }}]\n",
            sink.address()
        )
    };
    stack.apply(&definition(";")).await;
    let ingress = stack.start("ingress").await;
    assert_eq!(post(&stack, &ingress, "/t1/late", "text/plain", b"a;b,c\n1;2,3\n").await.status, 202);
    stack.apply(&definition(",")).await;
    let _worker = stack.start("worker").await;
    let ended = stack.ended("late", 1).await;
    assert_eq!(ended[0]["status"], "succeeded", "{ended:?}");
    assert_eq!(serde_json::from_str::<Value>(&sink.calls()[0].body).unwrap(), json!([{"a": "1", "b,c": "2,3"}]));
}

#[tokio::test]
async fn a_body_goes_on_as_it_came_and_a_response_is_read_or_fails_the_step() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack
        .apply(&format!(
            "tenant: t1\nname: forward\ntrigger: {{ webhook: {{ authentication: none, response: {{ wait: 30s }} }} }}\n\
             steps: [{{ id: send, http: {{ method: POST, url: '{0}/raw', body: .request.raw }} }}]\n\
             respond: {{ body: .steps.send.body }}\n---\n\
             tenant: t1\nname: told\ntrigger: {{ webhook: {{ authentication: none, response: {{ wait: 30s }} }} }}\n\
             steps: [{{ id: send, http: {{ url: '{0}/told', response: {{ content_type: text/csv, charset: windows-1252 }} }} }}]\n\
             respond: {{ body: .steps.send.body }}\n",
            sink.address()
        ))
        .await;
    let process = stack.start("dev").await;
    let sent = b"\xef\xbb\xbf{ \"n\" : 1.50, \"u\" : \"\\u00f6\" }";
    sink.answer_as("application/json ;;charset=ISO-8859-1", b"{\"ok\":true}");
    let answer = post(&stack, &process, "/t1/forward", "application/json; charset=UTF-8", sent).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"ok": true})));
    let call = &sink.calls()[0];
    assert_eq!((&call.bytes[..], call.content_type.as_deref()), (&sent[..], Some("application/json; charset=UTF-8")));

    let broken: [(&str, &[u8], &str); 3] = [
        ("application/json", b"<html>", "not valid JSON"),
        ("text/plain", b"\xf6", "byte 0 is not UTF-8"),
        ("json", b"{}", "is not of the form type/subtype"),
    ];
    for (content_type, body, _) in broken {
        sink.answer_as(content_type, body);
        let answer = post(&stack, &process, "/t1/forward", "text/plain", b"x").await;
        assert_eq!((answer.status, answer.json()["step"].as_str()), (500, Some("send")), "{content_type}");
    }
    let ended = stack.ended("forward", 1 + broken.len()).await;
    for (content_type, _, expected) in broken {
        let has_message = |execution: &&Value| execution["error"]["message"].as_str().is_some_and(|message| message.contains(expected));
        assert_eq!(ended.iter().filter(has_message).count(), 1, "{content_type}: {ended:?}");
    }
    sink.answer_as("text/plain", b"a;b\n\xf6;1,5\n");
    let answer = post(&stack, &process, "/t1/told", "application/json", b"").await;
    assert_eq!((answer.status, answer.json()), (200, json!([{"a": "ö", "b": "1,5"}])));
}
