//! The tables of docs/your-data.md about bodies: each line is checked with the check of the ingress and the reader of the worker.

use crate::body::read_body;
use forebay_contract::body::{BodyRule, Reading, check_body};
use serde_json::Value as Json;

const DOCUMENT: &str = include_str!("../../../docs/your-data.md");

/// Returns the text between backticks; `none` is no value.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'))
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, mut after) = after.split_at(1);
        bytes.push(match escape {
            "n" => b'\n',
            "r" => b'\r',
            "t" => b'\t',
            "\\" => b'\\',
            "x" => {
                let (digits, rest) = after.split_at(2);
                after = rest;
                u8::from_str_radix(digits, 16).unwrap()
            }
            other => panic!("an unknown escape: {other} in {text}"),
        });
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Reads `content_type: text/csv, separator: ";"`.
fn rule(text: &str) -> BodyRule {
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}: "))?;
        Some(match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap(),
            None => rest.split(", ").next().unwrap(),
        })
    };
    let rule = BodyRule::new(field("content_type"), field("charset"), field("separator")).unwrap();
    assert!(!rule.is_none(), "{text}");
    rule
}

#[test]
fn each_example_of_the_tests_for_a_separator_is_true() {
    let (_, section) = DOCUMENT.split_once("\n### CSV\n").unwrap();
    let section = section.split("\n### ").next().unwrap();
    let examples: Vec<&str> = section.split("Example: ").skip(1).collect();
    assert_eq!(examples.len(), section.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).count());
    for example in examples {
        let (body, rest) = example.split_once(" gives ").unwrap();
        let expected = code(rest.split_once('.').unwrap().0).unwrap();
        let read = read_body(Reading::as_sent(1 << 20), Some("text/csv; header=absent"), None, &bytes(code(body).unwrap()));
        assert_eq!(Json::from(&read.unwrap()), serde_json::from_str::<Json>(expected).unwrap(), "{body}");
    }
}

#[test]
fn each_line_of_the_tables_about_bodies_is_true() {
    let (_, section) = DOCUMENT.split_once("\n## Bodies\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut executed = 0;
    for line in section.lines().filter(|line| line.starts_with("| ") && !line.contains("Content-Type | body")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (rule, [content_type, body, expected]) = match cells.as_slice() {
            [said, rest @ ..] if rest.len() == 3 => (rule(code(said).unwrap()), [rest[0], rest[1], rest[2]]),
            [content_type, body, expected] => (BodyRule::NONE, [*content_type, *body, *expected]),
            _ => panic!("{line}"),
        };
        let content_type = code(content_type);
        let body = bytes(code(body).unwrap_or_default());
        let reading = Reading { rule: &rule, max_bytes: 1 << 20 };
        let checked = check_body(reading, content_type, None, &body);
        let read = read_body(reading, content_type, None, &body);
        match (expected.strip_prefix("refused: "), read) {
            (Some(part), Err(error)) => {
                assert!(error.to_string().contains(part), "{line}\n{error}");
                assert!(checked.unwrap_err().to_string().contains(part), "{line}");
            }
            (None, Ok(value)) => {
                assert_eq!(checked, Ok(()), "{line}");
                let expected: Json = serde_json::from_str(code(expected).unwrap()).unwrap();
                assert_eq!(Json::from(&value), expected, "{line}");
            }
            (_, read) => panic!("{line}\n{:?}", read.map(|value| value.to_string())),
        }
        executed += 1;
    }
    assert!(executed > 50, "{executed}");
}
