//! The standard error of a real process: this file runs itself as that process.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use forebay_runtime::settings::Settings;
use forebay_runtime::telemetry::{self, Traces};
use tracing::level_filters::LevelFilter;

/// The process that the test below starts; not a test of its own.
#[tokio::test]
#[ignore = "started by the other test of this file"]
async fn process_that_logs() {
    let Ok(format) = std::env::var("LOGGING_PROCESS_FORMAT") else { return };
    let settings = Settings::read(|name| match name {
        "FOREBAY_LOG" => Some("warn".to_owned()),
        "FOREBAY_LOG_FORMAT" => Some(format.clone()),
        _ => None,
    })
    .unwrap();
    let telemetry = telemetry::init(&settings, "forebay-log-test").unwrap();
    assert_eq!(telemetry.traces(), Traces::HandedOn);
    assert_eq!(LevelFilter::current(), LevelFilter::WARN, "without an exporter nothing below the log's level costs anything");
    assert!(tracing::info_span!("unseen").is_disabled());
    tracing::warn_span!("execution", execution.id = "e1").in_scope(|| {
        tracing::info!("below the level");
        // Its client of AMQP logs returned messages like this.
        tracing::warn!(target: "lapin::returned_messages", message = "BasicReturnMessage { secret }");
        let message = "queue is long";
        let forged = "x\n2026-01-01T00:00:00Z  INFO forged";
        tracing::warn!(queue.name = "work.0", queue.length = 7, caller = %forged, "{message}");
    });
    telemetry.shutdown().await;
}

fn standard_error(format: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "process_that_logs"])
        .env("LOGGING_PROCESS_FORMAT", format)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn an_event_is_one_line_with_dotted_fields_in_either_form() {
    let text = standard_error("text");
    assert!(text.contains(r"caller=x\n2026-01-01T00:00:00Z  INFO forged"), "{text}");
    assert!(text.contains("queue is long queue.name=\"work.0\" queue.length=7"), "{text}");
    assert!(!text.contains('\x1b'), "no colours unless a person looks: {text}");

    let event: serde_json::Value = serde_json::from_str(&standard_error("json")).unwrap();
    assert_eq!(event["level"], "WARN");
    assert_eq!(event["message"], "queue is long");
    assert_eq!(event["queue.name"], "work.0");
    assert_eq!(event["queue.length"], 7);
    assert_eq!(event["span"]["execution.id"], "e1");
}
