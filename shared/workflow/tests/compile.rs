//! Definitions that do not compile, and the places in their problems.

mod support;

use support::{problems, program};

#[test]
fn every_problem_is_reported_with_its_path_line_and_column() {
    let found = problems(
        "
input: |
  { id:
    .body.id | nonsense }
steps:
  - { id: a, when: '1 +', set: '.x' }
  - { id: b, set: 'foo(1)' }
  - id: c
    http: { url: 'https://erp.example/${ .x', headers: { X-A: '${ ) }', Host: x }, query: { q: '${ bad }' }, body: '{' }
respond: { status: '1 1', headers: { Content-Length: '5', X-B: '${ . }', x-b: '1' }, body: 'y' }
",
    );
    let expected = [
        "input: line 2, column 14:",
        "steps[0].when: line 1, column 4:",
        "steps[1].set: line 1, column 1:",
        "steps[2].http.url: ",
        "steps[2].http.headers.X-A: line 1, column ",
        "steps[2].http.headers.Host: 'host' follows from the url",
        "steps[2].http.query.q: line 1, column ",
        "steps[2].http.body: line 1, column ",
        "respond.status: line 1, column ",
        "respond.headers.Content-Length: 'content-length' belongs to the connection",
        "respond.headers.x-b: is given twice",
        "respond.body: line 1, column ",
    ];
    for text in expected {
        assert!(found.contains(text), "{text} is not in:\n{found}");
    }
    assert_eq!(found.lines().count(), expected.len(), "{found}");
}

#[test]
fn the_ordering_key_is_compiled_too() {
    let yaml = "tenant: t\nname: n\ntrigger: { webhook: { ordered: { by: '.body.' } } }\n";
    let found = forebay_workflow::Program::compile(support::definition_of(yaml)).err().unwrap();
    assert_eq!(found[0].path, "trigger.webhook.ordered.by");
}

#[test]
fn a_literal_address_of_mail_that_no_server_takes_is_refused_in_a_new_definition_only() {
    let yaml = "tenant: t
name: n
trigger: { webhook: {} }
steps:
  - id: a
    email:
      connection: m
      from: anna
      to: [ann@example.com, 'a@b@c', '${ .x }@corp.example', 'Ann Lee, ann@example.com', '${ .x } y@corp.example']
      cc: 'an na@example.com'
      bcc: '${ .list }'
      reply_to: 'Ann <ann@example.com>, bob@example.com'
      subject: x
      text: x
";
    let definition = support::definition_of(yaml);
    let found = forebay_workflow::Program::check(&definition).unwrap_err();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "steps[0].email.from: 'anna' is no address",
        "steps[0].email.to[1]: 'a@b@c' is no address",
        "steps[0].email.to[3]: 'Ann Lee' is no address",
        "steps[0].email.to[4]: '1 y@corp.example' is no address",
        "steps[0].email.cc: 'an na@example.com' is no address",
        "steps[0].email.reply_to: it holds several addresses",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for text in expected {
        assert!(found.iter().any(|problem| problem.starts_with(text)), "{text} is not in {found:#?}");
    }
    // A stored definition of an older version still runs, apart from the email.
    assert!(forebay_workflow::Program::compile(definition).is_ok());
    let alert = |to: &str| {
        let send = serde_json::json!({ "email": { "connection": "m", "to": ["ops@example.com", to] } });
        let alert = serde_json::json!({ "tenant": "t", "alert": "a", "when": { "halted": {} }, "send": send });
        forebay_workflow::check_alert(&forebay_contract::alert::Alert::from_value(&alert).unwrap())
    };
    let problems = alert("a@b@c").unwrap_err();
    assert!(problems[0].to_string().starts_with("send.email.to[1]: 'a@b@c' is no address"), "{problems:?}");
    assert_eq!(alert("Ops <ops@example.com>"), Ok(()));
}

#[test]
fn an_address_must_be_one() {
    let cases = [
        ("erp.example/x", "http:// or https://"),
        ("ftp://erp.example/x", "http:// or https://"),
        ("https://user:secret@erp.example/x", "credentials"),
        ("https://${ .u }@erp.example/x", "credentials"),
        ("https:///x", "host"),
        ("https://erp example/x", "host"),
        ("https://erp.example/x#y", "#"),
        ("/x", "http:// or https://"),
    ];
    for (url, expected) in cases {
        let found = problems(&format!("steps: [{{ id: a, http: {{ url: '{url}' }} }}]"));
        assert!(found.contains("steps[0].http.url: ") && found.contains(expected), "{url}: {found}");
        assert!(!found.contains("secret"), "{found}");
    }
    for url in [
        "https://erp.example",
        "http://127.0.0.1:80/a/${ .x }?b=${ .y }&${ .z }",
        "${ .input.url }",
        "${ .input.base }/orders",
        "https://${ .host }/x",
        "https://${ .host }:${ .port }/x",
        "http://[::1]:9/x",
    ] {
        program(&format!("steps: [{{ id: a, http: {{ url: '{url}' }} }}]"));
    }
}
