//! The commands of the first pages, as a newcomer types them after `scripts/run` in a new shell.

use forebay_tests::{Stack, command_path, eventually};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The commands of a page's part in order: its indented code blocks. Blocks between fences are output.
fn blocks(page: &str, heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
    let start = format!("{heading}\n");
    let part = text.split("\n## ").find(|part| part.starts_with(&start)).unwrap_or_else(|| panic!("{page} has no part {heading}"));
    let (mut blocks, mut block) = (Vec::new(), String::new());
    for line in part.lines().skip(1) {
        match line.strip_prefix("    ") {
            Some(code) => block.push_str(&format!("{}\n", code.trim_end())),
            None if block.is_empty() => {}
            None => blocks.push(std::mem::take(&mut block)),
        }
    }
    blocks.extend((!block.is_empty()).then_some(block));
    blocks
}

/// A folder like the checkout of a newcomer, and the steps of `scripts/run` after its services are started.
struct Checkout {
    folder: PathBuf,
}

impl Checkout {
    fn new(ingress: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("readme-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(folder.join("examples")).unwrap();
        std::fs::create_dir_all(folder.join(".forebay")).unwrap();
        symlink(format!("{ROOT}/scripts"), folder.join("scripts")).unwrap();
        for entry in std::fs::read_dir(format!("{ROOT}/examples")).unwrap() {
            let entry = entry.unwrap();
            // The examples use the default port of the ingress, which tests must not use.
            let text = std::fs::read_to_string(entry.path()).unwrap().replace("127.0.0.1:8080", ingress);
            std::fs::write(folder.join("examples").join(entry.file_name()), text).unwrap();
        }
        Self { folder }
    }

    /// Runs functions of `scripts/parts/quick_start.sh` as `scripts/run` does.
    async fn prepare(&self, functions: &str, settings: &[(&str, &str)]) -> String {
        let script = format!(
            "set -euo pipefail\nsource '{ROOT}/scripts/parts/prelude.sh'\nstate=$PWD/.forebay\n\
             source '{ROOT}/scripts/parts/quick_start.sh'\nforebay='{}'\n{functions}",
            command_path()
        );
        let mut command = self.shell(&script);
        command.envs(settings.iter().copied());
        ended(&mut command, functions).await
    }

    /// Returns a shell without the environment of the test.
    fn shell(&self, script: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("bash");
        let passed_on = ["PATH", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(passed_on).env("HOME", &self.folder).current_dir(&self.folder);
        command.args(["-c", script]).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn types(&self, block: &str) -> String {
        ended(&mut self.shell(&format!("set -euo pipefail\n{block}")), block).await
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn ended(command: &mut tokio::process::Command, what: &str) -> String {
    let output = command.output().await.unwrap();
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}\n{}\n{text}\n{error}", output.status);
    text.into_owned()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_work_as_they_are_typed() {
    let stack = Stack::new().await;
    let process = stack.start_with("dev", &[("FOREBAY_PRIVATE_ADDRESSES", "allow")]).await;
    let checkout = Checkout::new(process.address());
    let (console, broker) = (process.console.trim_start_matches("http://"), stack.broker_url());
    let settings = [
        ("FOREBAY_DATABASE_URL", stack.database_url()),
        ("FOREBAY_QUEUE_PREFIX", stack.queue_prefix()),
        ("FOREBAY_AMQP_URL", &broker),
        ("FOREBAY_SHARED_QUEUES", "1"),
        ("FOREBAY_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("FOREBAY_HTTP_LISTEN", process.address()),
        ("FOREBAY_CONSOLE_LISTEN", console),
        ("FOREBAY_MANAGEMENT_LISTEN", "127.0.0.1:9464"),
    ];
    let all = "create_developer; load_examples; create_token; write_shell_file; print_next";
    let output = checkout.prepare(all, &settings).await;
    let token = checkout.folder.join(".forebay/api-token");
    assert!(output.contains(&format!("FOREBAY_API_URL={}", process.console)) && output.contains(token.to_str().unwrap()), "{output}");
    assert_eq!((mode(&token), mode(&checkout.folder.join(".forebay/developer-password"))), (0o600, 0o600));
    let first = std::fs::read_to_string(&token).unwrap();
    checkout.prepare(all, &settings).await;
    assert_eq!(std::fs::read_to_string(&token).unwrap(), first, "a second run keeps the token that works");
    std::fs::write(&token, "of another database").unwrap();
    checkout.prepare(all, &settings).await;
    assert_ne!(std::fs::read_to_string(&token).unwrap(), "of another database", "a token that does not work is made anew");

    let mut typed = 0;
    let mut blocks_of_start = blocks("README.md", "A first webhook");
    assert_eq!(blocks_of_start.remove(0).trim(), "scripts/run");
    let answer = checkout.types(&blocks_of_start.remove(0)).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let listed = eventually("the first call has ended", || async {
        let listed = checkout.types("source .forebay/shell; forebay executions list").await;
        listed.contains("succeeded").then_some(listed)
    })
    .await;
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let of_examples = ["# Examples", "Try them"].map(|heading| blocks("examples/README.md", heading)).concat();
    for block in blocks_of_start.iter().chain(&of_examples) {
        // The terminal has loaded the file already; an id is typed as the list shows it.
        checkout.types(&format!("source .forebay/shell\n{}", block.replace(" ID\n", &format!(" {id}\n")))).await;
        typed += 1;
    }
    assert!(typed >= 7, "{typed} blocks of the pages were typed");
    eventually("the run of the page's schedule is recorded", || async {
        let runs = stack.executions("NightlyReport").await;
        runs.iter().any(|run| run["status"] == "succeeded").then_some(())
    })
    .await;

    let laptop = blocks("docs/command.md", "From another machine").remove(0);
    std::fs::copy(&token, checkout.folder.join(".forebay-token")).unwrap();
    let folder = Path::new(&command_path()).parent().unwrap().display().to_string();
    checkout.types(&format!("PATH={folder}:$PATH\n{}", laptop.replace("https://console.example", &process.console))).await;
}
