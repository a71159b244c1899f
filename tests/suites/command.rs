//! The command with a remote console: by URL and token, without settings of a database or a broker.

use forebay_tests::{Process, Stack, eventually};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A definition that fails until the version of `repair` is applied.
const FAILS: &str = "
tenant: t1
name: orders
trigger: { webhook: { methods: [POST], authentication: none } }
steps:
  - { id: work, set: 'error(\"no stock\")' }
";

/// A user on another machine, without access to the database.
struct Laptop {
    url: String,
    token: String,
}

impl Laptop {
    /// Creates a user with these roles, and its token.
    async fn new(stack: &Stack, process: &Process, name: &str, roles: &[&str]) -> Self {
        let mut create = vec!["users", "create", name, "--no-password"];
        roles.iter().for_each(|role| create.extend(["--role", role]));
        stack.command(&create).await;
        let token = ["tokens", "create", "--label", "laptop", "--role", "administrator", "--user", name];
        let made = stack.command_json(&token).await;
        Self { url: process.console.clone(), token: made["token"].as_str().unwrap().to_owned() }
    }

    fn prepare(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(forebay_tests::command_path());
        let passed_on = ["PATH", "HOME", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(passed_on).env("FOREBAY_API_URL", &self.url).env("FOREBAY_API_TOKEN", &self.token);
        // Addresses that the command must not use with the API do not exist.
        command.env("FOREBAY_DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere");
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn ends(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.prepare(arguments).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let (code, text, error) = self.ends(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(code, 0, "{arguments:?}: {error}");
        serde_json::from_str(&text).unwrap()
    }
}

async fn fail(stack: &Stack, process: &Process, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let answer = stack.post(process, "/t1/orders", &json!({ "n": n }).to_string()).await;
        ids.push(answer.json()["executionId"].as_str().unwrap().to_owned());
    }
    stack.ended("orders", count).await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_work_from_a_laptop_by_address_and_token() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let process = stack.start("dev").await;
    let laptop = Laptop::new(&stack, &process, "ada", &["administrator"]).await;
    let id = fail(&stack, &process, 1).await.remove(0);

    let made = laptop.json(&["keys", "create", "--tenant", "t1", "--label", "ACME", "--integration", "orders"]).await;
    let listed = laptop.json(&["keys", "list"]).await;
    assert_eq!((listed[0]["id"].clone(), listed[0]["label"].clone()), (made["id"].clone(), json!("ACME")));
    assert_eq!(listed, stack.command_json(&["keys", "list"]).await, "near and far say the same");
    assert_eq!(laptop.json(&["tenants", "list"]).await, stack.command_json(&["tenants", "list"]).await);
    assert_eq!(laptop.json(&["executions", "show", &id]).await, stack.command_json(&["executions", "show", &id]).await);
    assert_eq!(laptop.json(&["executions", "list", "--status", "failed"]).await[0]["id"], id.as_str());
    laptop.json(&["diagnostics", "on", "t1/orders"]).await;
    assert_eq!(laptop.json(&["diagnostics", "list"]).await[0]["integration"], "orders");
    assert_eq!(laptop.json(&["triggers", "list"]).await[0]["integration"], "orders");
    assert_eq!(laptop.json(&["schedules", "list"]).await, json!([]));
    assert_eq!(laptop.json(&["unreadable", "list"]).await, json!([]));
    let audit = laptop.json(&["audit", "list", "--action", "key"]).await;
    assert!(audit[0]["by"].as_str().unwrap().contains("ada"), "{audit}");
    let users = laptop.json(&["users", "list"]).await;
    assert_eq!(users[0]["grants"], json!({ "*": "administrator" }));

    let (code, text, error) = laptop.ends(&["top", "--once"]).await;
    assert_eq!(code, 0, "{error}");
    for part in ["THROUGHPUT", "QUEUES", "WORKERS", "LATEST EXECUTIONS", "t1/orders", "work.0", "no stock"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a pipe gets plain text");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_applied_compared_exported_and_taken_back_from_a_laptop() {
    let stack = Stack::new().await;
    let process = stack.start("dev").await;
    let laptop = Laptop::new(&stack, &process, "ada", &["developer@t1"]).await;
    let beside = "---\ntenant: t1\nconnection: erp\nhttp: { url: 'http://127.0.0.1:9', authentication: { bearer: { token: { env: ERP_TOKEN } } } }\n---\ntenant: t1\nalert: Stuck\nwhen: { halted: {} }\nsend: { webhook: { url: 'http://127.0.0.1:9' } }\n";
    let first = stack.named_file("first.yaml", &format!("{}{beside}", FAILS.trim_start()));
    let with_secret = async |arguments: &[&str]| {
        let output = laptop.prepare(arguments).env("ERP_TOKEN", "hunter2").output().await.unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, error) = laptop.ends(&["apply", &first, "--yes"]).await;
    assert!(code == 1 && error.contains("ERP_TOKEN is not set"), "{code} {error}");
    let (code, text, _) = laptop.ends(&["diff", &first]).await;
    assert!(code == 1 && text.contains("connection t1/erp  created") && text.contains("t1/orders  created"), "{code} {text}");
    let (code, text, error) = with_secret(&["apply", &first, "--yes"]).await;
    assert!(code == 0 && error.contains("applied: 3 created") && text.contains("t1/Stuck"), "{code} {text} {error}");
    assert_eq!(with_secret(&["diff", &first]).await, (0, String::new(), String::new()));
    let (code, text, error) = laptop.ends(&["diff", &first]).await;
    assert!(code == 1 && text.contains("not compared: ") && error.contains("1 connection could not be compared"), "{text} {error}");

    let second = stack.named_file("second.yaml", &FAILS.replace("no stock", "no price"));
    let (code, _, error) = laptop.ends(&["apply", &second]).await;
    assert!(code == 2 && error.contains("no stock") && error.contains("no price") && error.contains("--yes"), "{code} {error}");
    assert_eq!(laptop.json(&["apply", &second, "--yes"]).await[0]["version"], 2);
    let rolled = laptop.json(&["rollback", "t1/orders", "--yes"]).await;
    assert_eq!((&rolled["version"], &rolled["sameAs"]), (&json!(3), &json!(1)));
    assert_eq!(laptop.json(&["versions", "t1/orders"]).await.as_array().unwrap().len(), 3);
    assert_eq!(laptop.ends(&["export", "t1/orders"]).await.1, FAILS.trim_start());
    assert_eq!(laptop.json(&["connections", "list"]).await[0]["name"], "erp");
    assert_eq!(laptop.json(&["alerts", "list"]).await[0]["name"], "Stuck");
    let (code, _, error) = laptop.ends(&["alerts", "test", "t1/Stuck"]).await;
    assert!(code == 1 && error.contains("could not send the test notification"), "{code} {error}");
    assert_eq!(laptop.ends(&["alerts", "delete", "t1/Stuck"]).await.0, 0);
    let other = stack.named_file("other.yaml", &FAILS.replace("tenant: t1", "tenant: t2"));
    let (code, _, error) = laptop.ends(&["apply", &other, "--yes"]).await;
    assert!(code == 1 && error.contains("t2"), "of a tenant that it does not see: {code} {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_scripts_what_went_wrong() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let process = stack.start("dev").await;
    let nobody = Laptop::new(&stack, &process, "bob", &[]).await;
    let viewer = Laptop::new(&stack, &process, "eve", &["viewer@t1"]).await;
    let id = fail(&stack, &process, 1).await.remove(0);

    let (code, _, error) = nobody.ends(&["keys", "list", "--tenant", "t1"]).await;
    assert!(code == 1 && error.contains("does not exist"), "of a tenant that it does not see: {code} {error}");
    let (code, _, error) = nobody.ends(&["users", "list"]).await;
    assert!(code == 3 && error.contains("administrator"), "{code} {error}");
    let (code, _, error) = viewer.ends(&["executions", "retry", &id]).await;
    assert!(code == 3 && error.contains("operator"), "{code} {error}");
    let stranger = Laptop { url: viewer.url.clone(), token: "fbt_nonsense".to_owned() };
    let (code, _, error) = stranger.ends(&["keys", "list"]).await;
    assert!(code == 3 && error.contains("FOREBAY_API_TOKEN") && !error.contains("nonsense"), "{code} {error}");
    let (code, _, error) = Laptop { token: String::new(), ..stranger }.ends(&["keys", "list"]).await;
    assert!(code == 3 && error.contains("set FOREBAY_API_TOKEN"), "{code} {error}");

    let (code, _, error) = viewer.ends(&["triggers", "resume", "t2/nothing"]).await;
    assert_eq!(code, 1, "{error}");
    let away = Laptop { url: "http://127.0.0.1:1".to_owned(), token: viewer.token.clone() };
    let (code, _, error) = away.ends(&["keys", "list"]).await;
    assert!(code == 5 && error.contains("http://127.0.0.1:1"), "{code} {error}");
    let elsewhere = Laptop { url: process.url.clone(), token: viewer.token.clone() };
    let (code, _, error) = elsewhere.ends(&["keys", "list"]).await;
    assert!(code != 0 && !error.is_empty(), "the ingress is no console: {error}");
    assert_eq!(viewer.ends(&["keys", "lst"]).await.0, 2);
    let (code, _, error) = stack.command_ends_with(&["keys", "list"], &[("FOREBAY_DATABASE_URL", "postgres://a@127.0.0.1:1/b")]).await;
    assert_eq!(code, 5, "{error}");
}

#[tokio::test]
async fn a_database_without_its_tables_is_told_apart_from_one_that_is_away() {
    let stack = Stack::new().await;
    stack.sql("create schema bare").await;
    let bare = format!("{}?options=-csearch_path%3Dbare", stack.database_url());
    for verb in [["tenants", "list"], ["executions", "list"]] {
        let (code, _, error) = stack.command_ends_with(&verb, &[("FOREBAY_DATABASE_URL", &bare)]).await;
        assert!(code == 1 && error.contains("is not prepared") && error.contains("run `forebay migrate`"), "{code} {error}");
    }
    let (code, _, error) = stack.command_ends_with(&["tenants", "list"], &[("FOREBAY_DATABASE_URL", "postgres://x@127.0.0.1:1/y")]).await;
    assert!(code == 5 && error.contains("is not available"), "{code} {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_an_execution_as_it_ends() {
    let stack = Stack::new().await;
    stack.apply(FAILS).await;
    let process = stack.start("dev").await;
    let laptop = Laptop::new(&stack, &process, "ada", &["viewer"]).await;
    let mut tail = laptop.prepare(&["tail", "--tenant", "t1", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = tokio::sync::Mutex::new(BufReader::new(tail.stdout.take().unwrap()).lines());
    // Called repeatedly, since it is unknown when the tail has begun.
    let line = eventually("the tail shows an execution", || async {
        stack.post(&process, "/t1/orders", "{}").await;
        let mut lines = lines.lock().await;
        tokio::time::timeout(std::time::Duration::from_secs(2), lines.next_line()).await.ok()
    })
    .await;
    let line: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
    assert_eq!((&line["integration"], &line["status"]), (&json!("orders"), &json!("failed")));
    tail.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_search_counts_asks_and_keeps_the_order() {
    let stack = Stack::new().await;
    stack.apply(&FAILS.replace("authentication: none", "authentication: none, ordered: true")).await;
    let process = stack.start("dev").await;
    let laptop = Laptop::new(&stack, &process, "ada", &["operator"]).await;
    let ids = fail(&stack, &process, 3).await;
    let search = ["executions", "retry", "--integration", "orders", "--status", "failed"];
    let counted = laptop.json(&[&search[..], &["--dry-run"]].concat()).await;
    assert_eq!((&counted["found"], &counted["retried"]), (&json!(3), &json!(0)));
    let (code, _, error) = laptop.ends(&search).await;
    assert!(code == 2 && error.contains("3 executions") && error.contains("--yes"), "{code} {error}");

    stack.apply(&FAILS.replace("authentication: none", "authentication: none, ordered: true").replace("error(\"no stock\")", "1")).await;
    let done = laptop.json(&[&search[..], &["--yes", "--latest"]].concat()).await;
    assert_eq!((&done["retried"], &done["refused"]), (&json!(3), &json!([])));
    let mut ended = eventually("all have ended well", || async {
        let all = stack.executions("orders").await;
        all.iter().all(|one| one["status"] == "succeeded").then_some(all)
    })
    .await;
    ended.sort_by_key(|one| one["startedAt"].as_str().unwrap().to_owned());
    let order: Vec<&str> = ended.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(order, ids.iter().map(String::as_str).collect::<Vec<_>>());
    let waited = fail_again(&stack, &process, &laptop).await;
    assert_eq!(waited, 1, "an execution that fails again is told by the code");
}

/// Returns the exit code of a retry with `--wait` that fails again.
async fn fail_again(stack: &Stack, process: &Process, laptop: &Laptop) -> i32 {
    stack.apply(&FAILS.replace("name: orders", "name: broken")).await;
    let id = eventually("the other one is known", || async {
        let answer = stack.post(process, "/t1/broken", "{}").await;
        (answer.status == 202).then(|| answer.json()["executionId"].as_str().unwrap().to_owned())
    })
    .await;
    stack.ended("broken", 1).await;
    laptop.ends(&["executions", "retry", &id, "--wait"]).await.0
}

#[tokio::test]
async fn completions_are_right_for_each_shell() {
    for (shell, check) in [("bash", Some("bash")), ("zsh", None), ("fish", None)] {
        let output = tokio::process::Command::new(forebay_tests::command_path()).args(["completions", shell]).output().await.unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["executions", "tail", "completions", "api-url"] {
            assert!(script.contains(word), "{word} is not in that of {shell}");
        }
        let file = std::env::temp_dir().join(format!("forebay-{}.{shell}", std::process::id()));
        std::fs::write(&file, &script).unwrap();
        // Shells that are not on this machine cannot be tested.
        let checked = tokio::process::Command::new(check.unwrap_or(shell)).arg("-n").arg(&file).output().await;
        std::fs::remove_file(&file).unwrap();
        match checked {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr)),
            Err(_) => assert_ne!(shell, "bash"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn former_names_of_settings_work_with_a_warning() {
    let stack = Stack::new().await;
    let process = stack.start_with("scheduler", &[("FOREBAY_LANES", "1")]).await;
    let log = stack.log_of("scheduler");
    let warning = "use FOREBAY_SHARED_QUEUES (--shared-queues) instead of FOREBAY_LANES (--lanes)";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    let management = process.admin_address();
    let (code, output, error) = stack.command_ends(&["health", "--admin-listen", management]).await;
    assert_eq!(code, 0, "{output}{error}");
    let (code, _, error) = stack.command_ends_with(&["installation", "show"], &[("FOREBAY_LANES", "2")]).await;
    assert!(code == 2 && error.contains("FOREBAY_SHARED_QUEUES is set too, with another value: remove FOREBAY_LANES"), "{code} {error}");
}
