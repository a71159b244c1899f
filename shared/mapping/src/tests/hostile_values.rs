//! Programs that create values, paths or closures which could stop the process when they are printed, compared, sorted or dropped. They may
//! end in any way, but in time, and by the meter or with their own error.

use super::*;
use std::time::Duration;

const PROGRAMS: &[&str] = &[
    // chains that grow without the stack: closures, paths, tail calls
    "def f(g): if . > 100000 then g else . + 1 | f(g | .) end; 0 | f(.)",
    "def f(g): def h: f(g | .); h; f(.)",
    "def f(g): def h(i): f(i | g); h(g); f(.)",
    "def f($n; g): if $n == 0 then g else f($n - 1; g) end; f(300000; .)",
    "def f(g): (g | f(g)), f(f(g)); f(.)",
    "null | path(last(limit(100000; repeat(.[0]))))",
    "null | [path(def f: .[0] | f; f)]",
    "null | path(reduce range(100000) as $i (.; .[0]))",
    "null | path(last(foreach range(100000) as $i (.; .a)))",
    "[range(100000) | 0] as $p | null | getpath($p)",
    "[range(100000) | 0] as $p | null | setpath($p; 1)",
    "[range(100000) | 0] as $p | null | delpaths([$p])",
    "[range(100000) | [0]] as $p | [range(1000)] | delpaths($p)",
    "null | (def f: .[0] | f; f) |= 1",
    "null | reduce range(100000) as $i (.; .[0] |= .)",
    "null | (reduce range(100000) as $i (.; .a)) |= 1",
    "[limit(100000; def f: f, 1; f)]",
    "def f: f, f; [f]",
    "def f: (f | .), 1; [limit(10; f)]",
    "def f: 1, (f | . + 0); last(limit(100000; f))",
    "def f: label $x | (., break $x) | f; f",
    "def f: try error(.) catch ([.] | f); f",
    "[label $out | foreach repeat(1) as $i (0; . + 1; if . > 1000000 then ., break $out else empty end)]",
    // shared values: small in memory, enormous when walked
    "reduce range(60) as $i ([1]; [., .]) | error",
    "reduce range(60) as $i ([1]; [., .]) | . + 1",
    "reduce range(60) as $i ([1]; [., .]) | try error catch (. | tostring)",
    "reduce range(60) as $i ([1]; [., .]) | {(tojson): 1}",
    "reduce range(60) as $i ([1]; [., .]) | [., .] | sort, unique, group_by(.), min",
    "reduce range(60) as $i ([1]; [., .]) as $a | reduce range(60) as $i ([1]; [., .]) as $b | $a < $b, ($a | contains($b)), ($a | index($b)), [$a] - [$b], ($a | inside($b))",
    "reduce range(60) as $i ([1]; [., .]) | .. |= .",
    "reduce range(60) as $i ({}; {a: ., b: .}) | . * .",
    "reduce range(60) as $i ({}; {a: ., b: .}) | (reduce range(60) as $i ({}; {a: ., b: .})) * .",
    "reduce range(60) as $i ({}; {a: ., b: .}) | [tostream]",
    "reduce range(60) as $i ([1]; [., .]) | @json, @text, \"\\(.)\", @csv",
    "reduce range(60) as $i ([1]; [., .]) | [paths] | length",
    "reduce range(60) as $i ([1]; [., .]) | [getpath(paths)]",
    "reduce range(60) as $i ([1]; [., .]) | input",
    "reduce range(60) as $i ([1]; [., .]) | fromjson, tonumber, ltrimstr(\"a\"), test(\"a\"), strftime(\"%Y\"), implode",
    "reduce range(60) as $i ([1]; [., .]) | to_entries, from_entries, add, any, all, flatten, transpose, combinations",
    // large in one go
    "[range(1e8)]",
    "\"x\" * 1e18",
    "\"x\" * 4611686018427387904",
    "\"xxxxxxxx\" * 2305843009213693952",
    "[1] | .[1e18] = 1",
    "[] | .[9223372036854775807] = 1",
    "null | setpath([1e9]; 1)",
    "null | .[2e6:3e6] = [1]",
    "[limit(100; repeat(\"x\" * 1e6))] | add",
    "[limit(100; repeat(\"x\" * 1e6))] | join(\"\")",
    "\"x\" * 3e7 | explode",
    "\"x\" * 3e7 | . / \"\"",
    "\"x\" * 3e7 | @html",
    "\"&\" * 3e7 | @html, @uri",
    "\"'\" * 3e7 | @sh",
    "\"x\" * 3e7 | @base64, tojson",
    "\"x\" * 3e7 | ascii_upcase, ascii_downcase, ltrimstr(\"x\"), trim, utf8bytelength, length | tostring",
    "\"\\u0001\" * 3e7 | tojson",
    "\"x\" * 3e7 | .[1:], .[:-1]",
    "\"x\" * 3e7 | [match(\"\"; \"g\")]",
    "\"x\" * 3e7 | [scan(\".\")]",
    "\"x\" * 3e7 | gsub(\"x\"; \"yyyy\")",
    "\"x\" * 3e7 | test(\"(x+x+)+y\")",
    "\"x\" * 3e7 | indices(\"x\")",
    "\"x\" * 3e7 | tojson | fromjson",
    "\"[\" * 1e6 | fromjson",
    "\"{\\\"a\\\":\" * 1e6 | fromjson",
    "\"9\" * 1e7 | tonumber | . * .",
    "\"9\" * 3999 | tonumber | . * .",
    "\"9\" * 3999 | tonumber | reduce range(1e9) as $i (.; . + .)",
    "reduce range(1e9) as $i (3; . * .)",
    "\"1\" * 3999 | tonumber | last(repeat(. % 7, tostring, . / 3, . - 1, -.))",
    "[range(1e6)] | sort_by(-.), group_by(. % 3), unique_by(. % 3), min_by(-.), reverse | length",
    "[range(1e6)] | implode",
    "[range(300000)] | [., .] | transpose | length",
    "[range(100000)] | . - . | length",
    "[range(100000) | tostring] | . - map(. + \"x\") | length",
    "[range(30000)] | combinations",
    "[[range(100)]] * 8",
    "[range(20)] | [combinations(10)] | length",
    "[range(1e5) | {key: tostring, value: .}] | from_entries | to_entries | length",
    "[range(300000)] | .[100000:200000] = [1] | length",
    "[range(1e5)] | map(select(. % 2 == 0)) | del(.[]) | length",
    "[range(1e5)] | del(.[range(0; 100000; 2)]) | length",
    "[range(1e5)] | to_entries | map(.value) | add",
    "reduce range(1e6) as $i ([]; .[$i] = $i) | length",
    // loops in native code, overflow, order
    "[nan, 1, nan, 0, nan, -1, \"a\", nan] | sort, unique, group_by(.), min, max | length",
    "[range(1000) | if . % 3 == 0 then nan else 9007199254740992 + . end, (9007199254740992 + .) / 1] | sort | length",
    "1e300 | todate",
    "-1e300 | gmtime",
    "9223372036854775807 | strftime(\"%Y\")",
    "-9223372036854775807 | todate, gmtime",
    "infinite | todate",
    "nan | gmtime",
    "[1e300, 127, 1, 1, 1, 1] | mktime",
    "[2024, 127, 1, 1, 1, 1e300] | mktime, strftime(\"%c\")",
    "[2024, -1, 1] | todate",
    "[9999, 11, 31, 23, 59, 61, 0, 0] | mktime",
    "0 | strftime(\"%Y\" * 1e6)",
    "0 | strftime(\"%0255d\" * 100)",
    "\"x\" | strptime(\"%Y\" * 1e6)",
    "\"2024\" | strptime(\"%Q\")",
    "-9223372036854775808 | length, -., fabs, . * -1, . % -1, tostring | tostring",
    "[1][-9223372036854775808]",
    "\"abc\"[-9223372036854775808:9223372036854775807]",
    "[range(9223372036854775800; 9223372036854775900)] | length",
    "range(0; 1; 0)",
    "last(range(0; 1e18; 0.000001))",
    "range(0; infinite)",
    "ldexp(1; 2147483647), scalb(1; 1e9), pow(10; 400), exp10 | tostring",
    "1e999999999 + 1",
    "\"a\" | test(\"a{1000}{1000}{1000}\")",
    "\"a\" | test(\"(\" * 5000)",
    "\"a\" | test(\"(a|\" * 40 + \"b\" + \")\" * 40)",
    "\"a\" | test(\"[\\\\w\\\\W]\" * 5000)",
    "\"\" | test(\"(a*)*\"; \"gx\")",
    "\"a\" | test(\".\" * 100000)",
    "(\"a\" * 100000) | [match(\"(a*)*b|a\"; \"g\")] | length",
    "(\"a\" * 100000) | [match(\".*[^a]|a\"; \"g\")] | length",
    "(\"ab\" * 50000) | gsub(\"(?<x>a)|(?<y>b)\"; \"\\(.x)\\(.y)\") | length",
    "reduce range(100000) as $i (\"\"; . + \"ab\") | length",
    "reduce range(1e5) as $i ({}; . + {($i | tostring): $i}) | length",
    "[limit(1e5; repeat(\"x\"))] | join(\",\") | split(\",\") | length",
    "[range(1e5)] | tojson | fromjson | length",
    "first(range(1e12))",
    "isempty(range(1e12))",
    "any(range(1e12); . > 5)",
    "limit(0; last(repeat(1)))",
    "label $f | range(1e12) | ., break $f",
    "[splits(\"a\"; null)]",
];

