//! Bodies and values that try to make a reader or a writer of a format hang, recurse or use all memory.

use super::*;
use crate::body::read_body;
use forebay_contract::body::{Reading, check_body};
use std::time::Duration;

const PROGRAMS: &[&str] = &[
    "\"x\" * 1e9 | to_xml",
    "{a: (\"x\" * 2e7)} | to_xml | from_xml | length",
    "{a: (\"&\" * 3e7)} | to_xml",
    "{(\"n\" * 60000): {(\"n\" * 60000): [range(1e6)]}} | to_xml",
    "{a: {(\"n\" * 60000): [range(1e5) | {}]}} | to_xml({indent: 16})",
    "reduce range(200) as $i (1; {a: .}) | to_xml | from_xml | tojson | length",
    "reduce range(300) as $i (1; {a: .}) | to_xml",
    "reduce range(60) as $i ({x: 1}; {a: [., .]}) | to_xml",
    "{a: (reduce range(1e5) as $i ({}; .[\"@a\\($i)\"] = \"\"))} | to_xml | from_xml | .a | length",
    "{a: {b: [range(1e5)], c: 1, \"#order\": ([range(1e5)] | map(\"b\", \"gone\"))}} | to_xml | length",
    "{a: {b: [range(2e5)], c: [range(2e5)]}} | to_xml | gsub(\"</b><b>\"; \"</b><c/><b>\") | from_xml | .a[\"#order\"] | length",
    "\"<a>\" * 1e6 | from_xml",
    "(\"<a>\" * 250) + (\"</a>\" * 250) | from_xml | to_xml | length",
    "\"<a>\" + (\"<b/>\" * 1e6) + \"</a>\" | from_xml | .a.b | length",
    "\"<a>\" + (\"&amp;\" * 1e6) + \"</a>\" | from_xml | .a | length",
    "\"<a>\" + (\"x<b/>\" * 5e5) + \"</a>\" | from_xml | .a | length",
    "\"<\" * 1e7 | from_xml",
    "\"<a \" + (\"b='' \" * 2e5) + \"/>\" | from_xml",
    "\"<!--\" * 1e6 | from_xml",
    "\"<![CDATA[\" * 1e6 | from_xml",
    "\"<a b='\" + (\"&#10;\" * 5e5) + \"'/>\" | from_xml | .a | length",
    "\",\" * 1e6 | from_csv",
    "\",\" * 1e6 | . + \"\\n\" + . | from_csv | length",
    "\",\" * 5e7 | from_csv({header: false}) | length",
    "\"a\\n\" * 1e6 | from_csv | length",
    "\"\\\"\" * 5e6 | from_csv",
    "(\",\" * 1e5) + \"\\n\" + (\"a\\n\" * 1e5) | from_csv | length",
    "[range(2e4) | {\"c\\(.)\": 1}] | to_csv | length",
    "[range(1e6) | [.]] | to_csv | length",
    "[[\"\\\"\" * 3e7]] | to_csv | length",
    "\"a&\" * 1e6 | from_form | .a | length",
    "[range(1e5)] | map(\"k\\(.)=\\(.)\") | join(\"&\") | from_form | length",
    "{a: (\"ö\" * 2e7)} | to_form | length",
    "\"9\" * 1e7 | parse_number",
    "\"9\" * 4000 | tonumber | [format_number(\"#,##0\"), round_to(-400)] | length",
    "1e400 | format_number(\"0\") | length",
    "1e-400 | round_to(400)",
    "1 | format_number(\"#\" * 1e6)",
    "1 | format_number(\"#,##0\"; {group: (\"x\" * 1e6)}) | length",
    "\"9\" * 4000 | tonumber | format_number(\"#,0\"; {group: (\"x\" * 1e6)}) | length",
    "\"1\" | parse_number({decimal: (\".\" * 1e6), group: \"\"})",
    "\".\" * 1e6 | parse_number({decimal: (\"x\" * 1e6)})",
    "\"x\" * 6e7 | sha512, md5, sha1, sha256 | length",
    "\"x\" | last(repeat(sha512))",
    "\"x\" * 3e7 | hmac(\"sha256\"; \"x\" * 3e7)",
    "\"x\" * 3e7 | to_base64 | from_base64 | length",
    "\"x\" * 3e7 | to_hex | from_hex | length",
    "\"\\u00e4\" * 1e7 | url_encode | url_decode | length",
    "\"\\u00e4\" * 1e7 | to_base64(\"utf-16\") | from_base64(\"utf-16\") | length",
    "\"x\" * 1e6 | parse_date",
    "\"2026\" | parse_date(\"%Y\" * 1e6)",
    "0 | format_date(\"%c\" * 499) | length",
    "0 | format_date(\"%Y\"; \"x\" * 1e6)",
    "0 | date_add({years: 1e12})",
    "253402300799 | date_add({milliseconds: 1e12}; \"Europe/Stockholm\")",
    "-377705116800 | start_of(\"year\"; \"America/New_York\")",
    "253402207200 | start_of(\"week\"; \"Pacific/Auckland\"), in_timezone(\"Pacific/Auckland\") | length",
    "-377705023201 | in_timezone(\"America/New_York\")",
    "\"-009999-01-01\" | date_diff(\"9999-12-30\"; \"milliseconds\", \"days\") | tostring",
    "[range(1e6)] | group_rows(. % 7) | length",
    "[range(3e5)] | index_by(.) | length",
    "[range(1e5)] | count_by(.), sum_by(.; .) | length",
    "[range(5000) | {k: 1}] as $t | $t | join_rows($t; .k; .k) | length",
    "[range(1e5)] | window(5e4) | length",
    "[range(1e5)] | chunk(1) | length",
    "[range(1e5)] | chunk(1e300) | length",
    "last(repeat(uuid))",
];

