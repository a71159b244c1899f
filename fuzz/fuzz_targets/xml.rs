//! Any text as XML: text that the ingress accepts can be read, and is unchanged after writing and reading.
#![no_main]

use forebay_contract::body::{Reading, check_body};
use forebay_fairness::CountingAllocator;
use forebay_mapping::{Limits, Mapping, MappingError, Value};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

#[allow(clippy::unwrap_used)]
static READ: LazyLock<Mapping> = LazyLock::new(|| Mapping::compile("from_xml").unwrap());
#[allow(clippy::unwrap_used)]
static ROUND: LazyLock<Mapping> = LazyLock::new(|| Mapping::compile("from_xml as $x | $x | to_xml | from_xml | . == $x").unwrap());

fuzz_target!(|text: &str| {
    // The check removes a byte order mark, which belongs to the charset.
    let text = text.trim_start_matches('\u{feff}');
    let limits = Limits { time: std::time::Duration::from_secs(5), ..Limits::inline() };
    let input = Value::string(text);
    let is_accepted = !text.is_empty() && check_body(Reading::as_sent(usize::MAX), Some("text/xml; charset=utf-8"), None, text.as_bytes()).is_ok();
    match READ.run(&input, &limits) {
        Ok(_) => assert!(is_accepted, "read, but not accepted"),
        Err(MappingError::Failed { message }) => assert!(!is_accepted, "accepted, but not read: {message}"),
        Err(error) => panic!("{error}"),
    }
    if is_accepted {
        let is_unchanged = ROUND.run(&input, &limits).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(is_unchanged.as_bool(), Some(true));
    }
});
