//! The console in a real browser: tests/browser has what a person does there.

use forebay_tests::Stack;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Longest time of one of the scripts, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(300);

async fn run(script: &str, setup_url: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
    assert!(std::path::Path::new(folder).join("node_modules").is_dir(), "run `npm ci` in tests/browser, as scripts/test does");
    let mut command = Command::new("node");
    command.arg(script).current_dir(folder).env("SETUP_URL", setup_url).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the script ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

#[tokio::test]
async fn a_person_sets_up_tries_breaks_mends_retries_and_rolls_back_and_no_page_has_a_serious_finding() {
    let stack = Stack::new().await;
    let _dev = stack.start("dev").await;
    let log = stack.log_of("dev");
    let setup = log.split_whitespace().find(|word| word.contains("/setup?code=")).expect("the setup address is printed").to_owned();
    run("story.mjs", &setup).await;
    run("pages.mjs", &setup).await;
}
