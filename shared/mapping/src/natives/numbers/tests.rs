//! Texts that are read as numbers, texts that are refused, and round trips.

use proptest::prelude::*;

use super::*;
use crate::Mapping;
use crate::value::number_from_text;

fn options(decimal: &str, group: &str, grouping: &str) -> Value {
    Value::object([("decimal", Value::from(decimal)), ("group", Value::from(group)), ("grouping", Value::from(grouping))])
}

fn parsed(text: &str, options: &Value) -> Result<String, String> {
    let read = read::parse_number(&Value::from(text), options);
    read.map(|number| number.to_string()).map_err(|error| error.into_val().as_str().unwrap_or_default().to_owned())
}

fn refusals(cases: &[(&str, Value, &str)]) {
    for (text, options, expected) in cases {
        let message = parsed(text, options).expect_err(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn groups_have_three_digits_and_stand_before_the_point() {
    let comma = || options(",", ".", "thousands");
    for (text, given, expected) in [
        ("1,234.50", Value::NULL, "1234.50"),
        ("1234567", Value::NULL, "1234567"),
        ("-1,234,567", Value::NULL, "-1234567"),
        (" +12.10 ", Value::NULL, "12.10"),
        ("12.10-", Value::NULL, "-12.10"),
        ("\u{2212}7", Value::NULL, "-7"),
        ("- 7", Value::NULL, "-7"),
        (".5", Value::NULL, "0.5"),
        ("1.5e3", Value::NULL, "1.5e3"),
        ("0012", Value::NULL, "12"),
        ("12345678901234567890.123456789", Value::NULL, "12345678901234567890.123456789"),
        ("1.355,90", comma(), "1355.90"),
        ("-,5", comma(), "-0.5"),
        ("1\u{a0}234\u{202f}567,8", options(",", " ", "thousands"), "1234567.8"),
        ("1 234,5", options(",", "\u{a0}", "thousands"), "1234.5"),
        ("1'234.5", options(".", "\u{2019}", "thousands"), "1234.5"),
        ("1\u{2019}234.5", options(".", "'", "thousands"), "1234.5"),
        ("12,34,567.8", options(".", ",", "indian"), "1234567.8"),
        ("1234567", options(".", "", "thousands"), "1234567"),
    ] {
        assert_eq!(parsed(text, &given).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_could_be_another_number_is_refused_with_the_option_that_reads_it() {
    let comma = || Value::object([("decimal", Value::from(","))]);
    refusals(&[
        ("1,50", Value::NULL, "\"1,50\" is no number with the decimal \".\" and \",\" between groups of three digits"),
        ("1,50", Value::NULL, "parse_number({decimal: \",\"}) reads it as 1.50"),
        ("-2,40", Value::NULL, "parse_number({decimal: \",\"}) reads it as -2.40"),
        ("1.355,90", Value::NULL, "parse_number({decimal: \",\"}) reads it as 1355.90"),
        ("19.99", comma(), "; parse_number reads it as 19.99"),
        ("1 234,50", Value::NULL, "parse_number({decimal: \",\", group: \" \"}) reads it as 1234.50"),
        ("1 000", Value::NULL, "group: \" \"}) reads it as 1000"),
        ("1'000", Value::NULL, "parse_number({group: \"'\"}) reads it as 1000"),
        ("12,34,567", Value::NULL, "parse_number({grouping: \"indian\"}) reads it as 1234567"),
        ("0,125", Value::NULL, "parse_number({decimal: \",\"}) reads it as 0.125"),
        ("0.125", comma(), "parse_number reads it as 0.125"),
        ("1,234,567", options(".", ",", "indian"), "parse_number reads it as 1234567"),
        ("1.234.5", comma(), "is no number"),
        ("1,2,3", Value::NULL, "is no number"),
        ("12 34", Value::NULL, "is no number"),
        ("1,234.567,8", Value::NULL, "is no number"),
        ("1,234e3", Value::NULL, "is no number"),
        (",123", Value::NULL, "is no number"),
        ("1,,234", Value::NULL, "is no number"),
        ("1234,567", Value::NULL, "is no number"),
        ("1_000", Value::NULL, "is no number"),
        ("-5-", Value::NULL, "is no number"),
        ("--5", Value::NULL, "is no number"),
        ("+5-", Value::NULL, "is no number"),
        ("", Value::NULL, "the text is empty"),
        ("-", Value::NULL, "is no number"),
        (".", Value::NULL, "is no number"),
        ("e5", Value::NULL, "is no number"),
        ("12%", Value::NULL, "cut off what is no part of a number"),
        ("12 kr", Value::NULL, "cut off what is no part of a number"),
        ("€12", Value::NULL, "cut off what is no part of a number"),
        ("(12)", Value::NULL, "cut off what is no part of a number"),
        ("٣", Value::NULL, "cut off what is no part of a number"),
        ("NaN", Value::NULL, "is no number"),
        ("0x10", Value::NULL, "is no number"),
        ("1", options(",", ",", "thousands"), "`decimal` and `group` are both \",\""),
        ("1", options("1", ",", "thousands"), "no letters, digits and signs"),
        ("1", options(".", "-", "thousands"), "no letters, digits and signs"),
        ("1", options(".", ",", "chinese"), "`grouping` is \"thousands\" or \"indian\""),
    ]);
}

#[test]
fn a_pattern_has_groups_of_three_digits() {
    for pattern in ["0,00", "#,#", "#,##,##0", ",000", "#,###0", "#,##0,", "0.0,0", "0.000,0"] {
        let program = format!("26 | format_number({pattern:?})");
        let message = Mapping::compile(&program).unwrap().run(&Value::NULL, &Default::default()).unwrap_err().to_string();
        assert!(message.contains("have not three digits each; in a pattern `,` stands between groups"), "{pattern}: {message}");
    }
    for (program, expected) in [
        (r##"1234567 | format_number("#,##0"; {grouping: "indian"})"##, "12,34,567"),
        (r##"123 | format_number("#,##0"; {grouping: "indian"})"##, "123"),
        (r##"12345678 | format_number("#,###,##0.0")"##, "12,345,678.0"),
        (r##"1234 | format_number("000,000")"##, "001,234"),
    ] {
        let output = Mapping::compile(program).unwrap().run(&Value::NULL, &Default::default()).unwrap();
        assert_eq!(output.as_str(), Some(expected), "{program}");
    }
}

#[test]
fn an_exponent_beyond_every_bound_is_an_error() {
    for exponent in ["401", "-401", "9223372036854775807", "-9223372036854775807", "-9223372036854775808", "-9223372036854775809"] {
        for program in ["round_to(2)", "format_number(\"0\")", "to_epoch"] {
            let program = format!("0e{exponent} | {program}");
            let output = Mapping::compile(&program).unwrap().run(&Value::NULL, &Default::default());
            assert!(output.is_err(), "{program}: {output:?}");
        }
    }
}

/// Returns a number with up to thirty digits, some of them decimals.
fn any_number() -> impl Strategy<Value = String> {
    ("-?", "(0|[1-9][0-9]{0,20})", "(\\.[0-9]{1,9})?").prop_map(|(sign, whole, fraction)| format!("{sign}{whole}{fraction}"))
}

fn any_options() -> impl Strategy<Value = Value> {
    let separators =
        [(".", ","), (",", "."), (",", " "), (".", " "), (",", "\u{a0}"), (".", "'"), (".", "\u{2019}"), (",", ""), ("::", ";")];
    (prop::sample::select(separators.to_vec()), prop::sample::select(vec!["thousands", "indian"]))
        .prop_map(|((decimal, group), grouping)| options(decimal, group, grouping))
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_number(
        text in any_number(),
        options in any_options(),
        pattern in prop::sample::select(vec!["#,##0.00", "0.#########", "#,##0.#########", "0", "000,000.0", "#"]),
    ) {
        let number = number_from_text(&text).unwrap();
        let written = format::format_number(&number, &Value::from(pattern), &options).unwrap();
        let decimals = pattern.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let rounded = round_to(&number, &Value::from(decimals)).unwrap();
        // `000,000` writes zeros before the number, which are not in a group that a reader accepts.
        let written = written.as_str().unwrap();
        match read::parse_number(&Value::from(written), &options) {
            Ok(read) => prop_assert!(read == rounded, "{written}: {read}, not {rounded}"),
            Err(error) => prop_assert!(pattern == "000,000.0", "{written}: {error}"),
        }
    }

    #[test]
    fn no_text_is_read_as_another_number(text in "[0-9., '+-]{0,12}", options in any_options()) {
        let Ok(number) = read::parse_number(&Value::from(text.as_str()), &options) else { return Ok(()) };
        // Written with the same number of decimals, grouped or not, it is the same text except for zeros, blanks and the place of the sign.
        let decimal = options.get("decimal").and_then(Value::as_str).unwrap();
        let digits = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.trim_start_matches('0').to_owned()
        };
        let whole = text.split(decimal).next().unwrap_or_default();
        let plain = number.to_string();
        prop_assert_eq!(digits(&text), digits(&plain));
        prop_assert_eq!(digits(whole), digits(plain.split('.').next().unwrap_or_default()));
        prop_assert_eq!(text.contains('-'), plain.contains('-'));
    }
}
