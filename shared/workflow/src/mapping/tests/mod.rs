//! Tests of the module as a whole.

mod hostile;

use super::{CountingAllocator, Limits, Mapping, MappingError, STACK_BYTES, Value, parse_json, to_json};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// Runs `work` on a thread with the documented stack.
fn on_a_mapping_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

fn json(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap()
}

fn run(program: &str, input: &str) -> Result<String, MappingError> {
    let mapping = Mapping::compile(program).unwrap_or_else(|error| panic!("{program}: {error}"));
    let output = mapping.run(&json(input), &Limits::default())?;
    Ok(String::from_utf8(to_json(&output)).unwrap())
}
