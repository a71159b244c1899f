use super::*;
use std::path::PathBuf;
use uuid::Uuid;

fn example(name: &str, text: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("forebay-try-{}-{name}", Uuid::new_v4()));
    std::fs::write(&file, text).unwrap();
    file
}

fn of(definition: &str, body: &str) -> Try {
    Try { file: Some(example("definition.yaml", definition)), input: Some(example("body.json", body)), ..of_nothing() }
}

fn of_nothing() -> Try {
    Try {
        file: None,
        input: None,
        content_type: None,
        method: None,
        query: Vec::new(),
        header: Vec::new(),
        integration: None,
        steps: None,
        mapping: None,
    }
}

/// The error of a trial, whose files are removed.
async fn fails(tried: Try) -> String {
    let error = perform(&Output::new(crate::output::Format::Text), &tried).await.unwrap_err().to_string();
    for file in tried.file.iter().chain(&tried.input) {
        std::fs::remove_file(file).unwrap();
    }
    error
}

#[tokio::test]
async fn a_fault_is_shown_with_its_line_a_caret_and_the_value() {
    let definition = "tenant: t\nname: n\ntrigger: { webhook: {} }\nsteps:\n  - id: a\n    set: '{ n: (.body.c | tonumber) }'\n";
    let error = fails(of(definition, r#"{"c": "x"}"#)).await;
    let (first, rest) = error.split_once('\n').unwrap();
    assert!(first.contains("definition.yaml:6:27: steps[0].set: line 1, column 17: "), "{error}");
    assert_eq!(rest, "    { n: (.body.c | tonumber) }\n                    ^^^^^^^^\n  on \"x\"");
}

#[tokio::test]
async fn every_kind_of_mapping_and_template_has_its_place_in_the_file_and_in_itself() {
    let cases = [
        ("input: |\n  { a: 1,\n    b: (.body.s + 1) }", "4:9: input: line 2, column 7", ".body.s + 1"),
        ("input: .body.list[]", "2:8: input: line 1, column 1", ".body.list[]"),
        ("steps: [{ id: a, when: .body.s.x, set: 1 }]", "2:24: steps[0].when: line 1, column 1", ".body.s.x"),
        ("steps: [{ id: a, set: '.body.list[] | select(. > 9)' }]", "2:39: steps[0].set: line 1, column 16", "select(. > 9)"),
        ("steps: [{ id: a, log: 'n: ${ .body.no }' }]", "2:30: steps[0].log.message: line 1, column 7", ".body.no"),
        ("steps: [{ id: a, log: 'one ${ .body.s } ${ .body.s.x }' }]", "2:44: steps[0].log.message: line 1, column 21", ".body.s.x"),
        ("steps: [{ id: a, assert: .body.s == 1 }]", "2:26: steps[0].assert.that: line 1, column 1", ".body.s == 1"),
        ("steps: [{ id: a, stop: { error: 'no ${ .body.s }' } }]", "2:34: steps[0].stop.error: line 1, column 1", "no ${ .body.s }"),
        ("steps: [{ id: a, wait: { until: .body.s } }]", "2:33: steps[0].wait.until: line 1, column 1", ".body.s"),
        ("steps: [{ id: a, each: { in: .body.s, steps: [] } }]", "2:30: steps[0].each.in: line 1, column 1", ".body.s"),
        (
            "steps: [{ id: a, each: { in: .body.list, steps: [], output: .item.x } }]",
            "2:61: steps[0].each.output: line 1, column 1",
            ".item.x",
        ),
        (
            "steps: [{ id: a, switch: { cases: [{ when: .body.s.x, steps: [] }] } }]",
            "2:44: steps[0].switch.cases[0].when: line 1, column 1",
            ".body.s.x",
        ),
        (
            "steps: [{ id: a, parallel: { b: [{ id: c, set: .body.s.x }] } }]",
            "2:48: steps[0].parallel.b[0].set: line 1, column 1",
            ".body.s.x",
        ),
        ("steps: [{ id: a, call: { integration: b, body: .body.s.x } }]", "2:48: steps[0].call.body: line 1, column 1", ".body.s.x"),
        ("steps: [{ id: a, http: { url: 'http://h/${ .body.list }' } }]", "2:44: steps[0].http.url: line 1, column 13", ".body.list"),
        ("steps: [{ id: a, http: { url: '${ .body.s }/x' } }]", "2:32: steps[0].http.url: line 1, column 1", "${ .body.s }/x"),
        ("steps: [{ id: a, http: { connection: c, path: '/${ .body.no }' } }]", "2:52: steps[0].http.path: line 1, column 5", ".body.no"),
        (
            "steps: [{ id: a, http: { url: 'http://h', query: { q: '${ .body.no }' } } }]",
            "2:59: steps[0].http.query.q: line 1, column 4",
            ".body.no",
        ),
        (
            "steps: [{ id: a, http: { url: 'http://h', headers: { X-A: \"${ .body.s }\\n${ .body.no }\" } } }]",
            "2:77: steps[0].http.headers.X-A: line 2, column 4",
            ".body.no",
        ),
        ("steps: [{ id: a, sql: { connection: c, query: q, params: .body.s } }]", "2:58: steps[0].sql.params: line 1, column 1", ".body.s"),
        (
            "steps: [{ id: a, sql: { connection: c, transaction: [{ execute: q, params: '[.body.s.x]' }] } }]",
            "2:78: steps[0].sql.transaction[0].params: line 1, column 2",
            ".body.s.x",
        ),
        (
            "steps: [{ id: a, email: { connection: c, to: [a@b.example, '${ .body.no }'], subject: s, text: t } }]",
            "2:64: steps[0].email.to[1]: line 1, column 4",
            ".body.no",
        ),
        (
            "steps: [{ id: a, email: { connection: c, to: a@b.example, subject: s, html: '${ .body.list }' } }]",
            "2:81: steps[0].email.html: line 1, column 4",
            ".body.list",
        ),
        (
            "steps: [{ id: a, sftp: { connection: c, move: x, to: '${ .body.no }' } }]",
            "2:58: steps[0].sftp.to: line 1, column 4",
            ".body.no",
        ),
        (
            "steps: [{ id: a, amqp: { connection: c, routing_key: '${ .body.no }' } }]",
            "2:58: steps[0].amqp.routing_key: line 1, column 4",
            ".body.no",
        ),
        ("respond: { status: .body.s }", "2:20: respond.status: line 1, column 1", ".body.s"),
        ("respond: { headers: { X-A: '${ .body.no }' } }", "2:32: respond.headers.X-A: line 1, column 4", ".body.no"),
        ("respond: { body: '1 +' }", "2:22: respond.body: line 1, column 4", ""),
    ];
    for (workflow, place, snippet) in cases {
        let tried = of(&block(workflow), r#"{"s": "x", "list": [1, 2]}"#);
        let error = fails(tried).await;
        assert!(error.contains(&format!("definition.yaml:{place}: ")), "{workflow}\n{error}\n{place}");
        let shown = error.lines().nth(1).map(|_| error.lines().nth(2).unwrap_or_default().matches('^').count());
        assert_eq!(shown, Some(snippet.chars().count().max(1)), "{workflow}\n{error}");
    }
}

/// The definition in which the workflow begins on line 2.
fn block(workflow: &str) -> String {
    format!("\n{workflow}\ntenant: t\nname: n\ntrigger: {{ webhook: {{}} }}\n")
}

#[tokio::test]
async fn an_example_that_the_ingress_refuses_is_refused() {
    let definition = "tenant: t\nname: n\ntrigger: { webhook: { query: { id: { type: integer, required: true } }, body: { schema: { required: [c] } } } }\n";
    let mut tried = of(definition, "{}");
    assert!(fails(tried).await.starts_with("such a call gets 400: "));
    tried = of(definition, "{}");
    tried.query = vec![("id".to_owned(), "5".to_owned())];
    assert!(fails(tried).await.starts_with("such a call gets 422: "));
}

#[tokio::test]
async fn the_example_definitions_run_on_an_example() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/item-price.yaml");
    let tried = Try { file: Some(file), input: None, query: vec![("itemno".to_owned(), "A-100".to_owned())], ..of_nothing() };
    perform(&Output::new(crate::output::Format::Text), &tried).await.unwrap();
}
