//! Times at the edge of the calendar, and round trips of formats.

use super::*;
use crate::{Limits, Mapping, to_json};
use proptest::prelude::*;
use std::sync::LazyLock;

fn run(program: &str) -> Result<String, String> {
    let output = Mapping::compile(program).unwrap_or_else(|error| panic!("{program}: {error}")).run(&Value::NULL, &Limits::default());
    output.map(|output| String::from_utf8(to_json(&output)).unwrap()).map_err(|error| error.to_string())
}

fn check(cases: &[(&str, &str)]) {
    for (program, expected) in cases {
        assert_eq!(run(program).as_deref(), Ok(*expected), "{program}");
    }
}

#[test]
fn nothing_added_changes_nothing_in_the_hour_that_comes_twice() {
    // 02:30 in Stockholm, in summer time and an hour later in winter time.
    for moment in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
        for span in ["{days: 0}", "{weeks: 0}", "{months: 0}", "{years: 0}", "{hours: 0, days: 0}", "{}"] {
            check(&[(&format!(r#""{moment}" | date_add({span}; "Europe/Stockholm")"#), &format!(r#""{moment}""#))]);
        }
    }
    check(&[
        (r#""2026-10-25T01:30:00Z" | date_add({days: 0, hours: 1}; "Europe/Stockholm")"#, r#""2026-10-25T02:30:00Z""#),
        (r#""2026-10-25T01:30:00Z" | date_add({days: 1}; "Europe/Stockholm")"#, r#""2026-10-26T01:30:00Z""#),
    ]);
}

#[test]
fn the_last_and_the_first_day_of_the_calendar_are_days_as_others() {
    check(&[
        (r#""9999-12-31" | parse_date"#, r#""9999-12-31T00:00:00Z""#),
        (r#""9999-12-31T23:59:59.999Z" | parse_date"#, r#""9999-12-31T23:59:59.999Z""#),
        (r#""9999-12-31T23:59:59.999999999Z" | to_epoch"#, "253402300799.999999999"),
        (r#"253402300799 | parse_date"#, r#""9999-12-31T23:59:59Z""#),
        (r#""31.12.9999" | parse_date("%d.%m.%Y")"#, r#""9999-12-31T00:00:00Z""#),
        (r#""99991231" | parse_date("%Y%m%d"; "Europe/Stockholm")"#, r#""9999-12-30T23:00:00Z""#),
        (r#""99991231" | parse_date("%Y%m%d"; "America/New_York")"#, r#""9999-12-31T05:00:00Z""#),
        (r#""9999-12-31 18:00 -0500" | parse_date("%Y-%m-%d %H:%M %z")"#, r#""9999-12-31T23:00:00Z""#),
        (r#""9999-12-31" | format_date("%d.%m.%Y %A %j")"#, r#""31.12.9999 Friday 365""#),
        (r#""9999-12-31T12:00:00Z" | format_date("%F %H:%M %Z %G-W%V"; "Europe/Stockholm")"#, r#""9999-12-31 13:00 CET 9999-W52""#),
        (r#""9999-12-31T12:00:00Z" | in_timezone("America/New_York")"#, r#""9999-12-31T07:00:00-05:00""#),
        (r#""9999-12-31T00:00:00Z" | in_timezone("Asia/Tokyo")"#, r#""9999-12-31T09:00:00+09:00""#),
        (r#""9999-12-31" | date_diff("2026-01-01"; "days")"#, "2912442"),
        (r#""9999-12-31" | date_diff("2026-01-01"; "years"; "Europe/Stockholm")"#, "7973"),
        (r#""2026-01-01" | date_diff("9999-12-31"; "months")"#, "-95687"),
        (r#""9999-12-31" | date_diff("2026-01-01"; "hours")"#, "69898608"),
        (r#""9999-12-31T23:59:59.999Z" | date_diff("9999-12-31"; "milliseconds")"#, "86399999"),
        (r#""9998-12-31" | date_add({years: 1})"#, r#""9999-12-31T00:00:00Z""#),
        (r#""9999-12-31" | date_add({days: -1, hours: 23})"#, r#""9999-12-30T23:00:00Z""#),
        (r#""9999-12-31T23:00:00Z" | date_add({minutes: 59})"#, r#""9999-12-31T23:59:00Z""#),
        (r#""9999-12-31T10:00:00Z" | start_of("month"; "Europe/Stockholm")"#, r#""9999-11-30T23:00:00Z""#),
        (
            r#""9999-12-31T10:11:12Z" | [start_of("day", "hour", "minute", "week", "year")] | map(.[5:])"#,
            r#"["12-31T00:00:00Z","12-31T10:00:00Z","12-31T10:11:00Z","12-27T00:00:00Z","01-01T00:00:00Z"]"#,
        ),
        (r#""0001-01-01" | [parse_date, to_epoch, format_date("%d.%m.%Y")]"#, r#"["0001-01-01T00:00:00Z",-62135596800,"01.01.0001"]"#),
        (r#""0001-01-01T00:00:00Z" | date_diff("0001-01-02"; "days")"#, "-1"),
        (r#""-009999-01-01" | [parse_date, to_epoch]"#, r#"["-009999-01-01T00:00:00Z",-377705116800]"#),
        (
            r#""-009999-01-01T00:00:00Z" | [date_add({hours: 1}), start_of("year"), (in_timezone("Asia/Tokyo") | .[0:16])]"#,
            r#"["-009999-01-01T01:00:00Z","-009999-01-01T00:00:00Z","-009999-01-01T09"]"#,
        ),
        (r#""0000-02-29" | parse_date"#, r#""0000-02-29T00:00:00Z""#),
        (
            r#""9999-12-31T23:59:59Z" | fromdate | [., todate, gmtime, (gmtime | mktime), strftime("%c")]"#,
            r#"[253402300799,"9999-12-31T23:59:59Z",[9999,11,31,23,59,59,5,364],253402300799,"Fri Dec 31 23:59:59 9999"]"#,
        ),
    ]);
}

#[test]
fn what_leaves_the_calendar_is_an_error_that_says_so() {
    for program in [
        r#""9999-12-31T23:59:59-01:00" | parse_date"#,
        r#""9999-12-31" | date_add({days: 1})"#,
        r#""9999-12-31" | date_add({years: 1000000})"#,
        r#""9999-12-31T23:30:00Z" | date_add({hours: 1})"#,
        r#""9999-12-31T23:00:00Z" | in_timezone("Asia/Tokyo")"#,
        r#""9999-12-31T23:00:00Z" | format_date("%Y"; "Europe/Stockholm")"#,
        r#""99991231 2359" | parse_date("%Y%m%d %H%M"; "America/New_York")"#,
        r#""-009999-01-01T00:00:00Z" | in_timezone("America/New_York")"#,
        r#""-009999-01-01" | date_add({milliseconds: -1})"#,
        "253402300800 | parse_date",
        "1e400 | to_epoch",
        "253402300800 | todate",
        "[10000, 0, 1, 0, 0, 0] | mktime",
    ] {
        let message = run(program).expect_err(program);
        assert!(message.contains("between the years -9999 and 9999"), "{program}: {message}");
    }
}

#[test]
fn an_offset_a_fraction_and_the_words_of_a_format_are_kept() {
    check(&[
        (r#""2026-07-01T10:30:00+0200" | strptime("%Y-%m-%dT%H:%M:%S%z") | [., mktime]"#, "[[2026,6,1,8,30,0,3,181],1782894600]"),
        (r#""2026-07-01T10:30:00-05:30" | strptime("%Y-%m-%dT%H:%M:%S%:z") | mktime"#, "1782921600"),
        (r#""2026-07-01" | strptime("%Y-%m-%d") | mktime"#, "1782864000"),
        (r#"1782894600 | strftime("%c|%x|%X|%r|%p")"#, r#""Wed Jul  1 08:30:00 2026|07/01/26|08:30:00|08:30:00 AM|AM""#),
        (r#""2026-07-01T08:30:00Z" | format_date("%c|%x")"#, r#""Wed Jul  1 08:30:00 2026|07/01/26""#),
        ("1425599621.678 | gmtime", "[2015,2,5,23,53,41.678,4,63]"),
        ("1425599621.678 | [todate, (gmtime | mktime)]", r#"["2015-03-05T23:53:41.678Z",1425599621.678]"#),
        ("1772357400.123456789 | [parse_date, to_epoch]", r#"["2026-03-01T09:30:00.123456789Z",1772357400.123456789]"#),
        (r#""2026-03-01T09:30:00.10Z" | to_epoch"#, "1772357400.1"),
        ("-0.5 | [parse_date, (parse_date | to_epoch)]", r#"["1969-12-31T23:59:59.5Z",-0.5]"#),
    ]);
    for (program, expected) in [
        (r#""2015-03-05T23:51:47" | fromdate"#, "fromdateiso8601 takes a time of RFC 3339"),
        (r#""soon" | strptime("%Y")"#, "strptime: \"soon\" is not as \"%Y\""),
        ("[2026, 12, 1, 0, 0, 0] | mktime", "takes seconds since 1970, or a broken-down time"),
        ("[2026] | mktime", "broken-down time"),
        (r#"0 | strftime("%999999Y")"#, "no widths"),
        (r#""9999-12-31" | format_date("%s")"#, "between the years"),
    ] {
        let message = run(program).expect_err(program);
        assert!(message.contains(expected), "{program}: {message}");
    }
}

/// Each function of times and numbers, with a text, a number and a format.
static ALL: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let functions = [
        "parse_date",
        "to_epoch",
        "in_timezone(\"Asia/Tokyo\")",
        "start_of((\"day\", \"week\", \"year\", \"hour\"); \"Europe/Stockholm\")",
        "format_date($format)",
        "strftime($format)",
        "parse_date($format)",
        "strptime($format)",
        "date_add({years: $n})",
        "date_add({days: $n}; \"Europe/Stockholm\")",
        "date_add({milliseconds: $n})",
        "date_diff($text; (\"months\", \"hours\"))",
        "gmtime",
        "todate",
        "fromdate",
        "[., 0, 1] | mktime",
        "[2026, ., 1] | mktime",
        "[2026, 0, 1, 0, 0, .] | mktime",
        "round_to(2)",
        "round_to(-2)",
        "format_number(\"#,##0.00\")",
        "format_number($text)",
        "tostring | tonumber",
        ". + 1 == 1",
        "[., 1, $n] | sort",
        "parse_number",
        "parse_number({decimal: \",\"})",
        "@urid",
    ];
    let programs = functions.iter().map(|program| {
        format!(". as [$text, $n, $format] | [($text, $n, ($n | floor), \"2026-10-25T01:30:00Z\") | try ({program}) catch .]")
    });
    programs.map(|program| Mapping::compile(&program).unwrap_or_else(|error| panic!("{program}: {error}"))).collect()
});

proptest! {
    /// Functions may return errors; a panic fails the test.
    #[test]
    fn no_text_and_no_number_ends_in_a_panic(
        text in "(\\PC{0,30}|[+-]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,10})?)?)?(Z|[+-][0-9]{2}:[0-9]{2}|\\[Europe/Stockholm\\]|é)?)",
        number in "-?[0-9]{1,25}([.][0-9]{1,12})?([eE][+-]?[0-9]{1,20})?",
        format in "(%[a-zA-Z0-9_.:é-]{1,2}|[T :é-]){0,8}",
    ) {
        let input = Value::array([Value::from(text.as_str()), number_from_text(&number).unwrap(), Value::from(format.as_str())]);
        for mapping in ALL.iter() {
            let _ = mapping.run(&input, &Limits::default());
        }
    }
}
