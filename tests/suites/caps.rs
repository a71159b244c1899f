//! Limits of definitions by settings, and schemas that cause much work for small bodies.

use forebay_tests::Stack;
use std::time::{Duration, Instant};

const BRANCHING: &str = "
tenant: t1
name: branching
trigger:
  webhook:
    methods: [POST]
    authentication: none
    body:
      schema:
        $ref: '#/$defs/n'
        $defs:
          n: { anyOf: [{ $ref: '#/$defs/x' }, { $ref: '#/$defs/y' }] }
          x: { properties: { a: { $ref: '#/$defs/n' } }, required: [x] }
          y: { properties: { a: { $ref: '#/$defs/n' } }, required: [y] }
";

fn plain(name: &str, more: &str) -> String {
    format!("tenant: t1\nname: {name}\ntrigger: {{ webhook: {{ methods: [POST], authentication: none }} }}\n{more}")
}

#[tokio::test]
async fn a_small_body_that_a_schema_makes_much_of_gets_422_at_once_and_the_command_warns_of_such_a_schema() {
    let stack = Stack::new().await;
    let file = stack.file(BRANCHING);
    for arguments in [&["validate", &file][..], &["apply", &file, "--yes"]] {
        let (code, _, error) = stack.command_ends(arguments).await;
        assert_eq!(code, 0, "{error}");
        assert!(
            error.contains("t1/branching: trigger.webhook.body.schema/$defs/n: two references for the same member lead back to this part"),
            "{error}"
        );
    }
    stack.apply(&plain("plain", "")).await;
    let process = stack.start("ingress").await;
    let before = process.resident_bytes();
    let body = format!("{}1{}", "{\"a\":".repeat(21), "}".repeat(21));
    assert_eq!(body.len(), 127);
    let begun = Instant::now();
    let answer = stack.post(&process, "/t1/branching", &body).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(answer.status, 422);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("makes too much work of this body") && answer.json()["errors"].is_null(), "{detail}");
    let grown = process.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
    assert_eq!(stack.post(&process, "/t1/branching", r#"{"x":1,"a":{"y":1}}"#).await.status, 202);
    assert_eq!(stack.post(&process, "/t1/plain", "1").await.status, 202);
}

#[tokio::test]
async fn a_definition_over_a_cap_is_refused_with_the_setting_and_what_is_there_goes_on() {
    let stack = Stack::new().await;
    stack.apply(&plain("first", "")).await;
    let (large, second) = (stack.file(&plain("first", &format!("# {}\n", "x".repeat(2000)))), stack.file(&plain("second", "")));
    let apply = async |file: &str, setting: (&str, &str)| stack.command_ends_with(&["apply", file, "--yes"], &[setting]).await;
    let (code, _, error) = apply(&large, ("FOREBAY_MAX_DEFINITION_BYTES", "1KiB")).await;
    assert!(code == 1 && error.contains("the definition of t1/first has 2") && error.contains("FOREBAY_MAX_DEFINITION_BYTES"), "{error}");
    let (code, _, error) = apply(&second, ("FOREBAY_MAX_INTEGRATIONS", "1")).await;
    assert!(code == 1 && error.contains("tenant t1 would have 2 integrations") && error.contains("FOREBAY_MAX_INTEGRATIONS"), "{error}");
    let described = stack.file(&plain("first", &format!("description: {}\n", "x".repeat(8193))));
    let (code, error) = stack.command_fails(&["validate", &described]).await;
    assert!(code == 1 && !error.contains("panicked"), "{error}");
    let (code, ..) = apply(&large, ("FOREBAY_MAX_INTEGRATIONS", "1")).await;
    assert_eq!(code, 0, "one that is there may change");
}
