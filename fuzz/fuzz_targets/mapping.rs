//! Any text as a mapping: it compiles or is refused, and runs to a value, an error or a limit, in time.
#![no_main]

use forebay_fairness::CountingAllocator;
use forebay_mapping::{Limits, Mapping, MappingError, parse_json, to_json};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const INPUT: &str = r#"{"body":{"a":[3,1,2],"t":"x-y 2026-03-01","n":null,"x":"<a b='1'><c/>t</a>","o":{"k":1.5}},"rows":[{"k":"a","v":1},{"k":"b","v":2}]}"#;

fuzz_target!(|program: &str| {
    let Ok(mapping) = Mapping::compile(program) else { return };
    #[allow(clippy::unwrap_used)]
    let input = parse_json(INPUT.as_bytes()).unwrap();
    let limits = Limits { time: Duration::from_millis(50), ..Limits::inline() };
    let started = Instant::now();
    let result = mapping.run(&input, &limits);
    assert!(started.elapsed() < Duration::from_secs(2), "it took {:?}", started.elapsed());
    match result {
        Ok(value) => assert!(parse_json(&to_json(&value)).is_ok(), "the output is not JSON"),
        Err(MappingError::Internal { message }) => panic!("{message}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
