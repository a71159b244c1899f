//! Panics become events. The hook is that of the whole process: hence one test in this file.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_logged_with_its_place_and_without_what_it_quotes() {
    let metrics = forebay_runtime::metrics::install().unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    forebay_runtime::panics::log_panics();

    let plain = std::thread::Builder::new().name("plain".to_owned()).spawn(|| panic!("the queue is gone")).unwrap();
    plain.join().unwrap_err();
    let payload: Result<(), String> = std::hint::black_box(Err("hunter2".to_owned()));
    std::thread::spawn(move || payload.unwrap()).join().unwrap_err();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2, "{text}");
    assert_eq!(events[0]["level"], "ERROR");
    assert_eq!(events[0]["panic.message"], "the queue is gone");
    assert_eq!(events[0]["panic.thread"], "plain");
    assert!(events[0]["panic.location"].as_str().unwrap().contains("tests/panics.rs:"), "{text}");
    assert!(events[1]["panic.location"].as_str().unwrap().contains("tests/panics.rs:"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(metrics.render().contains("forebay_panics_total 2"), "{}", metrics.render());
}
