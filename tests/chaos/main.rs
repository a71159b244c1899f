//! Load and faults against real processes, a real broker and a real database, and a checker that reads every call and every effect.
//!
//! `scripts/chaos` builds the command and runs this; docs/chaos.md has the rules and how to read the report.

#![allow(clippy::print_stdout, reason = "a program for people: its report is its output")]

mod caller;
mod checker;
mod definitions;
mod effects;
mod events;
mod faults;
mod history;
mod installation;
mod journal;
mod load;
mod noise;
mod random;
mod report;
mod schedule;
mod settings;

use crate::caller::Caller;
use crate::checker::check;
use crate::effects::Effects;
use crate::faults::UnderTest;
use crate::installation::Installation;
use crate::journal::Journal;
use crate::random::Random;
use crate::settings::Settings;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{}", settings::USAGE);
        return ExitCode::SUCCESS;
    }
    let settings = match settings::parse(arguments) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("chaos: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&settings).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether the run ended as it should: without a violation, or with an expected one.
async fn run(settings: &Settings) -> Result<bool, String> {
    println!("seed {}, {} s, {} workers", settings.seed, settings.time.as_secs(), settings.workers);
    let mut random = Random::new(settings.seed);
    let journal = Arc::new(Journal::new());
    let effects =
        Effects::start(journal.clone()).await.map_err(|error| format!("the effect server cannot listen on 127.0.0.1: {error}"))?;
    let installation = Installation::start(settings.workers, &definitions::definitions(&effects.url)).await?;
    let caller = Caller::new(installation.stack.http.clone(), &installation.balancer.url, journal.clone());
    let under_test = UnderTest { installation, effects, caller };
    load::start(&under_test.caller, &mut random);
    let course = schedule::run(&settings.events, &under_test, settings.time, &stopped_by_signal(), random.fork()).await;
    under_test.caller.stop();
    course?;

    eprintln!("{:>5} s  draining", journal.now() / 1_000_000);
    journal.all_answered().await;
    under_test.installation.all_drained(|| journal.unfinished()).await;
    let mut history = journal.history();
    history.executions = under_test.installation.executions().await;
    let violations = check(&history);
    println!("{}", report::report(&history, &violations));
    let is_expected = settings.expected.is_empty() == violations.is_empty()
        && (violations.is_empty() || violations.iter().any(|violation| settings.expected.contains(&violation.rule)));
    if !violations.is_empty() {
        let logs = under_test.installation.save_logs(&format!("forebay-chaos-{}-{}", settings.seed, std::process::id()));
        println!("logs of the processes: {}", logs.map_err(|error| format!("the logs cannot be saved: {error}"))?.display());
    }
    under_test.installation.end().await;
    println!("{}: seed {}", if is_expected { "passed" } else { "FAILED" }, settings.seed);
    Ok(is_expected)
}

/// A mark that is set at the first signal to end: the fault under way is undone, and what happened so far is checked.
fn stopped_by_signal() -> Arc<AtomicBool> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let mark = is_stopped.clone();
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signals) => _ = signals.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupted => {}
            () = terminated => {}
        }
        mark.store(true, Ordering::Relaxed);
    });
    is_stopped
}
