//! Any bytes from the broker on the publishing connection: every message that waits for its confirm gets a result.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    assert_eq!(forebay_broker::every_message_is_resolved(bytes, usize::from(piece)).ok(), Some(true));
});
