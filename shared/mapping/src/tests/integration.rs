//! The functions in addition to those of jq: formats, times, numbers, digests, encodings, tables.

use super::*;

fn check(cases: &[(&str, &str)]) {
    for (program, expected) in cases {
        assert_eq!(run(program, "null").as_deref(), Ok(*expected), "{program}");
    }
}

fn failures(cases: &[(&str, &str)]) {
    for (program, expected) in cases {
        match run(program, "null") {
            Err(MappingError::Failed { message }) => assert!(message.contains(expected), "{program}: {message}"),
            other => panic!("{program}: {other:?}"),
        }
    }
}

#[test]
fn texts_are_read_and_written_in_the_formats_of_partners() {
    check(&[
        (r#""<a b='1'><c/>t</a>" | from_xml"#, r##"{"a":{"@b":"1","c":null,"#text":"t"}}"##),
        (r#"{Order: {"@id": 7, Line: [1, 2]}} | to_xml"#, r#""<Order id=\"7\"><Line>1</Line><Line>2</Line></Order>""#),
        ("{a: {b: 1}} | to_xml({indent: 2, declaration: true})", r#""<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>1</b>\n</a>""#),
        (r#""a;b\n1;2\n" | from_csv"#, r#"[{"a":"1","b":"2"}]"#),
        (r#""a|b\n1|2" | from_csv({separator: "|", header: false})"#, r#"[["a","b"],["1","2"]]"#),
        ("[{a: 1, b: 2}] | to_csv", r#""a,b\r\n1,2\r\n""#),
        (r#"[{a: 1, b: "x;y"}] | to_csv({separator: ";", header: false, columns: ["b", "c", "a"]})"#, r#""\"x;y\";;1\r\n""#),
        (r#"[[1, null, "a,b"]] | to_csv"#, r#""1,,\"a,b\"\r\n""#),
        ("[] | to_csv", r#""""#),
        (r#""a=1&a=2&b=x+y" | from_form"#, r#"{"a":["1","2"],"b":"x y"}"#),
        (r#"{a: [1, 2], b: "x y", c: null} | to_form"#, r#""a=1&a=2&b=x+y""#),
    ]);
    failures(&[
        ("1 | from_xml", "from_xml takes a string of XML, not number (1)"),
        (r#""<a>" | from_xml"#, "from_xml: line 1:"),
        (r#""<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" | from_xml"#, "the DOCTYPE has a declaration"),
        ("{a: {b: [[1]]}} | to_xml", "to_xml: at a.b[0]: an array"),
        ("{a: 1} | to_xml({indnt: 1})", "to_xml: there is no option `indnt`; it takes options (indent, declaration)"),
        ("{a: 1} | to_xml({indent: 99})", "`indent` is a whole number from 0 to 16, not number (99)"),
        (r#""a" | from_csv({separator: ";;"})"#, "`separator` is one ASCII character"),
        (r#""\"a" | from_csv"#, "from_csv: line 1: a field begins with a quote"),
        ("[{a: {}}] | to_csv", "to_csv: at [0].a"),
        ("[1] | to_form", "to_form: a form takes an object"),
    ]);
}

#[test]
fn times_are_read_and_written_with_zones() {
    check(&[
        (r#""2026-03-01T10:30:00+01:00" | parse_date"#, r#""2026-03-01T09:30:00Z""#),
        ("1772357400 | parse_date", r#""2026-03-01T09:30:00Z""#),
        ("1772357400.25 | parse_date", r#""2026-03-01T09:30:00.25Z""#),
        (r#""2026-03-01" | parse_date"#, r#""2026-03-01T00:00:00Z""#),
        (r#""01.03.2026 10:30" | parse_date("%d.%m.%Y %H:%M")"#, r#""2026-03-01T10:30:00Z""#),
        (r#""01.07.2026 10:30" | parse_date("%d.%m.%Y %H:%M"; "Europe/Stockholm")"#, r#""2026-07-01T08:30:00Z""#),
        (r#""20260301" | parse_date("%Y%m%d"; "America/New_York")"#, r#""2026-03-01T05:00:00Z""#),
        (r#""2026-03-01 10:30 +0200" | parse_date("%Y-%m-%d %H:%M %z")"#, r#""2026-03-01T08:30:00Z""#),
        (r#""2026-07-01T08:30:00Z" | format_date("%d.%m.%Y %H:%M")"#, r#""01.07.2026 08:30""#),
        (r#""2026-07-01T08:30:00Z" | format_date("%A %H:%M %Z"; "Europe/Stockholm")"#, r#""Wednesday 10:30 CEST""#),
        (r#""2026-07-01T08:30:00.5Z" | in_timezone("Europe/Stockholm")"#, r#""2026-07-01T10:30:00.5+02:00""#),
        (r#"0 | in_timezone("UTC")"#, r#""1970-01-01T00:00:00+00:00""#),
        (r#""2026-03-01T09:30:00Z" | to_epoch"#, "1772357400"),
        (r#""2026-03-31T00:00:00Z" | date_add({months: -1, days: 1})"#, r#""2026-03-01T00:00:00Z""#),
        (r#""2026-03-28T12:00:00Z" | date_add({days: 1}; "Europe/Stockholm")"#, r#""2026-03-29T11:00:00Z""#),
        (r#""2026-03-28T12:00:00Z" | date_add({hours: 24})"#, r#""2026-03-29T12:00:00Z""#),
        (r#""2026-03-01T12:30:00Z" | date_diff("2026-03-01T12:00:00Z"; "hours")"#, "0.5"),
        (r#""2026-03-01" | date_diff("2026-01-31"; "days")"#, "29"),
        (r#""2026-03-01" | date_diff("2026-01-31"; "months")"#, "1"),
        (r#""2026-01-31" | date_diff("2026-03-01"; "weeks")"#, "-4"),
        (r#""2026-03-29T22:00:00Z" | date_diff("2026-03-28T23:00:00Z"; "days"; "Europe/Stockholm")"#, "1"),
        (
            r#""2026-08-19T10:47:12.5Z" as $t | ["second", "minute", "hour", "day", "week", "month", "quarter", "year"] | map(. as $unit | $t | start_of($unit) | .[0:19]) | join(" ")"#,
            r#""2026-08-19T10:47:12 2026-08-19T10:47:00 2026-08-19T10:00:00 2026-08-19T00:00:00 2026-08-17T00:00:00 2026-08-01T00:00:00 2026-07-01T00:00:00 2026-01-01T00:00:00""#,
        ),
        (r#""2026-07-01T23:30:00Z" | start_of("day"; "Europe/Stockholm")"#, r#""2026-07-01T22:00:00Z""#),
        (r#""2026-07-02T00:30:00+02:00" | start_of("day")"#, r#""2026-07-01T22:00:00Z""#),
    ]);
    failures(&[
        (r#""soon" | parse_date"#, "parse_date takes a time: RFC 3339"),
        ("1e300 | parse_date", "no time between the years"),
        (r#""x" | parse_date("%Y")"#, "parse_date: string (\"x\") is not as \"%Y\""),
        (r#"0 | in_timezone("Europe/Stockholmn")"#, "takes the name of a time zone"),
        ("0 | date_add({day: 1})", "there is no option `day`"),
        ("0 | date_add({years: 1000000})", "date_add:"),
        (r#"0 | date_diff(1; "fortnights")"#, "takes a unit (years, months"),
        (r#"0 | format_date("%999999Y")"#, "no widths"),
    ]);
}

#[test]
fn numbers_are_rounded_and_written_as_people_do() {
    check(&[
        ("[2.675, 1.005, 19.90, 0.001] | map(round_to(2))", "[2.68,1.01,19.9,0]"),
        ("[-2.5, 2.5, 0.4999999999999999999, 999.999, 1e3, 15] | map(round_to(0))", "[-3,3,0,1000,1000,15]"),
        ("[1250, 4, 149] | map(round_to(-2))", "[1300,0,100]"),
        ("123456789012345678901234567890.125 | round_to(2)", "123456789012345678901234567890.13"),
        (r##"[1234567.891, 0.5, -1234, 1e6] | map(format_number("#,##0.00"))"##, r#"["1,234,567.89","0.50","-1,234.00","1,000,000.00"]"#),
        (r##"1234567.891 | format_number("#,##0.00 kr"; {decimal: ",", group: " "})"##, r#""1 234 567,89 kr""#),
        (r##"[5, 123.456] | map(format_number("000.#"))"##, r#"["005","123.5"]"#),
        (r##"[0.1234, 1] | map(format_number("0.0%"))"##, r#"["12.3%","100.0%"]"#),
        (r##"[0, -0.001] | map(format_number("#.##"))"##, r#"["0","0"]"#),
        (r#"["1.234,50", "-7", "12,5-"] | map(parse_number({decimal: ",", group: "."}))"#, "[1234.50,-7,-12.5]"),
        (r#"["1,234.50", " 1000 "] | map(parse_number)"#, "[1234.50,1000]"),
    ]);
    failures(&[
        (r#""1" | round_to(2)"#, "round_to takes a number, not string"),
        ("1 | round_to(1000)", "a whole number of decimals"),
        (r#"1 | format_number("x")"#, "takes a pattern such as"),
        (r#""1.5" | parse_number({decimal: ",", group: " "})"#, "is no number with the decimal"),
        ("nan | round_to(1)", "takes a number"),
    ]);
}

#[test]
fn digests_and_identifiers_are_those_that_others_calculate() {
    check(&[
        (r#""abc" | md5"#, r#""900150983cd24fb0d6963f7d28e17f72""#),
        (r#""abc" | sha1"#, r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        (r#""abc" | sha256"#, r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#),
        (r#"{base64: "YWJj"} | sha256("base64")"#, r#""ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=""#),
        (r#""abc" | sha512[0:16]"#, r#""ddaf35a193617aba""#),
        (
            r#""what do ya want for nothing?" | hmac("sha256"; "Jefe")"#,
            r#""5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843""#,
        ),
        (r#""what do ya want for nothing?" | hmac("sha1"; "Jefe"; "base64")"#, r#""7/zfauXrL6LSdBbV8YTfnCWafHk=""#),
        (r#""www.example.com" | uuid_v5("dns")"#, r#""2ed6657d-e927-568b-95e1-2665a8aea6a2""#),
        (r#"uuid_v5("2ed6657d-e927-568b-95e1-2665a8aea6a2"; 7) | length"#, "36"),
        ("[uuid, uuid] | .[0] != .[1] and (.[0] | test(\"^[0-9a-f]{8}-[0-9a-f]{4}-4\"))", "true"),
    ]);
    failures(&[
        ("1 | sha256", "sha256 takes a string or an object with `base64`, not number (1)"),
        (r#""a" | sha256("bas64")"#, "a digest is written as"),
        (r#""a" | hmac("sha3"; "k")"#, "hmac takes \"md5\""),
        (r#""a" | uuid_v5("web")"#, "or a UUID as the namespace"),
    ]);
}

#[test]
fn encodings_and_charsets_go_both_ways() {
    check(&[
        (r#""hej ö" | to_base64"#, r#""aGVqIMO2""#),
        (r#"["aGVqIMO2", "aGVq\nIMO2\n", "aGk"] | map(from_base64)"#, r#"["hej ö","hej ö","hi"]"#),
        (r#""ö€" | to_base64("windows-1252") | [., from_base64("windows-1252")]"#, r#"["9oA=","ö€"]"#),
        (r#"{base64: "9g==", contentType: null, size: 1} | decode_charset("iso-8859-1")"#, r#""ö""#),
        (r#""ö" | encode_charset("utf-16be")"#, r#""/v8A9g==""#),
        (r#""??>" | to_base64url | [., from_base64url]"#, r#"["Pz8-","??>"]"#),
        (r#""ö" | to_hex | [., from_hex, (ascii_upcase | from_hex)]"#, r#"["c3b6","ö","ö"]"#),
        (r#""a b/ö+~" | url_encode | [., url_decode]"#, r#"["a%20b%2F%C3%B6%2B~","a b/ö+~"]"#),
    ]);
    failures(&[
        (r#""/w==" | from_base64"#, "the bytes are not utf-8; name the right one"),
        (r#""!" | from_base64"#, "no Base64"),
        (r#""你" | to_base64("iso-8859-1")"#, "'你' is not in iso-8859-1"),
        (r#""a" | to_base64("ebcdic")"#, "charset 'ebcdic' is not supported"),
        (r#""abc" | from_hex"#, "no hexadecimal"),
        (r#""%ff" | url_decode"#, "not UTF-8"),
    ]);
}

#[test]
fn tables_are_grouped_joined_and_cut() {
    const ROWS: &str = r#"[{k:"b",n:1},{k:"a",n:2},{k:"b",n:3}]"#;
    let cases = [
        ("ROWS | group_rows(.k)", r#"[{"key":"b","rows":[{"k":"b","n":1},{"k":"b","n":3}]},{"key":"a","rows":[{"k":"a","n":2}]}]"#),
        ("ROWS | group_rows(.k; {k: .key, total: (.rows | sum_of(.n))})", r#"[{"k":"b","total":4},{"k":"a","total":2}]"#),
        ("ROWS | group_rows([.k, .n > 1]) | length", "3"),
        ("ROWS | distinct_rows(.k) | map(.n)", "[1,2]"),
        ("ROWS | index_by(.k) | map_values(.n)", r#"{"b":3,"a":2}"#),
        ("ROWS | index_by(.n) | keys", r#"["1","2","3"]"#),
        ("ROWS | count_by(.k)", r#"{"b":2,"a":1}"#),
        ("ROWS | [sum_of(.n), ([] | sum_of(.n))]", "[6,0]"),
        ("ROWS | sum_by(.k; .n)", r#"{"b":4,"a":2}"#),
        (
            r#"ROWS | join_rows([{id:"a",x:1},{id:"a",x:2},{id:null}]; .k; .id)"#,
            r#"[{"k":"a","n":2,"id":"a","x":1},{"k":"a","n":2,"id":"a","x":2}]"#,
        ),
        (
            r#"ROWS + [{}] | left_join_rows([{id:"a",n:9},{id:null,n:8}]; .k; .id)"#,
            r#"[{"k":"b","n":1},{"k":"a","n":9,"id":"a"},{"k":"b","n":3},{}]"#,
        ),
        ("[range(5)] | chunk(2)", "[[0,1],[2,3],[4]]"),
        ("[range(4)] | window(3)", "[[0,1,2],[1,2,3]]"),
        ("[range(6)] | window(2; 2)", "[[0,1],[2,3],[4,5]]"),
        ("[range(2)] | window(3)", "[]"),
        (r#"[null, 1, [2]] | map(as_list)"#, "[[],[1],[2]]"),
    ];
    for (program, expected) in cases {
        assert_eq!(run(&program.replace("ROWS", ROWS), "null").as_deref(), Ok(expected), "{program}");
    }
    failures(&[
        ("[1] | chunk(0)", "chunk takes a whole number of at least 1, not 0"),
        ("[1] | window(2; 0.5)", "window takes a whole number"),
    ]);
}

#[test]
fn named_groups_work_in_every_function_of_regular_expressions() {
    check(&[
        (r#""order 17-A" | capture("(?<id>[0-9]+)-(?<site>[A-Z])")"#, r#"{"id":"17","site":"A"}"#),
        (r#""a1b2" | [capture("(?<l>[a-z])(?<d>[0-9])"; "g")]"#, r#"[{"l":"a","d":"1"},{"l":"b","d":"2"}]"#),
        (r#""ACME: 5" | sub("(?<name>\\w+): (?<n>\\d+)"; "\(.n) for \(.name)")"#, r#""5 for ACME""#),
        (r#""a1b2" | gsub("(?<d>[0-9])"; "<\(.d)>")"#, r#""a<1>b<2>""#),
        (r#""b" | capture("(?<x>a)?(?<y>b)")"#, r#"{"x":null,"y":"b"}"#),
        (r#""a1b2" | [match("(?<l>[a-z])"; "g") | .captures[0].name]"#, r#"["l","l"]"#),
        (r#""a1b22" | [scan("([a-z])([0-9]+)")]"#, r#"[["a","1"],["b","22"]]"#),
        (r#""1, 2;3" | [splits("[,;] *")]"#, r#"["1","2","3"]"#),
        (r#""aXbx" | [test("x"), test("X$"; "i"), (ascii_downcase | sub("x"; "-"; "g"))]"#, r#"[true,true,"a-b-"]"#),
    ]);
}

#[test]
fn a_program_that_can_give_another_result_each_time_says_so() {
    for (program, expected) in [
        (".a | sha256", true),
        ("uuid_v5(\"dns\"; .a)", true),
        (".now", true),
        ("\"now\"", true),
        ("now | todate", false),
        ("{id: uuid}", false),
        ("def f: uuid; f", false),
        ("[.[] | select(. > (now - 60))]", false),
        ("\"\\(now)\"", false),
    ] {
        assert_eq!(compiled(program).is_deterministic(), expected, "{program}");
    }
    assert!(Template::compile("a/${ .id }", Encoding::None).unwrap().is_deterministic());
    assert!(!Template::compile("a/${ .id }/${ uuid }", Encoding::None).unwrap().is_deterministic());
}

/// The examples of docs/data.md: lines of tables that end in a program and its output.
#[test]
fn what_the_documentation_shows_is_what_programs_give() {
    let text = include_str!("../../../../docs/data.md");
    let rows = r#"[{k: "b", n: 1}, {k: "a", n: 2}, {k: "b", n: 3}] as $rows | "#;
    let mut shown = 0;
    for line in text.lines() {
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        let [.., program, expected, _] = cells.as_slice() else { continue };
        let code = |cell: &str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned);
        let (Some(program), Some(expected)) = (code(program), code(expected.trim_end_matches(", always"))) else { continue };
        if parse_json(expected.as_bytes()).is_err() || program.starts_with('<') {
            continue;
        }
        assert_eq!(run(&format!("{rows}{program}"), "null").as_deref(), Ok(expected.as_str()), "{program}");
        shown += 1;
    }
    assert!(shown > 40, "{shown}");
}