#[test]
fn they_end_in_time_with_the_full_stack() {
    survive(Limits { time: Duration::from_millis(400), ..Limits::default() }, STACK_BYTES);
}

#[test]
fn they_end_in_time_on_the_stack_of_an_async_thread() {
    survive(Limits { time: Duration::from_millis(100), memory: 64 << 20, ..Limits::inline() }, 2 * 1024 * 1024);
}

fn survive(limits: Limits, stack: usize) {
    for program in PROGRAMS {
        let Ok(mapping) = Mapping::compile(program) else {
            assert!(program.contains("input"), "{program} does not compile");
            continue;
        };
        let (allowed, limits) = (limits.time, limits.clone());
        let work = move || mapping.run(&json(r#"{"a":[1,2]}"#), &limits).map(|value| to_json(&value).len());
        let (result, took) = on_a_stack_of(stack, || timed(work));
        assert!(took < allowed + Duration::from_millis(1500), "{program} took {took:?}");
        if took > allowed + Duration::from_millis(100) {
            eprintln!("{:>5} ms over: {program}", (took - allowed).as_millis());
        }
        assert!(!matches!(result, Err(MappingError::Internal { .. })), "{program}: {result:?}");
    }
}

#[test]
fn a_path_is_stopped_before_the_list_that_holds_it_overflows_the_stack() {
    let limits = Limits { time: Duration::from_secs(60), memory: 4 << 30, ..Limits::default() };
    for program in [
        "null | [path(reduce range(COUNT) as $i (.; .[0]))][0] | length",
        "null | first(path(def f($n): if $n == 0 then . else .[0] | f($n - 1) end; f(COUNT))) | length",
    ] {
        for (count, is_possible) in [(5000, true), (500_000, false)] {
            let (mapping, limits) = (compiled(&program.replace("COUNT", &count.to_string())), limits.clone());
            let result = on_a_mapping_thread(move || mapping.run(&Value::NULL, &limits));
            assert_eq!(result.is_ok(), is_possible, "{program}: {result:?}");
        }
    }
}
