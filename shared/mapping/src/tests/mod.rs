//! Tests of the module as a whole.

mod hostile;
mod hostile_formats;
mod hostile_sources;
mod hostile_values;
mod integration;
mod language;
mod located;
mod templates;
mod values;

use forebay_fairness::thread_time;
use std::time::Duration;

use super::{CompileError, Encoding, Limits, Mapping, MappingError, STACK_BYTES, Template, Value, parse_json, to_json};
use forebay_fairness::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// Runs `work` on a thread with the documented stack.
fn on_a_mapping_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    on_a_stack_of(STACK_BYTES, work)
}

fn on_a_stack_of<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

/// Returns the result of `work`, and the processor time that this thread spent on it.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = thread_time();
    let result = work();
    (result, thread_time().saturating_sub(before))
}

fn json(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap()
}

fn compiled(program: &str) -> Mapping {
    Mapping::compile(program).unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn run(program: &str, input: &str) -> Result<String, MappingError> {
    let output = compiled(program).run(&json(input), &Limits::default())?;
    Ok(String::from_utf8(to_json(&output)).unwrap())
}

fn compile_error(program: &str) -> CompileError {
    Mapping::compile(program).err().unwrap_or_else(|| panic!("{program} must not compile"))
}