#[test]
fn programs_over_formats_end_in_time_on_every_stack() {
    survive(&Limits { time: Duration::from_millis(400), ..Limits::default() }, STACK_BYTES);
    survive(&Limits { time: Duration::from_millis(100), memory: 64 << 20, ..Limits::inline() }, 2 * 1024 * 1024);
}

fn survive(limits: &Limits, stack: usize) {
    for program in PROGRAMS {
        let (mapping, allowed, limits) = (compiled(program), limits.time, limits.clone());
        let work = move || mapping.run(&Value::NULL, &limits).map(|value| to_json(&value).len());
        let (result, took) = on_a_stack_of(stack, || timed(work));
        assert!(took < allowed + Duration::from_millis(1500), "{program} took {took:?}");
        if took > allowed + Duration::from_millis(100) {
            eprintln!("{:>5} ms over: {program}", (took - allowed).as_millis());
        }
        assert!(!matches!(result, Err(MappingError::Internal { .. })), "{program}: {result:?}");
    }
}

/// Returns Content-Type, body, and the error text; empty if the body is only large.
fn bodies() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let attributes: String = (0..200_000).map(|n| format!(" a{n}=''")).collect();
    let part = "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
    let entities: String = (0..10).map(|n| format!("<!ENTITY e{} '{}'>", n + 1, format!("&e{n};").repeat(10))).collect();
    vec![
        (
            "text/xml",
            format!("<!DOCTYPE a [<!ENTITY e0 'x'>{entities}]><a>&e10;</a>").into_bytes(),
            "the DOCTYPE has a declaration, <!ENTITY",
        ),
        ("text/xml", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>".to_vec(), ""),
        ("text/xml", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a>&b;</a>".to_vec(), "'&b;'"),
        ("text/xml", "<a>".repeat(1_000_000).into_bytes(), "nested deeper than 256"),
        ("text/xml", format!("<a>{}</a>", "<b/>".repeat(500_000)).into_bytes(), ""),
        ("text/xml", format!("<a{attributes}/>").into_bytes(), ""),
        ("text/xml", format!("<a>{}</a>", "<b c=''/><d/>".repeat(100_000)).into_bytes(), ""),
        ("application/json", "[".repeat(1_000_000).into_bytes(), "not valid JSON"),
        ("application/json", "{\"a\":".repeat(1_000_000).into_bytes(), "not valid JSON"),
        ("application/json", format!("\"{}\"", "\\u0041\\\\".repeat(500_000)).into_bytes(), ""),
        ("application/json", format!("\"{}\\ud800\"", "\\ud83d\\ude00".repeat(500_000)).into_bytes(), "half of a surrogate pair"),
        ("text/csv", ",".repeat(1_000_000).into_bytes(), ""),
        ("text/csv", format!("{}\n{}", ",".repeat(400_000), "a\n".repeat(400_000)).into_bytes(), ""),
        ("text/csv", "\"".repeat(1_000_001).into_bytes(), "never closed"),
        ("multipart/form-data; boundary=X", (part.repeat(300_000) + "--X--").into_bytes(), ""),
        ("multipart/form-data; boundary=X", "--X\r\n".repeat(1_000_000).into_bytes(), "part 1"),
        ("multipart/form-data; boundary=X", format!("--X\r\n{}", "a: b\r\n".repeat(1_000_000)).into_bytes(), "part 1"),
        ("application/x-www-form-urlencoded", "a&".repeat(500_000).into_bytes(), ""),
        ("application/x-www-form-urlencoded", (0..300_000).map(|n| format!("{n}&")).collect::<String>().into_bytes(), ""),
        ("text/plain; charset=utf-16", vec![b'a'; 5_000_000], ""),
        ("text/plain; charset=utf-16", vec![b'a'; 5_000_001], "not utf-16le"),
    ]
}

#[test]
fn hostile_bodies_are_read_or_refused_in_time_and_the_check_agrees_with_the_reader() {
    for (content_type, body, expected) in bodies() {
        let name = format!("{content_type}: {}", String::from_utf8_lossy(&body[..body.len().min(40)]));
        let reading = Reading::as_sent(1 << 24);
        let check = || check_body(reading, Some(content_type), None, &body).err().map(|error| error.to_string()).unwrap_or_default();
        let (checked, took_check) = timed(check);
        let read = move || read_body(reading, Some(content_type), None, &body).err().map(|error| error.to_string()).unwrap_or_default();
        let (read, took_read) = on_a_stack_of(2 * 1024 * 1024, || timed(read));
        let took = took_check + took_read;
        assert!(took < Duration::from_secs(15), "{name} took {took:?}");
        eprintln!("{:>6} ms: {name}", took.as_millis());
        assert!(checked.contains(expected), "{name}: {checked:?}");
        if expected.is_empty() {
            assert_eq!(checked, "", "{name}");
            assert!(read.is_empty() || read.contains("MiB of memory"), "{name}: {read:?}");
        } else {
            assert!(read.contains(expected), "{name}: {read:?}");
        }
    }
}

#[test]
fn a_number_of_any_length_in_a_body_costs_no_more_than_its_bytes() {
    let body = format!("[{}]", "9".repeat(2_000_000));
    let (read, took) = timed(|| read_body(Reading::as_sent(1 << 24), Some("application/json"), None, body.as_bytes()));
    assert!(read.err().is_some_and(|error| error.to_string().contains("4000 characters")));
    assert!(took < Duration::from_secs(2), "{took:?}");
}
