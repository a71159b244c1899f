use super::*;

/// Returns column, snippet and value of the error's place; all programs have one line.
fn place(program: &str, input: &str) -> (usize, String, Option<String>) {
    let (program, input) = (program.to_owned(), input.to_owned());
    on_a_mapping_thread(move || {
        let (mapping, input) = (compiled(&program), json(&input));
        let error = mapping.run(&input, &Limits::default()).unwrap_err();
        let located = mapping.locate(&input, &error).unwrap_or_else(|| panic!("{program}: {error}"));
        assert_eq!(located.line, 1, "{program}");
        (located.column, located.snippet, located.value)
    })
}

#[test]
fn an_error_is_found_in_the_smallest_part_that_fails() {
    let cases = [
        ("{ id: .a.b, n: (.c | tonumber) }", r#"{"a":{"b":1},"c":"x"}"#, (22, "tonumber", "\"x\"")),
        ("{ id: .a.b.c.d }", r#"{"a":{"b":5}}"#, (7, ".a.b.c", r#"{"a":{"b":5}}"#)),
        ("[.lines[] | .n + 1]", r#"{"lines":[{"n":1},{"n":"x"}]}"#, (13, ".n + 1", r#"{"n":"x"}"#)),
        (".lines | map(.n | tonumber) | add", r#"{"lines":[{"n":"1"},{"n":"y"}]}"#, (19, "tonumber", "\"y\"")),
        (".a as $x | .b | error($x)", r#"{"a":"no","b":7}"#, (17, "error($x)", "7")),
        ("if .a then .b + {} else 1 end", r#"{"a":true,"b":"s"}"#, (12, ".b + {}", r#"{"a":true,"b":"s"}"#)),
        (r#""n: \(.a | error("no"))""#, r#"{"a":1}"#, (12, r#"error("no")"#, "1")),
    ];
    for (program, input, (column, snippet, value)) in cases {
        assert_eq!(place(program, input), (column, snippet.to_owned(), Some(value.to_owned())), "{program}");
    }
}

#[test]
fn the_line_is_counted_and_a_limit_has_no_place() {
    on_a_mapping_thread(|| {
        let (mapping, input) = (compiled("{\n  a: 1, # one\n  b: error(\"x\") # two\n}"), json("{}"));
        let error = mapping.run(&input, &Limits::default()).unwrap_err();
        let located = mapping.locate(&input, &error).unwrap();
        assert_eq!((located.line, located.column, located.snippet.as_str()), (3, 6, "error(\"x\")"));
        assert_eq!(mapping.locate(&input, &MappingError::Stack), None);
    });
}

#[test]
fn what_gives_no_or_too_many_outputs_is_the_stage_after_which_there_are_so_many() {
    let cases = [
        (".lines[] | select(.n > 2)", r#"{"lines":[{"n":1}]}"#, (12, "select(.n > 2)", Some(r#"{"n":1}"#))),
        (".lines | first | empty", r#"{"lines":[7]}"#, (18, "empty", Some("7"))),
        (".lines[]", r#"{"lines":[1,2]}"#, (1, ".lines[]", None)),
        (".a as $a | .lines | .[]", r#"{"a":1,"lines":[1,2]}"#, (21, ".[]", Some("[1,2]"))),
    ];
    for (program, input, (column, snippet, value)) in cases {
        assert_eq!(place(program, input), (column, snippet.to_owned(), value.map(str::to_owned)), "{program}");
    }
}
