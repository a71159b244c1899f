//! Signals to a real process: this file runs itself as the process that is signalled.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use forebay_runtime::shutdown::Shutdown;

/// The process that the tests below start and signal; not a test of its own.
#[tokio::test]
#[ignore = "started by the other tests of this file"]
async fn process_that_is_signalled() {
    let Ok(drains) = std::env::var("SIGNALLED_PROCESS_DRAINS") else { return };
    let shutdown = Shutdown::on_signals(Duration::from_secs(600)).unwrap();
    eprintln!("LISTENING");
    shutdown.wait().await;
    eprintln!("DRAINING");
    if drains == "for ever" {
        std::future::pending::<()>().await;
    }
}

struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Process {
    fn start(drains: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "process_that_is_signalled"])
            .env("SIGNALLED_PROCESS_DRAINS", drains)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.wait_for("LISTENING");
        process
    }

    fn wait_for(&mut self, text: &str) {
        let found = self.lines.by_ref().any(|line| line.unwrap().contains(text));
        assert!(found, "the process ended without {text}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let _ = self.lines.by_ref().count();
        status
    }
}

#[test]
fn either_signal_starts_an_orderly_end() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start("at once");
        process.signal(signal);
        process.wait_for("DRAINING");
        let status = process.end();
        assert!(status.success(), "{signal}: {status} {:?}", status.signal());
    }
}

#[test]
fn a_second_signal_ends_a_process_that_drains_for_too_long() {
    for second in ["TERM", "INT"] {
        let mut process = Process::start("for ever");
        process.signal("TERM");
        process.wait_for("DRAINING");
        process.signal(second);
        assert_eq!(process.end().code(), Some(130));
    }
}
