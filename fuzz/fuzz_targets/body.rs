//! Any bytes as a body of each Content-Type: accepted, or refused with a reason. Any text as a Content-Type: its written form is stable.
#![no_main]

use forebay_contract::body::{MediaType, Parts, Reading, check_body};
use libfuzzer_sys::fuzz_target;

const CONTENT_TYPES: [&str; 9] = [
    "application/json",
    "application/xml",
    "text/xml; charset=utf-16",
    "text/csv; header=absent",
    "text/plain; charset=windows-1252",
    "text/plain; charset=shift_jis",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=X",
    "application/octet-stream",
];

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (choice, is_gzip, body) = input;
    let content_type = CONTENT_TYPES[usize::from(choice) % CONTENT_TYPES.len()];
    if let Err(error) = check_body(Reading::as_sent(1 << 20), Some(content_type), is_gzip.then_some("gzip"), body) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(text) = std::str::from_utf8(body)
        && let Some(read) = MediaType::parse(text)
    {
        let written = read.to_string();
        assert_eq!(MediaType::parse(&written).map(|again| again.to_string()), Some(written));
    }
    if content_type.starts_with("multipart") {
        // Parts never overlap, so they are not more than the body.
        let bytes: usize = Parts::new(body, "X").flatten().map(|part| part.bytes.len()).sum();
        assert!(bytes <= body.len());
    }
});
