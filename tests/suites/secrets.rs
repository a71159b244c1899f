//! Stored secrets: they are sent only to their destination, and can be re-encrypted with a new key.

use crate::engineering_pages::{ROOT, files};
use crate::people::Console;
use forebay_tests::{Sink, Stack, eventually};
use serde_json::json;
use std::time::Duration;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_secret_is_sent_only_where_it_was_sent_before() {
    let (stack, meant, other) = (Stack::new().await, Sink::start(Duration::ZERO).await, Sink::start(Duration::ZERO).await);
    stack
        .connect(&format!(
            "tenant: t1\nconnection: erp\nhttp: {{ url: '{}', authentication: {{ bearer: {{ token: hunter2 }} }} }}\n",
            meant.address()
        ))
        .await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let document = |url: &str, description: &str, bearer: serde_json::Value| {
        let http = json!({ "url": url, "authentication": { "bearer": bearer } });
        json!({ "document": { "tenant": "t1", "connection": "erp", "description": description, "http": http } })
    };
    let put = async |body| console.api("PUT", "connections/t1/erp", &body).await;

    let refused = put(document(other.address(), "moved", json!({}))).await;
    assert_eq!(refused.status, 428, "it is not output which version it was made from");
    let put = async |body: serde_json::Value| {
        let request = crate::people::client("127.0.0.1").put(format!("{}/api/v1/connections/t1/erp", console.url));
        let request = request.header("origin", &console.url).header("cookie", &console.session).header("if-match", "*");
        stack.send(request.header("content-type", "application/json").body(body.to_string())).await
    };
    let refused = put(document(other.address(), "moved", json!({}))).await;
    let problem = refused.json();
    assert_eq!((refused.status, problem["problems"][0]["path"].as_str()), (422, Some("http.authentication.bearer.token")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("write the secret again, because http.url changes"), "{problem}");
    let yaml = format!("tenant: t1\nconnection: erp\nhttp:\n  url: {}\n  authentication: {{ bearer: {{}} }}\n", other.address());
    let form = reqwest::Url::parse_with_params("http://x", [("path", "t1/erp"), ("source", &yaml), ("revision", "1")]).unwrap();
    let page = console.post("127.0.0.1", "/connections", form.query().unwrap(), &[&console.session]).await;
    assert_eq!(page.status, 422, "the page says the same");
    assert_eq!(console.api("POST", "connections/t1/erp/test", &json!({})).await.status, 200);

    let stored = put(document(meant.address(), "The ERP", json!({}))).await;
    assert_eq!(stored.status, 200, "{}", stored.json());
    assert_eq!(console.api("POST", "connections/t1/erp/test", &json!({})).await.status, 200);
    let tokens: Vec<_> = meant.calls().into_iter().map(|call| call.authorization).collect();
    assert!(!tokens.is_empty() && tokens.iter().all(|token| token.as_deref() == Some("Bearer hunter2")), "{tokens:?}");

    assert_eq!(put(document(other.address(), "moved", json!({ "token": "another" }))).await.status, 200);
    console.api("POST", "connections/t1/erp/disable", &json!({})).await;
    let calls_before = other.calls().len();
    let disabled = console.api("POST", "connections/t1/erp/test", &json!({})).await;
    assert!(disabled.status == 409 && disabled.json()["detail"].as_str().unwrap().contains("is disabled"), "{}", disabled.json());
    assert_eq!(other.calls().len(), calls_before, "nothing is sent while it is disabled");
    assert!(other.calls().iter().all(|call| call.authorization.as_deref() != Some("Bearer hunter2")));

    let lines = stack.command_json(&["audit", "list", "--action", "connection"]).await;
    let lines: Vec<_> = lines.as_array().unwrap().iter().rev().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[1]["before"].get("description"), None);
    assert_eq!(lines[1]["after"]["description"], "The ERP");
    assert_eq!(lines[1]["after"].get("secrets"), None, "{}", lines[1]);
    assert_eq!(
        (lines[2]["before"]["http"]["url"].as_str(), lines[2]["after"]["http"]["url"].as_str()),
        (Some(meant.address()), Some(other.address()))
    );
    assert_eq!(lines[2]["after"]["secrets"], json!({ "http.authentication.bearer.token": "changed" }));
    assert_eq!((&lines[3]["before"]["enabled"], &lines[3]["after"]["enabled"]), (&json!(true), &json!(false)));
    assert!(!json!(lines).to_string().contains("hunter2") && !json!(lines).to_string().contains("another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_everything_opens_without_the_old_key() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    sink.answer_with(400);
    stack.connect(&format!("tenant: t1\nconnection: erp\nhttp: {{ url: '{}', headers: {{ X-K: hunter2 }} }}\n", sink.address())).await;
    stack
        .apply(
            "
tenant: t1
name: secretive
trigger: { webhook: { authentication: none } }
diagnostics: { input: true, redact: [password] }
steps: [{ id: send, http: { method: POST, connection: erp, body: '{ p: .body.password }' } }]
",
        )
        .await;
    let pasted = ["keys", "create", "--tenant", "t1", "--label", "l", "--integration", "secretive", "--key", "a-pasted-key-of-a-partner"];
    stack.command(&pasted).await;
    let (ingress, worker) = (stack.start("ingress").await, stack.start("worker").await);
    for number in 0..3 {
        assert_eq!(stack.post(&ingress, "/t1/secretive", &format!(r#"{{"password": "secret-{number}"}}"#)).await.status, 202);
    }
    let failed = stack.ended("secretive", 3).await;
    drop((ingress, worker));
    // One of them looks as if an earlier version had encrypted it with a lost key.
    let lost = "update execution_payloads set content = '\\x0000000000000000' || substring(content from 9)
                where kind = 'retry' and execution_id = (select id from executions order by id desc limit 1)";
    stack.sql(lost).await;
    let both = format!("{NEW},{OLD}");
    let (code, output, error) =
        stack.command_ends_with(&["connections", "rotate", "--output", "json"], &[("FOREBAY_SECRET_KEY", &both)]).await;
    assert_eq!(code, 0, "{output} {error}");
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (output["status"].as_str(), &output["unreadable"], &output["oldKeyNeeded"]),
        (Some("finished"), &json!(1), &json!(true)),
        "{output}"
    );
    // The connection, the key of digests, and two inputs that a retry needs.
    assert_eq!(output["total"], 4, "{output}");
    stack
        .sql("delete from execution_payloads where kind = 'retry' and execution_id = (select id from executions order by id desc limit 1)")
        .await;
    let (_, output, _) = stack.command_ends_with(&["connections", "rotate"], &[("FOREBAY_SECRET_KEY", &both)]).await;
    assert!(
        output.contains(
            "Re-encrypted 0 connections, keys and payloads. If a process got the new key only after the rotation began, run this again"
        ),
        "{output}"
    );

    let new = [("FOREBAY_SECRET_KEY", NEW)];
    let (_ingress, _worker) = (stack.start_with("ingress", &new).await, stack.start_with("worker", &new).await);
    sink.answer_with(200);
    // The newest first.
    let oldest = failed[2]["id"].as_str().unwrap();
    let (code, _, error) = stack.command_ends_with(&["executions", "retry", oldest], &new).await;
    assert_eq!(code, 0, "{error}");
    eventually("the retry has succeeded", || async {
        let shown = stack.command_json(&["executions", "show", oldest]).await;
        (shown["status"] == "succeeded").then_some(())
    })
    .await;
    assert_eq!(sink.calls().last().unwrap().body, r#"{"p":"secret-0"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_settings_come_from_standard_input_and_files() {
    let stack = Stack::new().await;
    stack.apply("tenant: t1\nname: n\ntrigger: { webhook: {} }\n").await;
    let create = ["keys", "create", "--tenant", "t1", "--label", "l", "--integration", "n", "--key", "-", "--output", "json"];
    let created = stack.command_reads(&create, "a-pasted-key-of-a-partner\n").await;
    assert!(created.contains("a-pasted-key-of-a-partner"), "{created}");
    let file = stack.named_file("key", &format!("{OLD}\n"));
    let ingress = stack.start_with("ingress", &[("FOREBAY_SECRET_KEY", ""), ("FOREBAY_SECRET_KEY_FILE", &file)]).await;
    let invoke = ["invoke", "t1/n", "--url", &ingress.url, "--data", "{}", "--key", "-"];
    let called = stack.command_reads(&invoke, "a-pasted-key-of-a-partner\n").await;
    assert!(called.contains("202 Accepted"), "{called}");
    let (code, error) = stack.command_fails(&create).await;
    assert!(code == 2 && error.contains("there is no key on standard input"), "{code} {error}");
}

/// Fields with these names hold secrets wherever they are.
const SECRET_FIELDS: [&str; 12] = [
    "password",
    "passphrase",
    "secret",
    "client_secret",
    "secret_key",
    "private_key",
    "token",
    "session",
    "credential",
    "verifier",
    "nonce",
    "setup_code",
];

/// A derived Debug prints every field. So a secret has a type that prints `***`, and no type of text.
#[test]
fn no_field_or_parameter_that_holds_a_secret_is_a_text() {
    let is_source = |file: &&String| {
        ["shared/", "services/"].iter().any(|folder| file.starts_with(folder)) && file.contains("/src/") && file.ends_with(".rs")
    };
    let (mut texts, mut secrets) = (Vec::new(), 0);
    for file in files().iter().filter(is_source) {
        for line in std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap().lines() {
            let Some((name, kind)) = line.trim().trim_end_matches(',').split_once(": ") else { continue };
            let name = name.rsplit(' ').next().unwrap_or_default();
            if !SECRET_FIELDS.contains(&name) {
                continue;
            }
            if ["String", "Option<String>", "&str", "&'a str", "Option<&'a str>", "Vec<u8>"].contains(&kind) {
                texts.push(format!("{file}: {}", line.trim()));
            }
            secrets += u32::from(["Secret", "Option<Secret>"].contains(&kind));
        }
    }
    assert!(texts.is_empty(), "{}", texts.join("\n"));
    assert!(secrets > 10, "{secrets}");
}
