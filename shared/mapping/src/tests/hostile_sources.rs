//! Sources that try to stop the compiler, or whose compiled form tries to stop the interpreter.

use super::*;
use std::time::Duration;

/// Compiles a source, and runs it on a small stack if it compiles; neither may stop the process, or take long.
fn try_it(name: &str, source: String) {
    let (mapping, took) = timed(|| Mapping::compile(&source));
    assert!(took < Duration::from_secs(5), "{name} took {took:?} to compile");
    if let Ok(mapping) = mapping {
        let limits = Limits { time: Duration::from_millis(300), ..Limits::inline() };
        let _ = on_a_stack_of(2 * 1024 * 1024, move || mapping.run(&json(r#"{"a":[1]}"#), &limits));
    }
}

#[test]
fn whatever_is_repeated_the_process_lives() {
    let repeated = [
        "(",
        "[",
        "{",
        "{a:",
        "\"\\(",
        "-",
        "try ",
        "if . then ",
        "def f: ",
        "def f(g): ",
        "reduce ",
        "reduce . as $x (",
        "foreach ",
        "label $x | ",
        ". as $x | ",
        ". as [$x] | ",
        ". as {a: $x} | ",
        ". as [",
        ".|",
        ".,",
        ".+",
        ".a",
        ".[0]",
        ".[]",
        ".a?",
        "?",
        "..",
        ".a.",
        "1//",
        ".=",
        ".|=",
        "1 and ",
        "1 or ",
        "not|",
        "f(",
        "f(.;",
        "\"",
        "\\",
        "#",
        "$x",
        "@base64 ",
        "@base64 \"x\" ",
        "elif 1 then ",
        "else ",
        "end ",
        "}",
        "]",
        ")",
        ";",
        "a::",
        "$__loc__,",
        "1e",
        "\u{fe0f}",
        "é",
        "9",
        "[.[",
        "{\"a\\(",
        "import ",
        "{$x,",
        ".[1:",
        "try error catch ",
        "-(",
        "[][",
        "{}|",
    ];
    for part in repeated {
        for count in [50, 200, 900, 4000, 60_000 / part.len()] {
            let tail = |end: &str| format!("{}{end}", part.repeat(count));
            try_it(part, tail(""));
            try_it(part, tail("."));
            let closing: String = part
                .chars()
                .rev()
                .filter_map(|open| {
                    Some(match open {
                        '(' => ')',
                        '[' => ']',
                        '{' => '}',
                        '"' => '"',
                        _ => return None,
                    })
                })
                .collect();
            try_it(part, format!("{}.{}", part.repeat(count), closing.repeat(count)));
        }
    }
}

#[test]
fn long_lists_of_everything_compile_or_are_refused() {
    let list = |count: usize, separator: &str, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<Vec<_>>().join(separator);
    let sources = [
        ("variables of a pattern", format!(". as [{}] | 1", list(5000, ",", &|n| format!("$v{n}")))),
        ("few variables of a pattern", format!(". as [{}] | $v1", list(450, ",", &|n| format!("$v{n}")))),
        ("arguments", format!("def f({}): 1; f({})", list(3000, ";", &|n| format!("a{n}")), list(3000, ";", &|_| ".".to_string()))),
        (
            "values as arguments",
            format!("def f({}): 1; f({})", list(32, ";", &|n| format!("$a{n}")), list(32, ";", &|_| "(1,2)".to_string())),
        ),
        ("definitions", list(5000, " ", &|n| format!("def f{n}: 1;")) + " f1"),
        ("definitions that build on one another", list(1500, " ", &|n| format!("def f{n}: f{};", n.saturating_sub(1))) + " f1499"),
        ("branches", format!("if . == 0 then 0 {} end", list(900, " ", &|n| format!("elif . == {n} then {n}")))),
        ("members", format!("{{{}}}", list(6000, ",", &|n| format!("k{n}:{n}")))),
        ("calculated members", format!("{{{}}}", list(1000, ",", &|n| format!("\"k\\({n})\"")))),
        ("calls", list(2000, ",", &|_| "map(select(.))".to_string())),
        ("a long name", "a".repeat(60_000)),
        ("a long number", "9".repeat(60_000)),
        ("a long string", format!("\"{}\"", "x".repeat(60_000))),
        ("labels", list(400, " ", &|n| format!("label $l{n} |")) + " 1"),
        ("nested definitions", format!("{}1{}", list(400, " ", &|n| format!("def f{n}:")), " ; 1".repeat(400))),
        ("interpolations", format!("\"{}\"", "\\(.)".repeat(10_000))),
    ];
    for (name, source) in sources {
        try_it(name, source);
    }
}

#[test]
fn names_of_variables_in_sight_are_dropped_on_a_small_stack() {
    let variables: String = (0..490).map(|n| format!("{n} as $v{n} | ")).collect();
    for body in ["$v0", "[range(10) | . + $v1]", "def f(g): g; f($v2)"] {
        let mapping = compiled(&format!("{variables}{body}"));
        let limits = Limits { stack: 4 * 1024 * 1024, ..Limits::default() };
        assert!(on_a_mapping_thread(move || mapping.run(&Value::NULL, &limits)).is_ok());
    }
}
