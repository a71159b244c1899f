//! Any text as CSV: text that the ingress accepts can be read, and rows are unchanged after writing and reading.
#![no_main]

use forebay_contract::body::{Reading, check_body};
use forebay_fairness::CountingAllocator;
use forebay_mapping::{Limits, Mapping, MappingError, Value};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

// Fields that a row lacks are empty after a round trip, so the second round trip is compared with the first.
const PROGRAM: &str = r#"
def round($header): to_csv({$header}) | from_csv({separator: ",", $header});
def same($header): from_csv({$header}) | round($header) as $once | $once | round($header) == $once;
same(true) and same(false)"#;

#[allow(clippy::unwrap_used)]
static SAME: LazyLock<Mapping> = LazyLock::new(|| Mapping::compile(PROGRAM).unwrap());

fuzz_target!(|text: &str| {
    let text = text.trim_start_matches('\u{feff}');
    let limits = Limits { time: std::time::Duration::from_secs(5), ..Limits::inline() };
    let is_accepted = check_body(Reading::as_sent(usize::MAX), Some("text/csv"), None, text.as_bytes()).is_ok();
    match SAME.run(&Value::string(text), &limits) {
        Ok(same) => assert!(is_accepted && same.as_bool() == Some(true), "accepted: {is_accepted}, the same: {same}"),
        Err(MappingError::Failed { message }) => assert!(!is_accepted, "accepted, but: {message}"),
        // Every row has every column of the header, so a small text can be a large table, which the memory limit refuses.
        Err(MappingError::Memory { .. }) => {}
        Err(error) => panic!("{error}"),
    }
});
