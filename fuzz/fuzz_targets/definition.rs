//! Any text as a file of definitions: it is read or refused, and each read definition compiles or is refused.
#![no_main]

use forebay_contract::definition::{Definition, documents};
use forebay_workflow::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(documents) = documents(text) else { return };
    for document in documents {
        match Definition::from_value(&document) {
            Ok(definition) => drop(Program::compile(std::sync::Arc::new(definition))),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
