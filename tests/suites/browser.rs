//! The console in a real browser: tests/browser has the scripts of a person's actions.

use forebay_tests::{Process, Stack};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Maximum time of one of the scripts, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);

async fn run(stack: &Stack, script: &str, settings: &[(&str, &str)]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
    assert!(std::path::Path::new(folder).join("node_modules").is_dir(), "run `npm ci` in tests/browser, as scripts/test does");
    let mut command = Command::new("node");
    command.arg(script).current_dir(folder).envs(settings.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output()).await.expect("the script ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    let log = stack.log_of("dev");
    assert!(!log.contains("the response to a form is not a redirect"), "{script}: every form must redirect to another page\n{log}");
}

#[tokio::test]
async fn a_person_sets_up_tries_breaks_mends_retries_and_rolls_back_and_no_page_has_a_serious_finding() {
    let stack = Stack::new().await;
    let _dev = stack.start("dev").await;
    let log = stack.log_of("dev");
    let setup = log.split_whitespace().find(|word| word.contains("/setup?code=")).expect("the setup address is printed").to_owned();
    run(&stack, "story.mjs", &[("SETUP_URL", &setup)]).await;
    run(&stack, "pages.mjs", &[("SETUP_URL", &setup)]).await;
}

/// Starts a console of an installation with these definitions and no users; returns also the address for creating the first administrator.
async fn console_with(stack: &Stack, definitions: &str) -> (Process, String) {
    stack.apply(definitions).await;
    let dev = stack.start("dev").await;
    let log = stack.log_of("dev");
    let setup = log.split_whitespace().find(|word| word.contains("/setup?code=")).expect("the setup address is printed").to_owned();
    (dev, setup)
}

/// Delays of the check's response, in milliseconds.
const CHECK_DELAYS: [u32; 3] = [0, 100, 500];

/// Types into the editor of integrations, for each of these milliseconds between two keys and each delay of checks.
async fn type_into(form: &str, paces: &[u32], definitions_of: impl Fn(&str) -> Vec<String>, others: Vec<String>) {
    let each = paces.iter().flat_map(|pace| CHECK_DELAYS.map(|delay| format!("{pace}_{delay}")));
    let definitions: Vec<String> = each.flat_map(|suffix| definitions_of(&suffix)).chain(others).collect();
    let stack = Stack::new().await;
    let (_dev, setup) = console_with(&stack, &definitions.join("---\n")).await;
    let list = |times: &[u32]| times.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let settings = [("SETUP_URL", setup.as_str()), ("FORM", form), ("PACES", &list(paces)), ("DELAYS", &list(&CHECK_DELAYS))];
    run(&stack, "typing.mjs", &settings).await;
}

async fn type_into_webhooks(paces: &[u32]) {
    let webhook = |name: &str| {
        format!(
            "# stays\ntenant: acme\nname: {name}\ndescription: before\ntrigger:\n  webhook:\n    methods: [POST]\n    ordered: {{ by: .body.site, concurrency: 2 }}\n    \
             response: {{ wait: 5s }}\n    rate: {{ calls: 1, per: 1m }}\n    idempotency: {{ key: .body.id }}\n    query:\n      cust: {{ default: x }}\ninput: .body\n"
        )
    };
    let others = ["Checked", "Both"].map(webhook).to_vec();
    type_into("webhook", paces, |of| vec![webhook(&format!("Typed_{of}"))], others).await;
}

#[tokio::test]
async fn what_is_typed_fast_into_a_webhook_is_in_the_field_in_the_text_and_in_what_is_stored() {
    type_into_webhooks(&[60, 110, 180]).await;
}

#[tokio::test]
async fn what_is_typed_slowly_into_a_webhook_is_in_the_field_in_the_text_and_in_what_is_stored() {
    type_into_webhooks(&[250, 400]).await;
}

#[tokio::test]
async fn what_is_typed_at_any_pace_into_a_schedule_is_in_the_field_in_the_text_and_in_what_is_stored() {
    let schedule = |name: &str, when: &str| format!("# stays\ntenant: acme\nname: {name}\ntrigger:\n  schedule: {{ {when} }}\n");
    let definitions_of = |of: &str| {
        vec![
            schedule(&format!("Timed_{of}"), "every: 300d"),
            schedule(&format!("Clocked_{of}"), "cron: '0 0 1 1 *', timezone: Europe/Stockholm"),
        ]
    };
    type_into("schedule", &[60, 110, 180, 250, 400], definitions_of, vec![]).await;
}

#[tokio::test]
async fn a_refusal_a_draft_a_comment_and_the_changes_of_another_are_not_lost_and_no_form_is_sent_twice() {
    let one = |name: &str| {
        format!(
            "tenant: acme\nname: {name}\ndescription: before\ntrigger:\n  webhook:\n    methods: [POST]\nsteps: [{{ id: a, set: '1' }}]\n"
        )
    };
    let definitions: Vec<String> = ["Shared", "Clash", "Draft", "One", "Two"].map(one).to_vec();
    let stack = Stack::new().await;
    let (_dev, setup) = console_with(&stack, &definitions.join("---\n")).await;
    run(&stack, "editing.mjs", &[("SETUP_URL", &setup)]).await;
}
