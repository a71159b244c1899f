//! Values: JSON in and out, order, and sharing.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{MAX_DEPTH, library};

#[test]
fn json_is_read_strictly() {
    let cases = [
        "",
        " ",
        "nul",
        "tru",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "01",
        "-",
        "+1",
        ".5",
        "5.",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a",
        "[",
        "{",
        "1 2",
        "[1]]",
        "'a'",
        "-01",
        "1.e5",
        "--1",
        "1-2",
    ];
    for text in cases {
        assert!(parse_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse_json(b"\"\xff\"").is_err());
    assert!(parse_json("1".repeat(5000).as_bytes()).is_err());
    assert_eq!(parse_json(b"[1,,2]").unwrap_err().to_string(), "expected a value at byte 3");
}

#[test]
fn json_comes_out_as_it_went_in() {
    for text in [
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "-0e0",
        "1e999",
        "-1E+999",
        "12345678901234567.89",
        "1e99999999999999999999",
        "12345678901234567890123",
        "1.10",
        "1e5",
        "-1.5E-3",
        "\"\"",
        "[]",
        "{}",
        r#"{"b":1,"a":[{"c":null}]}"#,
        r#""\"\\\n\r\t\b\f\u0001""#,
        "\"äé😀\"",
    ] {
        assert_eq!(String::from_utf8(to_json(&json(text))).unwrap(), text);
    }
    assert_eq!(to_json(&json(" [ 1 , \"\\u00e4\\ud83d\\ude00\" ] ")), "[1,\"ä😀\"]".as_bytes());
    assert_eq!(to_json(&json(r#"{"a":1,"a":2}"#)), br#"{"a":2}"#);
    assert_eq!(to_json(&json("\u{feff}1")), b"1");
}

#[test]
fn depth_is_bounded_wherever_a_value_comes_from() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let depth = MAX_DEPTH as usize;
    assert!(parse_json(nested(depth).as_bytes()).is_ok());
    assert!(parse_json(nested(depth + 1).as_bytes()).is_err());
    assert_eq!(run(&format!("reduce range({depth}) as $i (1; [.]) | tojson | length"), "null"), Ok((2 * depth + 1).to_string()));
    for program in [
        "reduce range(2000) as $i (1; [.])",
        "reduce range(2000) as $i (1; {a: .})",
        "reduce range(2000) as $i ({}; {a: .} + {b: 1})",
        "reduce range(2000) as $i ({}; . as $x | .a = $x)",
        "reduce range(2000) as $i ([]; . as $x | .[0] |= $x)",
        "def f: if length > 5000 then fromjson else \"[\" + . + \"]\" | f end; \"1\" | f",
        "[range(2000)] as $p | null | setpath($p; 1)",
    ] {
        let result = on_a_mapping_thread(move || run(program, "null"));
        let is_refused = matches!(result, Err(MappingError::Depth { .. } | MappingError::Failed { .. } | MappingError::Stack));
        assert!(is_refused, "{program}: {result:?}");
    }
}

#[test]
fn a_value_as_deep_as_allowed_is_within_the_stack() {
    let program =
        "reduce range(1023) as $i (1; [.]) | . as $x | [($x == $x), ($x | tojson | fromjson) == $x, ([$x[0], $x[0]] | sort | length),
        ({a: $x[0]} | tostring | length), ([$x | ..] | length), ($x | walk(.) | length), ($x | [paths] | length)] | length";
    let mapping = compiled(program);
    let small = mapping.clone();
    let work = move || mapping.run(&Value::NULL, &Limits::default()).map(|value| to_json(&value));
    assert_eq!(on_a_mapping_thread(work), Ok(b"7".to_vec()));
    // On the small stack of a short attempt it may exceed the limit, and is then run again.
    let work = move || small.run(&Value::NULL, &Limits { time: Limits::default().time, ..Limits::inline() });
    assert!(on_a_stack_of(2 * 1024 * 1024, work).err().is_none_or(|error| error.is_limit()));
    let text = format!("{}{}", "[".repeat(1024), "]".repeat(1024));
    on_a_stack_of(2 * 1024 * 1024, move || {
        let value = parse_json(text.as_bytes()).unwrap();
        assert_eq!(to_json(&value).len(), 2048);
        assert!(value == parse_json(text.as_bytes()).unwrap());
    });
}

#[test]
fn values_are_built_and_read() {
    let value = Value::object([("a", Value::array([Value::from(1_i64), Value::from("x")])), ("b", Value::from(true)), ("c", Value::NULL)]);
    assert_eq!(to_json(&value), br#"{"a":[1,"x"],"b":true,"c":null}"#);
    assert_eq!(value.get("a").and_then(Value::as_array).map(<[Value]>::len), Some(2));
    assert_eq!(value.get("b").and_then(Value::as_bool), Some(true));
    assert!(value.get("c").is_some_and(Value::is_null) && value.get("d").is_none());
    assert_eq!(json("3.0").as_i64(), Some(3));
    assert_eq!(json("3.5").as_i64(), None);
    assert_eq!(json("9223372036854775808").as_i64(), None);
    assert_eq!(Value::from(u64::MAX).to_string(), "18446744073709551615");
    assert_eq!(value.entries().map(|entries| entries.map(|(name, _)| name.to_string()).collect::<String>()), Some("abc".to_string()));
    assert_eq!(value.kind(), "object");
    fn is_shared<T: Send + Sync + Clone>(_: &T) {}
    is_shared(&value);
    is_shared(&compiled("."));
}

/// All functions of jaq and ours, with inputs from which they could make bytes that are not text.
#[test]
fn no_function_writes_replacement_characters_for_bytes_that_are_no_text() {
    let inputs = [r#""%ff""#, r#""/w==""#, r#""_w""#, r#""ff""#, r#""ö😀""#, r#"["%ff"]"#, "[-1]", "[-246]", "[55296]", "[1114112]"];
    let mut called = 0;
    for (name, arguments, _) in library::natives() {
        let arguments = vec!["."; arguments.len()].join("; ");
        let call = if arguments.is_empty() { name.to_owned() } else { format!("{name}({arguments})") };
        let Ok(mapping) = Mapping::compile(&format!("[limit(5; {call})]")) else { continue };
        called += 1;
        for input in inputs {
            let mapping = mapping.clone();
            let output = on_a_mapping_thread(move || mapping.run(&json(input), &Limits::default()));
            let text = output.map(|output| String::from_utf8(to_json(&output)).unwrap()).unwrap_or_default();
            assert!(!text.contains(char::REPLACEMENT_CHARACTER), "{input} | {call}: {text}");
        }
    }
    assert!(called > 150, "{called}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        // Quarters: serde_json does not read every float exactly.
        any::<i32>().prop_map(|quarters| Json::from(f64::from(quarters) / 4.0)),
        "\\PC{0,8}".prop_map(Json::from),
        "[\\x00-\\x7f]{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec(("\\PC{0,5}", inner), 0..6).prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_makes_the_round_trip(json in any_json()) {
        let text = serde_json::to_vec(&json).unwrap();
        let value = parse_json(&text).unwrap();
        let written = to_json(&value);
        let read: Json = serde_json::from_slice(&written).unwrap();
        prop_assert!(value == parse_json(&written).unwrap());
        prop_assert_eq!(as_floats(&read), as_floats(&json));
        prop_assert_eq!(as_floats(&Json::from(&value)), as_floats(&json));
        prop_assert!(Value::from(&json) == value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let ours = parse_json(&bytes).is_ok();
        let theirs = serde_json::from_slice::<Json>(&bytes).is_ok();
        prop_assert!(!theirs || ours);
    }

    #[test]
    fn what_looks_like_json_is_read_as_serde_reads_it(text in "[\\[\\]{}:,\"0-9eE.+\\-atrufalsn\\\\ ]{0,12}") {
        let theirs = serde_json::from_str::<Json>(&text);
        // A number that is too large for a float is refused there, and accepted here.
        let differs = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert!(differs || parse_json(text.as_bytes()).is_ok() == theirs.is_ok());
    }

    #[test]
    fn the_order_is_total(values in prop::collection::vec(any_json(), 3..4)) {
        let values: Vec<Value> = values.iter().map(Value::from).collect();
        let (a, b, c) = (&values[0], &values[1], &values[2]);
        prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
        prop_assert!(!(a <= b && b <= c) || a <= c);
        prop_assert_eq!(a == b, a.cmp(b).is_eq());
    }
}

/// Returns numbers as the nearest floats: an integral float is written as an integer.
fn as_floats(json: &Json) -> Json {
    match json {
        Json::Number(number) => Json::from(number.as_f64().unwrap()),
        Json::Array(items) => items.iter().map(as_floats).collect(),
        Json::Object(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), as_floats(value))).collect()),
        other => other.clone(),
    }
}
