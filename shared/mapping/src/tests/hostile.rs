//! Programs that try to stop the process, and some harmless ones.

use super::*;
use crate::{metered, tick};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::time::Instant;

/// Maximum time that a run may continue after its deadline, in a debug build.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a program as a slow thread does, with less time, and returns its error.
fn stopped(program: &str, memory: usize, stack: usize) -> MappingError {
    let source = program.to_string();
    let limits = Limits { time: Duration::from_millis(700), memory, stack, ..Limits::default() };
    let work = move || {
        let mapping = Mapping::compile(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        mapping.run(&json(r#"{"a": [1, 2], "text": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#), &limits)
    };
    let (result, took) = on_a_mapping_thread(|| timed(work));
    assert!(took < Duration::from_millis(700) + GRACE, "{program} took {took:?}");
    match result {
        Err(error) => error,
        Ok(_) => panic!("{program} must be stopped"),
    }
}

const ENDLESS: &[&str] = &[
    "def f: f; f",
    "def f: 1 + f; f",
    "def f: [f]; f",
    "def f(g): f(g | g); f(.)",
    "def f: try f catch f; f",
    "last(range(1e12))",
    "[range(1e12)]",
    "reduce range(1e12) as $i (0; . + 1)",
    "reduce range(1e12) as $i (\"\"; . + \"xxxxxxxxxxxxxxxx\")",
    "reduce range(1e9) as $i ([]; [.])",
    "reduce range(1e9) as $i ([]; . + [$i])",
    "reduce range(100) as $i ([1]; . + .) | length",
    "reduce range(100) as $i ({}; {a: ., b: .})| tojson",
    "\"x\" * 1e9",
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" * 1e9 | length",
    "last(repeat(1))",
    "[recurse(.)] | length",
    "last(recurse([.]))",
    "[limit(1e12; repeat(1))] | length",
    "[paths(..)] | until(false; .)",
    ".a[1e9] = 1",
    "try (def f: 1 + f; f) catch 1 | last(repeat(.))",
    "last(label $out | repeat(1))",
    "[range(30)] | combinations(9) | select(false)",
    "path(def f: .a | f; f)",
    "path(last(recurse(.a)))",
    "null | setpath([range(1e6)]; 1)",
    "last(range(1e12) | tojson | fromjson)",
    "last(repeat(\"a\" | test(\"(a|b)*c\")))",
    "[range(200000)] | last(repeat(sort))",
    "last(repeat([range(1000)] | group_by(. % 7)))",
    "while(true; . + 1) | select(false)",
    "reduce range(1e9) as $i (1; . * 123456789123456789)",
    "[splits(\"a\"; \"a\")] | last(repeat(.))",
    "reduce range(40) as $i (\"a\"; . + .) | ltrimstr(\"a\")",
    "(\"a\" * 1000000) | test(\"(a?){30}(a?){30}(a?){30}b\")",
    "[range(1e7)] | map(tostring) | join(\",\") | explode | implode | last(repeat(.))",
    "reduce range(2e4) as $i (.; .[\"k\\($i)\"] = $i) | last(repeat(to_entries | from_entries))",
    "reduce range(30) as $i (\"ab\"; . + .) | gsub(\"a\"; \"bbbbbbbbbbbbbbbbbbbb\")",
    "reduce range(28) as $i (\"ab\"; . + .) | [indices(\"a\")] | last(repeat(.))",
    "reduce range(60) as $i ([1]; [., .]) | walk(.)",
    "reduce range(60) as $i ([1]; [., .]) | flatten",
    "reduce range(60) as $i ([1]; [., .]) | . == (reduce range(60) as $i ([1]; [., .]))",
    "reduce range(60) as $i ([1]; [., .]) | [leaf_paths]",
    "reduce range(26) as $i (\"ab\"; . + .) | last(repeat(@uri, @base64, @html))",
    "reduce range(60) as $i (7; . * .) | tostring | last(repeat(.))",
    "limit(1e18; range(1e18)) | select(. < 0)",
];

#[test]
fn nothing_runs_on_for_ever_or_stops_the_process() {
    for program in ENDLESS {
        let error = stopped(program, 64 << 20, STACK_BYTES / 4);
        assert!(!matches!(error, MappingError::Internal { .. }), "{program}: {error}");
    }
}

#[test]
fn nor_within_the_bounds_of_a_first_try_on_a_small_stack() {
    for program in ENDLESS {
        let mapping = Mapping::compile(program).unwrap_or_else(|error| panic!("{program}: {error}"));
        let work = move || mapping.run(&json("{}"), &Limits::inline()).map(|_| ());
        let (result, took) = on_a_stack_of(2 * 1024 * 1024, || timed(work));
        assert!(result.is_err(), "{program}");
        assert!(took < GRACE, "{program} took {took:?}");
    }
}

#[test]
fn the_limit_that_was_reached_is_told() {
    let full = STACK_BYTES / 4;
    assert!(matches!(stopped("last(range(1e12))", 64 << 20, full), MappingError::Time { .. }));
    assert!(matches!(stopped("\"x\" * 1e9", 64 << 20, full), MappingError::Memory { .. }));
    assert!(matches!(stopped("[range(1e12)]", 4 << 20, full), MappingError::Memory { .. }));
    assert!(matches!(stopped("def f: 1 + f; f", 1 << 30, full), MappingError::Stack));
    assert!(matches!(stopped("reduce range(1e9) as $i ([]; [.])", 1 << 30, full), MappingError::Depth { .. }));
}

#[test]
fn time_in_which_the_thread_does_not_run_is_not_counted() {
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let result = metered(&limits, || {
        tick(10_000);
        std::thread::sleep(limits.time * 3);
        tick(10_000);
        Ok(())
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn the_deadline_counts_whatever_the_thread_does() {
    let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(50)), ..Limits::default() };
    let error = Mapping::compile("last(range(1e12))").unwrap().run(&Value::NULL, &limits).unwrap_err();
    assert_eq!(error, MappingError::Deadline);
}

#[test]
fn a_run_ends_when_it_is_cancelled() {
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { time: Duration::from_secs(60), cancel: Some(cancel.clone()), ..Limits::default() };
    let mapping = Mapping::compile("last(repeat(1))").unwrap();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || mapping.run(&Value::NULL, &limits).err());
    cancel.store(true, Ordering::Relaxed);
    assert_eq!(thread.unwrap().join().unwrap(), Some(MappingError::Cancelled));
}

#[test]
fn hostile_sources_and_bodies_are_refused() {
    let deep = |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let sources = [
        deep("[", "]", 20_000),
        deep("(", ")", 20_000),
        deep("{a:", "}", 15_000),
        deep("\"\\(", ")\"", 10_000),
        format!("1{}", " + 1".repeat(16_000)),
        "if 1 then ".repeat(5000),
        "def f: ".repeat(5000),
        "-".repeat(60_000),
        "reduce ".repeat(8000),
        " ".repeat(MAX),
    ];
    for source in sources {
        assert!(Mapping::compile(&source).is_err(), "{:.40}", source);
    }
    assert!(parse_json(deep("[", "]", 100_000).as_bytes()).is_err());
    assert!(parse_json(deep("[", "]", 1000).as_bytes()).is_ok());
}

const MAX: usize = super::super::MAX_SOURCE_BYTES + 1;

#[test]
fn the_process_and_its_environment_are_out_of_reach() {
    for source in ["env", "$ENV", "input", "inputs", "halt", "halt_error", "debug", "stderr", "import \"a\" as a; 1", "include \"a\"; 1"] {
        assert!(Mapping::compile(source).is_err(), "{source}");
    }
}

#[test]
fn ordinary_programs_give_what_jq_gives() {
    let input = r#"{"a": [3, 1, 2], "n": 9007199254740993, "text": "x-y-z", "o": {"k": null}}"#;
    let cases = [
        (".a | sort", "[1,2,3]"),
        (".a | map(. * 2) | add", "12"),
        (".n", "9007199254740993"),
        (".text | split(\"-\")", r#"["x","y","z"]"#),
        (".text | gsub(\"-\"; \"+\")", r#""x+y+z""#),
        (".text | test(\"^x\")", "true"),
        (".o.k // \"default\"", r#""default""#),
        ("{b: .a[0], (.text): 1}", r#"{"b":3,"x-y-z":1}"#),
        (".o | to_entries", r#"[{"key":"k","value":null}]"#),
        (".a[1] = 5 | .a", "[3,5,2]"),
        ("del(.a) | keys", r#"["n","o","text"]"#),
        ("[paths] | length", "8"),
        ("[.a[] | select(. > 1)]", "[3,2]"),
        ("try error(\"x\") catch .", r#""x""#),
        ("\"\\(.a | length) items\"", r#""3 items""#),
        ("reduce .a[] as $x (0; . + $x)", "6"),
        ("\"ab\" * 2", r#""abab""#),
        ("@base64 \"\\(.text)\"", r#""eC15LXo=""#),
        ("1700000000 | todate", r#""2023-11-14T22:13:20Z""#),
        ("if .a == [3,1,2] then 1 else 2 end", "1"),
        (".missing", "null"),
    ];
    for (program, expected) in cases {
        assert_eq!(run(program, input).as_deref(), Ok(expected), "{program}");
    }
    assert!(forebay_fairness::memory_is_counted());
}
