//! Templates: the ends of expressions, and inserted values.

use proptest::prelude::*;

use super::*;

fn render(template: &str, encoding: Encoding, input: &str) -> Result<String, MappingError> {
    let template = Template::compile(template, encoding).unwrap_or_else(|error| panic!("{template}: {error}"));
    template.render(&json(input), &Limits::default())
}

const INPUT: &str = r#"{"id":7,"name":"a b/ü","null":null,"list":[1,2],"line":"x\r\ny","t":true,"dots":"..","price":19.90}"#;

#[test]
fn an_expression_ends_at_its_own_brace() {
    let cases = [
        ("/orders/${ .id }/x", "/orders/7/x"),
        ("${ {a: {b: .id}} | .a.b }", "7"),
        ("${ \"}\" }${ \"\\\"}\" }", "}\"}"),
        ("${ \"\\({a: \"}\"} | .a)}\" }", "}}"),
        ("${ .id # a } in a comment\n }", "7"),
        ("a$${b}${ .id }", "a${b}7"),
        ("$$${ .id }", "$${ .id }"),
        ("$a $ {} } ${ .id }", "$a $ {} } 7"),
        ("", ""),
        ("plain", "plain"),
    ];
    for (template, expected) in cases {
        assert_eq!(render(template, Encoding::None, INPUT).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn each_place_has_its_encoding() {
    let cases = [
        ("${.name}", Encoding::PathSegment, Ok("a%20b%2F%C3%BC")),
        ("${.name}", Encoding::QueryValue, Ok("a%20b%2F%C3%BC")),
        ("${.name}", Encoding::HeaderValue, Ok("a b/ü")),
        ("${.name}", Encoding::None, Ok("a b/ü")),
        ("${.id}-${.t}-${.price}", Encoding::PathSegment, Ok("7-true-19.90")),
        ("${.list}", Encoding::None, Ok("[1,2]")),
        ("${.list}", Encoding::PathSegment, Err("`${.list}` gave array ([1,2]); only a string, a number or a boolean fits here")),
        ("${.list}", Encoding::HeaderValue, Err("`${.list}` gave array ([1,2]); only a string, a number or a boolean fits here")),
        ("${.line}", Encoding::HeaderValue, Err("`${.line}` gave a text with the control character '\\r', which a header cannot hold")),
        ("${.dots}", Encoding::PathSegment, Err("`${.dots}` gave `..`, which would lead to another path")),
        ("${ .null }", Encoding::None, Err("`${ .null }` is null. Use `// \"...\"` inside it for a default")),
        ("${ .missing // \"x\" }", Encoding::None, Ok("x")),
    ];
    for (template, encoding, expected) in cases {
        let rendered = render(template, encoding, INPUT).map_err(|error| error.to_string());
        assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{template}");
    }
}

#[test]
fn errors_are_at_their_place_in_the_template() {
    let error = |template: &str| Template::compile(template, Encoding::None).unwrap_err();
    assert_eq!((error("a\nbc ${ .x").line, error("a\nbc ${ .x").column), (2, 4));
    assert_eq!((error("ab ${ foo }").line, error("ab ${ foo }").column), (1, 7));
    assert_eq!((error("ab ${ 1 +\n foo }").line, error("ab ${ 1 +\n foo }").column), (2, 2));
    assert!(error(&"x".repeat(100_000)).message.contains("at most"));
}

#[test]
fn a_template_without_expressions_is_literal() {
    assert!(Template::compile("a $${b}", Encoding::None).unwrap().is_literal());
    assert!(!Template::compile("a ${1}", Encoding::None).unwrap().is_literal());
}

proptest! {
    /// Any text, with every `${` in it escaped, renders as itself.
    #[test]
    fn escaped_text_renders_as_itself(text in "[ -~äö$\\{\\}\"\\\\#\n]{0,40}") {
        let escaped = text.replace("${", "$${");
        // A dollar before an escaped one would itself count as the beginning of the escape.
        prop_assume!(!text.contains("$${"));
        prop_assert_eq!(render(&escaped, Encoding::None, "null").unwrap(), text);
    }

    /// An expression may contain a string literal of any text, whatever braces and quotes it has.
    #[test]
    fn any_string_literal_stands_in_an_expression(text in "[ -~äö$\\{\\}\"\\\\#\n]{0,40}", before in "[a-z ]{0,5}", after in "[a-z\\} ]{0,5}") {
        let literal = serde_json::to_string(&text).unwrap();
        let template = format!("{before}${{ [{literal}] | .[0] }}{after}");
        prop_assert_eq!(render(&template, Encoding::None, "null").unwrap(), format!("{before}{text}{after}"));
    }

    /// The compiler of templates does not panic on any text.
    #[test]
    fn any_text_compiles_or_is_refused(text in "[ -~$\\{\\}\"\\\\#\n]{0,60}") {
        let _ = Template::compile(&text, Encoding::None);
    }

    /// A value that is inserted into a path stays one segment.
    #[test]
    fn an_inserted_segment_stays_one(text in "\\PC{1,20}") {
        prop_assume!(text != "." && text != "..");
        let input = Value::object([("x", Value::string(text))]);
        let template = Template::compile("${.x}", Encoding::PathSegment).unwrap();
        let rendered = template.render(&input, &Limits::default()).unwrap();
        prop_assert!(rendered.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
    }
}
