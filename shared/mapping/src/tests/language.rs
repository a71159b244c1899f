//! Outputs of programs, and error texts if there is none.

use super::*;

const INPUT: &str =
    r#"{"a":[3,1,2],"n":9007199254740993,"text":"x-y-z","o":{"k":null},"rows":[{"k":"a","v":1},{"k":"b","v":2},{"k":"a","v":3}]}"#;

fn check(cases: &[(&str, &str)]) {
    for (program, expected) in cases {
        assert_eq!(run(program, INPUT).as_deref(), Ok(*expected), "{program}");
    }
}

#[test]
fn numbers_are_exact() {
    check(&[
        (".n + 1", "9007199254740994"),
        ("100000000000000000000 + 1", "100000000000000000001"),
        ("123456789012345678901234567890 * 10", "1234567890123456789012345678900"),
        ("19.90", "19.90"),
        ("10 / 2", "5"),
        ("1 / 4", "0.25"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1e3 + 0", "1000"),
        ("[infinite, -infinite]", "[1.7976931348623157e+308,-1.7976931348623157e+308]"),
        ("[\"000123\", \" 42 \", \"-1.50\", \"+7\", \"1e2\"] | map(tonumber)", "[123,42,-1.50,7,1e2]"),
        ("-(3) | length", "3"),
        ("[nan, 3, nan, 1] | sort | map(isnan)", "[true,true,false,false]"),
        ("10 % 3", "1"),
        ("[nan] | tojson", r#""[null]""#),
    ]);
}

#[test]
fn numbers_are_compared_to_the_last_digit() {
    check(&[
        ("12345678901234567.89 < 12345678901234567.90", "true"),
        ("12345678901234567.89 == 12345678901234567.890", "true"),
        ("[1, 1.0, 1.00, 10e-1] | [unique, (group_by(.) | length), all(. == 1)]", "[[1],1,true]"),
        ("[0.1, 0.10, 0.05 + 0.05] | unique", "[0.1]"),
        ("0.1 + 0.2 == 0.3", "false"),
        (
            "[1e400, 1e401, 1.7976931348623157e308, infinite, -1e400, 2] | sort | map(tostring)",
            r#"["-1e400","2","1.7976931348623157e308","1e400","1e401","1.7976931348623157e+308"]"#,
        ),
        ("[9007199254740993, 9007199254740992.5, 9007199254740992] | sort", "[9007199254740992,9007199254740992.5,9007199254740993]"),
        (r#"["-0", "0", "-0.0"] | map(fromjson) | [., unique, (.[0] == 0), map(-.)]"#, "[[-0,0,-0.0],[-0],true,[0,0,0.0]]"),
        (".n == 9007199254740993.0", "true"),
        ("[.n, .n + 0.0]", "[9007199254740993,9007199254740992]"),
        (
            "{a: 1.10} | [tojson, tostring, (.a | tostring, @text, @json), ([.a] | @csv, @tsv), \"\\(.a)\"]",
            r#"["{\"a\":1.10}","{\"a\":1.10}","1.10","1.10","1.10","1.10","1.10","1.10"]"#,
        ),
        (r#"["+1.10", "007.50", ".50", "5.", "1E5", "-00"] | map(tonumber)"#, "[1.10,7.50,0.50,5,1E5,-0]"),
        ("[6 / 2, 7 / 2, 1e3 + 0, 1e17 + 0, -(0)]", "[3,3.5,1000,1e+17,0]"),
        (
            r#"[{k: 1, v: 1}, {k: 1.0, v: 2}] | [(group_rows(.k) | length), (join_rows([{j: ("1.00" | tonumber)}]; .k; .j) | length)]"#,
            "[1,2]",
        ),
    ]);
}

#[test]
fn patterns_and_functions_of_jq_that_the_parser_does_not_know_work() {
    check(&[
        ("[[1, 2], {a: 3}, 4] | [.[] as [$a, $b] ?// {$a} ?// $b | [$a, $b]]", "[[1,2],[3,null],[null,4]]"),
        ("[1, [2]] | [.[] | . as [$a] ?// $a | if ($a | isarray) then error else $a end]", "[1,2]"),
        ("[[[1]]] | .[0] as [[$a]] ?// [$a] | . as [$b] ?// $b | [$a, $b]", "[1,[[1]]]"),
        ("def f: . as [$a] ?// $a | $a; [[5] | f, if . == [5] then . as {$x} ?// [$x] | $x else 0 end]", "[5,5]"),
        ("{a: . as [$a] ?// {n: $a} | $a} | .a", "9007199254740993"),
        ("\"\\(. as [$a] ?// {text: $a} | $a)!\"", r#""x-y-z!""#),
        ("null | path(. as [$a] ?// $a | .b)", r#"["b"]"#),
        ("{a: {b: 1}} | . as {$a: {$b}} | [$a, $b]", r#"[{"b":1},1]"#),
        ("{a: [1, [2]]} | . as {$a: [$b, [$c]]} | [$a, $b, $c]", "[[1,[2]],1,2]"),
        ("[{a: {b: 1}}] | reduce .[] as {$a: {b: $b}} (0; . + $b)", "1"),
        ("[1, 2, 3, 4] | [pick(.[2], .[0]), pick(first)]", "[[1,null,3],[1]]"),
        ("{a: {b: 1, c: 2}, d: 3} | pick(.a.b, .x)", r#"{"a":{"b":1},"x":null}"#),
        ("[nth(0, 2; 5, 6, 7), nth(5; 1), limit(2; 1, 2, 3), skip(2; 1, 2, 3)]", "[5,7,1,2,3]"),
        ("[range(10)] | del(.[1], .[-6], .[2], .[-3:9])", "[0,3,5,6,9]"),
        ("[range(5)] | [del(.[1:3], .[-1]), del(.[1:4][0, 2]), del(.[nan]), del(.[7:])]", "[[0,3],[0,2,4],[0,1,2,3,4],[0,1,2,3,4]]"),
        ("[[1, 2], [3, [4]]] | [flatten(0, 1), flatten]", "[[[1,2],[3,[4]]],[1,2,3,[4]],[1,2,3,4]]"),
        ("[[\"a\", 1], [\"b\", 2]] | JOIN({a: 10}; .[0])", r#"[[["a",1],10],[["b",2],null]]"#),
        ("[1, \"a\"] | [format(\"csv\", \"json\")]", r#"["1,\"a\"","[1,\"a\"]"]"#),
        ("\"ö<\" | [@base32, (@base32 | @base32d), (\"w7Y\" | @base64d), (\"%C3%B6\" | @urid)]", r#"["YO3DY===","ö<","ö","ö"]"#),
        (
            "\"foo FOO\" | [test([\"foo\", \"i\"]), [match([\"foo\", \"ig\"]).offset], [match(\"(o)\").captures[].name]]",
            "[true,[0,4],[null]]",
        ),
        ("[5 % 2, (try (5 % 0.0) catch \"zero\"), have_decnum]", r#"[1,"zero",true]"#),
    ]);
}

#[test]
fn updates_follow_jq() {
    check(&[
        ("null | .a.b = 1", r#"{"a":{"b":1}}"#),
        ("[] | .[2] = 1", "[null,null,1]"),
        ("{} | .a[1].b |= 5", r#"{"a":[null,{"b":5}]}"#),
        (".a | del(.[0, 1])", "[2]"),
        (".a | del(.[0], .[2])", "[1]"),
        (".rows | del(.[] | select(.k == \"a\"))", r#"[{"k":"b","v":2}]"#),
        (".a | del(.[1:])", "[3]"),
        (".o | .x += 1", r#"{"k":null,"x":1}"#),
        ("{a: 1, b: 2, c: 3} | del(.a)", r#"{"b":2,"c":3}"#),
        (".a | .[1:] |= map(. * 10)", "[3,10,20]"),
        (".text | .[0:1] = \"Q\"", r#""Q-y-z""#),
        (
            "delpaths([[\"a\", 0], [\"rows\"], [\"o\", \"k\"], [\"text\"], [\"nowhere\", \"x\"]])",
            r#"{"a":[1,2],"n":9007199254740993,"o":{}}"#,
        ),
        (".o.k //= 4 | .o", r#"{"k":4}"#),
        ("[paths] | length", "18"),
        ("reduce range(5000) as $i ({}; {prev: ., i: $i} | del(.prev))", r#"{"i":4999}"#),
    ]);
}

#[test]
fn texts_dates_and_formats_work() {
    check(&[
        ("\"2015-03-05T23:51:47Z\" | fromdate", "1425599507"),
        ("1425599507 | todate", r#""2015-03-05T23:51:47Z""#),
        ("1425599507 | strftime(\"%A, %B %d, %Y\")", r#""Thursday, March 05, 2015""#),
        ("\"2015-03-05T23:51:47Z\" | strptime(\"%Y-%m-%dT%H:%M:%SZ\")", "[2015,2,5,23,51,47,4,63]"),
        ("\"2015-03-05T23:51:47Z\" | strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime", "1425599507"),
        ("1425599507 | gmtime", "[2015,2,5,23,51,47,4,63]"),
        ("now | type", r#""number""#),
        ("[1, \"a\\\"b\", null, true] | @csv", r#""1,\"a\"\"b\",,true""#),
        ("[1, \"a\\tb\", null] | @tsv", r#""1\ta\\tb\t""#),
        ("\"<&>'\" | @html", r#""&lt;&amp;&gt;&apos;""#),
        ("\"a b/ü\" | @uri", r#""a%20b%2F%C3%BC""#),
        ("\"it's\" | @sh", r#""'it'\\''s'""#),
        ("\"hej\" | [@base64, (@base64 | @base64d)]", r#"["aGVq","hej"]"#),
        ("[pow(2; 10), (16 | sqrt), (2.5 | floor, round, ceil)]", "[1024,4,2,3,3]"),
        ("\"aXbxc\" | [splits(\"x\"; \"i\")]", r#"["a","b","c"]"#),
        ("\"2024-01-02\" | capture(\"(?<y>[0-9]+)-(?<m>[0-9]+)\")", r#"{"y":"2024","m":"01"}"#),
        ("\"Ünïx\" | [match(\".\"; \"g\") | .offset]", "[0,1,2,3]"),
        ("\"abc\" | gsub(\"(?<c>[a-c])\"; \"<\\(.c)>\")", r#""<a><b><c>""#),
        ("\"äöü\" | [.[1:2], .[-1:], length]", r#"["ö","ü",3]"#),
        ("$__loc__", r#"{"file":"<mapping>","line":1}"#),
        ("5 | ltrimstr(\"a\")", "5"),
    ]);
}

#[test]
fn literals_of_any_length_give_what_short_ones_give() {
    let members = |count: usize| (0..count).map(|n| format!("k{n}: {n}")).collect::<Vec<_>>().join(", ");
    for count in [1, 2, 15, 16, 17, 33, 2000] {
        let program = format!("{{{}}} | [length, .k0, .k{}]", members(count), count - 1);
        assert_eq!(run(&program, "null"), Ok(format!("[{count},0,{}]", count - 1)));
    }
    let list = vec!["1"; 10_000].join(",");
    assert_eq!(run(&format!("[{list}] | add"), "null").as_deref(), Ok("10000"));
    let text = "\\(1)x".repeat(1000);
    assert_eq!(run(&format!("\"{text}\" | length"), "null").as_deref(), Ok("2000"));
    check(&[
        ("[{a: (1, 2), b: (3, 4)} | [.a, .b]]", "[[1,3],[1,4],[2,3],[2,4]]"),
        (
            "{a, text, \"b\": 1, (.text): 2, \"c\\(1)\": 3, @base64 \"x\": 4}",
            r#"{"a":[3,1,2],"text":"x-y-z","b":1,"x-y-z":2,"c1":3,"x":4}"#,
        ),
        ("1 as $x | 2 as $y | {$x, $y, z: 3, $__loc__}", r#"{"x":1,"y":2,"z":3,"__loc__":{"file":"<mapping>","line":1}}"#),
        ("{\"a\\(\"\")\"}", r#"{"a":[3,1,2]}"#),
        ("[{a: empty}]", "[]"),
        ("{a: 1, a: 2}", r#"{"a":2}"#),
    ]);
}

#[test]
fn a_mapping_gives_exactly_one_output() {
    assert_eq!(run("empty", "null"), Err(MappingError::NoOutput));
    assert_eq!(run(".[]", "[1,2,3]"), Err(MappingError::ManyOutputs { seen: 2 }));
    assert_eq!(run(".[]", "[1]").as_deref(), Ok("1"));
    assert!(MappingError::ManyOutputs { seen: 2 }.to_string().contains("`[ ... ]`"));
}

#[test]
fn errors_tell_what_did_not_fit() {
    let failed = |program: &str| match run(program, INPUT) {
        Err(MappingError::Failed { message }) => message,
        other => panic!("{program}: {other:?}"),
    };
    assert_eq!(failed(".a.b"), "cannot index array ([3,1,2]) with \"b\"");
    assert_eq!(failed(".text[0]"), "cannot index string (\"x-y-z\") with number (0)");
    assert_eq!(failed(".text[]"), "cannot iterate over string (\"x-y-z\")");
    assert_eq!(failed(". + 1").split(" (").next(), Some("cannot calculate object"));
    assert_eq!(failed("\"12a\" | tonumber"), "cannot read string (\"12a\") as a number");
    assert_eq!(failed("1 / 0"), "cannot calculate 1 / 0: the divisor is zero");
    assert_eq!(failed("error(\"no customer\")"), "no customer");
    assert_eq!(failed("error({code: 5})"), "the mapping ended in an error: {\"code\":5}");
    assert_eq!(failed("limit(-1; 1)"), "limit takes no negative count, and got -1");
    assert_eq!(failed("[] | flatten(-1)"), "flatten takes no negative count, and got -1");
    assert_eq!(failed("[[3]] | .[] as {$a} ?// {$b} | 1"), "cannot index array ([3]) with \"b\"");
    assert_eq!(failed("\"100%\" | @urid"), "@urid: the `%` at byte 3 is not followed by two hexadecimal digits");
    assert_eq!(failed("\"/w\" | @base64d"), "@base64d: the bytes are not UTF-8");
    assert_eq!(failed("\"A\" | @base64d").split(':').next(), Some("@base64d"));
    assert_eq!(failed("{(1): 2}"), "an object's key must be a string, not number (1)");
    assert_eq!(failed("\"x\" | test(\"(\")").split(':').next(), Some("`(` is no regular expression that can be used"));
    assert_eq!(failed("[1e300] | gmtime"), "gmtime takes seconds since 1970, not array ([1e300])");
    assert!(failed("(\"x\" * 5000) + 1").len() < 300);
    assert!(failed("error(\"x\" * 5000)").len() < 2100);
}

#[test]
fn compile_errors_point_at_the_place_and_say_what_was_meant() {
    let cases = [
        (".a | tonumbr", "line 1, column 6: there is no function `tonumbr`; was `tonumber` meant?, near `tonumbr`"),
        ("{\n  a: .b,\n  c: foo(.x)\n}", "line 3, column 6: there is no function `foo`, near `foo(.x)`"),
        ("map(.a; .b)", "line 1, column 1: `map` takes 1 argument, not 2, near `map(.a; .b)`"),
        ("$x", "line 1, column 1: the variable `$x` is not defined here, near `$x`"),
        ("{a: 1", "line 1, column 1: `{` is never closed, near `{a: 1`"),
        ("", "line 1, column 1: expected a jq program; `.` is the whole input, at the end of the text"),
        (".a |", "line 1, column 5: expected term, at the end of the text"),
        (".a .b )", "line 1, column 7: this cannot stand in a jq program, near `)`"),
        ("if .a then 1", "line 1, column 13: expected else or end, at the end of the text"),
        ("\"ä\" | §", "line 1, column 7: this cannot stand in a jq program, near `§`"),
        (
            "halt",
            "line 1, column 1: `halt` does not exist here: a mapping cannot stop the process; `error(\"...\")` ends it with an error, near `halt`",
        ),
        (
            "$ENV.HOME",
            "line 1, column 1: `$ENV` does not exist here: a mapping cannot read the environment of the process; put settings in a connection or in the definition, near `$ENV.HOME`",
        ),
        (
            "import \"m\" as m; .",
            "line 1, column 1: `import` does not exist here: a mapping is one text and reads no files, near `import \"m\" as m; .`",
        ),
    ];
    for (program, expected) in cases {
        assert_eq!(compile_error(program).to_string(), expected);
    }
}

#[test]
fn what_touches_the_process_or_the_machine_does_not_exist() {
    for program in [
        "env",
        "$ENV",
        "input",
        "inputs",
        "debug",
        "debug(1)",
        "stderr",
        "input_filename",
        "input_line_number",
        "halt",
        "halt_error",
        "halt_error(1)",
        "halt(1)",
        "$__prog_args",
        "include \"m\"; .",
        "import \"m\" as $m; .",
        "localtime",
        "strflocaltime(\"%H\")",
        "debug_empty",
        "stderr_empty",
        "get_search_list",
        "modulemeta",
        "jn(1; 2)",
        "a::b",
        "tobytes",
    ] {
        compile_error(program);
    }
    // A program may define any name.
    assert_eq!(run("def env: 1; def input: 2; env + input", "null").as_deref(), Ok("3"));
}

#[test]
fn a_program_keeps_only_what_it_uses() {
    // The compiling thread allocates and this thread frees the memory, so the freed memory is measured.
    let freed = |program: &str| {
        let mapping = compiled(program);
        let before = forebay_fairness::thread_held();
        drop(mapping);
        before - forebay_fairness::thread_held()
    };
    assert!(freed(".") < 40_000, "{}", freed("."));
    assert!(freed("map(select(.a)) | group_by(.b) | map(add)") < 60_000);
}
