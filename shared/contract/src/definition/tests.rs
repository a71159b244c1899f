use super::*;
use crate::authentication::{ApiKey, Authentication};
use crate::body::Charset;
use http::Method;
use serde_json::{Value, json};

/// The example of the design, without later fields.
const WORK_ORDER: &str = r#"
tenant: t37ed
name: CreateWorkOrder
description: Work orders from ACME
enabled: true
trigger:
  webhook:
    methods: [POST]
    authentication: api_key
    query:
      customerid:   { type: integer, required: true }
      customername: { default: TheCompany }
    body: { max_bytes: 2048 }
    ordered: true
    response: { wait: 30s, on_timeout: error }
    cors: { origins: ['https://portal.example'] }
retry:   { attempts: 5, backoff: { first: 1s, factor: 2, max: 5m } }
on_failure: halt
diagnostics: { input: true, output: true, steps: true, keep: 14d }
input: |
  { id: .body.workOrder.id, customer: .query.customerid }
steps:
  - id: price
    when: .input.id != null
    http: { method: GET, url: 'https://erp.example/price/${ .input.id }', timeout: 10s, headers: { X-Site: 7 } }
  - { id: total, set: '.steps.price.body.total * 2' }
respond: { status: 201, headers: { Location: '/w/${ .input.id }' }, body: '{ id: .steps.price.body.id }' }
"#;

fn read(yaml: &str) -> Result<Definition, DefinitionError> {
    let document = documents(yaml).unwrap().remove(0);
    let read = Definition::from_value(&document);
    if read.is_ok() {
        crate::published::tests::assert_valid(&document);
    }
    read
}

fn webhook_of(definition: &Definition) -> &Webhook {
    definition.trigger.webhook().unwrap()
}

fn problems(yaml: &str) -> String {
    read(yaml).unwrap_err().to_string()
}

fn webhook(text: &str) -> String {
    format!("tenant: t\nname: n\ntrigger:\n  webhook: {text}\n")
}

#[test]
fn the_designs_example_is_read_whole() {
    let definition = read(WORK_ORDER).unwrap();
    assert_eq!(definition.path().to_string(), "t37ed/CreateWorkOrder");
    assert_eq!(webhook_of(&definition).methods, [Method::POST]);
    assert_eq!(webhook_of(&definition).policy, DispatchPolicy::Ordered);
    assert_eq!(webhook_of(&definition).query[0].kind, QueryKind::Integer);
    assert_eq!(webhook_of(&definition).query[1].default, Some(json!("TheCompany")));
    assert_eq!(webhook_of(&definition).max_bytes, 2048);
    assert_eq!(definition.retry.attempts, 5);
    assert_eq!(definition.on_failure, OnFailure::Halt);
    assert_eq!(definition.steps[0].timeout, Some(Duration::from_secs(10)));
    let Action::Http(call) = &definition.steps[0].action else { panic!("{:?}", definition.steps[0]) };
    assert_eq!(call.headers, [("X-Site".to_owned(), "7".to_owned())]);
    assert_eq!(definition.respond.unwrap().status, Status::Fixed(201));
}

#[test]
fn the_shortest_definition_takes_the_defaults() {
    let definition = read("tenant: t\nname: n\ntrigger:\n  webhook:\n").unwrap();
    assert_eq!(webhook_of(&definition).methods, [Method::GET, Method::POST]);
    assert_eq!(webhook_of(&definition).authentication, Authentication::ApiKey(ApiKey));
    assert_eq!(webhook_of(&definition).policy, DispatchPolicy::Parallel);
    assert_eq!(webhook_of(&definition).response, None);
    assert_eq!(definition.retry, RetryPolicy::default());
    assert!(definition.enabled);
}

#[test]
fn every_delivery_can_be_asked_for() {
    let cases = [
        ("{ ordered: false }", DispatchPolicy::Parallel),
        ("{ ordered: true }", DispatchPolicy::Ordered),
        ("{ ordered: { by: .body.site } }", DispatchPolicy::OrderedByKey { by: ".body.site".into(), concurrency: 16 }),
        ("{ concurrency: 5 }", DispatchPolicy::ConcurrencyLimit(5)),
    ];
    for (text, delivery) in cases {
        assert_eq!(read(&webhook(text)).unwrap().trigger.policy().clone(), delivery, "{text}");
    }
}

#[test]
fn a_mistake_names_its_path_and_what_was_meant() {
    let cases = [
        (webhook("{ authentification: none }"), "trigger.webhook.authentification: unknown field; did you mean 'authentication'?"),
        (webhook("{ methods: [FETCH] }"), "trigger.webhook.methods[0]: must be GET, POST, PUT, PATCH or DELETE, not 'FETCH'"),
        (webhook("{ methods: [] }"), "trigger.webhook.methods: must be a list with at least one method"),
        (webhook("{ methods: [GET, GET] }"), "names GET twice"),
        (webhook("{ authentication: apikey }"), "must be api_key or none, not 'apikey'; did you mean 'api_key'?"),
        (webhook("{ authentication: {} }"), "trigger.webhook.authentication: must be api_key, none, { signature: github } or"),
        (webhook("{ authentication: { signature: git } }"), "authentication.signature: must be github or shopify or slack or stripe"),
        (webhook("{ authentication: { signature: {} } }"), "trigger.webhook.authentication.signature.header: is required"),
        (webhook("{ authentication: { signature: { header: 'a b' } } }"), "signature.header: is no name of a header: 'a b'"),
        (webhook("{ authentication: { signature: { header: \"a'b\" } } }"), "signature.header: is no name of a header: 'a'b'"),
        (webhook("{ authentication: { signature: { header: a, tolerance: 1m } } }"), "tolerance: is for a scheme with a timestamp"),
        (webhook("{ authentication: { signature: { header: a, algorithm: md5 } } }"), "algorithm: must be sha1 or sha256 or sha512"),
        (webhook("{ query: { a: { type: int } } }"), "trigger.webhook.query.a.type: must be string or integer"),
        (webhook("{ query: { a: { type: integer, default: x } } }"), "query.a.default: must be of the type integer, not 'x'"),
        (webhook("{ query: { a: { required: true, default: x } } }"), "a required parameter has no default"),
        (webhook("{ body: { max_bytes: 99999999999 } }"), "trigger.webhook.body.max_bytes: must be a whole number from 0 to"),
        (webhook("{ body: { content_type: csv } }"), "trigger.webhook.body.content_type: must be of the form type/subtype"),
        (webhook("{ body: { charset: ebcdic } }"), "trigger.webhook.body.charset: the charset 'ebcdic' is not supported"),
        (webhook("{ body: { separator: '' } }"), "trigger.webhook.body.separator: must be one ASCII character"),
        (webhook("{ body: { content_type: text/plain, separator: ';' } }"), "separator: has no effect: 'text/plain' is no CSV"),
        (webhook("{ ordered: true, concurrency: 3 }"), "trigger.webhook.concurrency: is for unordered triggers"),
        (webhook("{ ordered: { concurrency: 3 } }"), "trigger.webhook.ordered.by: is required"),
        (webhook("{ response: { wait: 30 } }"), "trigger.webhook.response.wait: must be a duration, not 30: write a unit, such as 30s"),
        (webhook("{ response: { wait: 2d } }"), "must be from 1ms to 15m, not 2d"),
        (webhook("{ cors: { origins: ['https://a.example/'] } }"), "must be origins such as"),
        (webhook("{ idempotency: { keep: 90d } }"), "trigger.webhook.idempotency.keep: must be from 1s to 30d, not 90d"),
        (webhook("{ rate: { calls: 5 } }"), "trigger.webhook.rate.per: is required: a rate is written { calls: 100, per: 1m }"),
        (webhook("{ rate: { calls: 0, per: 1m } }"), "trigger.webhook.rate.calls: must be a whole number from 1 to 1000000, not 0"),
        (webhook("{ rate: { calls: 1, per: 100ms } }"), "trigger.webhook.rate.per: must be from 1s to 1d, not 100ms"),
        (
            webhook("{ rate: { calls: 1, per: 1m, scope: caller } }"),
            "trigger.webhook.rate.scope: must be endpoint or key or address, not 'caller'",
        ),
        (
            webhook("{ authentication: none, rate: { calls: 1, per: 1m, scope: key } }"),
            "rate.scope: cannot be key where authentication is none",
        ),
        (webhook("{ body: { schema: { type: text } } }"), "trigger.webhook.body.schema: is no JSON Schema: at /type"),
        (
            "tenant: t\nname: n\ntrigger: { schedule: { every: 15m, cron: '* * * * *' } }".into(),
            "trigger.schedule: has both every and cron",
        ),
        ("tenant: t\nname: n\ntrigger: { schedule: { every: 15m, starting: noon } }".into(), "trigger.schedule.starting: must be a time"),
        (
            "tenant: t\nname: n\ntrigger: { schedule: { every: 1m }, webhook: {} }".into(),
            "trigger: has more than one of webhook, schedule: make an integration of each",
        ),
        (format!("{}on_failure: halt", webhook("{}")), "on_failure: halt needs an ordered trigger"),
        (format!("{}steps: [{{ id: a-b, set: '1' }}]", webhook("{}")), "steps[0].id: 'a-b' must begin with a letter"),
        (format!("{}steps: [{{ id: a, set: '1' }}, {{ id: a, set: '1' }}]", webhook("{}")), "steps: the id 'a' is given to two steps"),
        (format!("{}steps: [{{ id: a }}]", webhook("{}")), "steps[0]: needs one of http, sql"),
        (format!("{}steps: [{{ id: a, set: '1', http: {{ url: x }} }}]", webhook("{}")), "steps[0]: has more than one"),
        (format!("{}steps: [{{ id: a, http: {{ method: GET }} }}]", webhook("{}")), "steps[0].http.url: is required"),
        (format!("{}respond: {{ status: 99 }}", webhook("{}")), "respond.status: must be a number from 200 to 599"),
        (format!("{}retry: {{ attempts: 0 }}", webhook("{}")), "retry.attempts: must be a whole number from 1 to 20, not 0"),
        ("name: n\ntrigger: { webhook: {} }".into(), "tenant: is required"),
        ("tenant: 'a b'\nname: n\ntrigger: { webhook: {} }".into(), "tenant: 'a b' is no name"),
        ("tenant: t\nname: n".into(), "trigger: is required"),
        ("[1]".into(), "must be a mapping of fields, not a list"),
    ];
    for (yaml, expected) in cases {
        let text = problems(&yaml);
        assert!(text.contains(expected), "{yaml}\n{text}");
    }
}

#[test]
fn every_kind_of_step_is_read_with_those_inside_of_it() {
    let yaml = format!(
        "{}{}",
        webhook("{}"),
        r#"
steps:
  - id: price
    http: { connection: erp, path: '/price/${ .input.id }', accept: [404] }
    retry: { attempts: 3 }
    on_error: [{ id: told, log: { message: 'no price', level: warn } }]
  - { id: rows, sql: { connection: db, query: 'select 1 where 1 = $1', params: '[.input.id]' } }
  - { id: both, sql: { connection: db, transaction: [{ execute: 'delete from a' }, { query: 'select 1' }] } }
  - { id: mail, email: { connection: smtp, to: a@b.example, subject: s, text: t }, on_error: continue }
  - { id: files, sftp: { connection: drop, list: /in, pattern: '*.csv' } }
  - { id: file, sftp: { connection: drop, put: out.csv, body: .steps.rows } }
  - { id: told2, amqp: { connection: bus, routing_key: orders } }
  - { id: sub, call: { integration: Other, wait: false } }
  - id: choice
    switch:
      cases: [{ when: .input.a, steps: [{ id: a, set: 1 }] }]
      default: [{ id: b, set: 2 }]
  - { id: lines, each: { in: .input.lines, parallel: 4, steps: [{ id: c, set: .item }] } }
  - { id: at_once, parallel: { left: [{ id: d, set: 1 }], right: [{ id: e, set: 2 }] } }
  - { id: sure, assert: .steps.a == 1 }
  - { id: sure2, assert: { that: 'true', message: 'not ${ .input }' } }
  - { id: later, wait: 15m }
  - { id: then, wait: { until: .input.at } }
  - { id: early, respond: { status: 202 } }
  - { id: end, stop: { error: 'gone' }, when: .input.gone }
"#
    );
    let definition = read(&yaml).unwrap();
    let kinds: Vec<&str> = definition.steps.iter().map(|step| step.action.kind()).collect();
    let expected = "http sql sql email sftp sftp amqp call switch each parallel assert assert wait wait respond stop";
    assert_eq!(kinds.join(" "), expected);
    assert_eq!(Step::all(&definition.steps).len(), 17 + 6);
}

#[test]
fn a_mistake_in_a_step_names_the_step_and_what_was_meant() {
    let cases = [
        ("{ id: a, htp: {} }", "steps[0]: needs one of http"),
        ("{ id: a, http: { connection: c, url: x } }", "steps[0].http.url: is for calls without a connection"),
        ("{ id: a, http: { url: x, path: y } }", "steps[0].http.path: is for calls by a connection"),
        ("{ id: a, http: { url: x, accept: [4040] } }", "steps[0].http.accept[0]: must be a status from 100 to 599, not 4040"),
        ("{ id: a, sql: { connection: c } }", "steps[0].sql: needs query (reads), execute (changes) or transaction"),
        ("{ id: a, sql: { connection: c, transaction: [{}] } }", "steps[0].sql.transaction[0]: needs query or execute"),
        ("{ id: a, email: { connection: c, text: t } }", "steps[0].email.to: is required"),
        ("{ id: a, sftp: { connection: c, list: a, to: b } }", "steps[0].sftp.to: belongs to move"),
        ("{ id: a, sftp: { connection: c, get: a, content_type: csv } }", "steps[0].sftp.content_type: must be of the form type/subtype"),
        ("{ id: a, sftp: { connection: c, put: a, body: 1, charset: utf-8 } }", "steps[0].sftp.charset: belongs to get"),
        ("{ id: a, http: { url: 'http://x', response: {} } }", "steps[0].http.response: needs one of content_type, charset, separator"),
        ("{ id: a, sftp: { connection: c, put: a } }", "steps[0].sftp.body: is required"),
        ("{ id: a, switch: { cases: [{ when: x }] } }", "steps[0].switch.cases[0].steps: is required"),
        ("{ id: a, each: { in: x, steps: [{ id: a, set: '1' }] } }", "the id 'a' is given to two steps"),
        ("{ id: a, parallel: { left: x } }", "steps[0].parallel.left: must be a list"),
        ("{ id: a, wait: soon }", "steps[0].wait: 'soon' is not a valid duration"),
        ("{ id: a, set: '1', on_error: ignore }", "steps[0].on_error: must be fail, continue or a list of steps"),
    ];
    for (step, expected) in cases {
        let text = problems(&format!("{}steps: [{step}]", webhook("{}")));
        assert!(text.contains(expected), "{step}\n{text}");
    }
    let text = problems(&format!("{}steps: [{{ id: a, wait: 1h }}]", webhook("{ ordered: true }")));
    assert!(text.contains("the step 'a' waits longer than 10m"), "{text}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = problems("tenant: t\nnam: n\ntrigger: { webhook: { methods: [X] } }\nretry: { attempts: x }\n");
    for expected in ["name: is required", "nam: unknown field", "methods", "retry.attempts"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_file_holds_several_documents_and_a_broken_one_names_its_line() {
    assert_eq!(documents("a: 1\n---\na: 2\n---\n").unwrap(), [json!({"a": 1}), json!({"a": 2})]);
    assert_eq!(documents("{\"a\": [1]}").unwrap(), [json!({"a": [1]})]);
    assert_eq!(documents("").unwrap(), Vec::<Value>::new());
    let error = documents("a: 1\nb: [1\nc: 2\n").unwrap_err();
    assert!(error.line >= 2, "{error}");
    assert!(documents("a: 1\na: 2\n").unwrap_err().to_string().contains("line 2"));
}

#[test]
fn an_unquoted_scalar_reaches_a_text_as_it_is_written() {
    let written = [
        "01234",
        "+46701234567",
        "1.10",
        "1.0",
        "-0",
        "0x1F",
        "0o17",
        "1_000",
        ".5",
        "5.",
        "1e5",
        "1E+05",
        "12345678901234567890123",
        "1.e3",
        "12345678901234567.89",
        ".inf",
        "-.Inf",
        ".nan",
        "true",
        "True",
        "FALSE",
        "no",
        "on",
        "2026-12-01",
        "12:30",
        "007",
        "09",
    ];
    for text in written {
        for file in [
            format!("{}steps: [{{ id: a, http: {{ url: x, headers: {{ X-A: {text} }}, query: {{ q: {text} }} }} }}]", webhook("{}")),
            format!(
                "\u{feff}# é\r\ntenant: t\r\nname: n\r\ntrigger:\r\n  webhook:\r\nsteps:\r\n  - id: a\r\n    http:\r\n      url: x\r\n      headers:\r\n        X-A: {text}  # comment\r\n      query:\r\n        q: {text}\r\n"
            ),
            format!(
                "---\n---\n{}steps: [{{ id: a, http: {{ url: x, headers: {{ X-A: &shared {text} }}, query: {{ q: *shared }} }} }}]",
                webhook("{}")
            ),
        ] {
            let definition = read(&file).unwrap_or_else(|error| panic!("{text}: {error}"));
            let Action::Http(call) = &definition.steps[0].action else { panic!("{definition:?}") };
            assert_eq!(call.headers, [("X-A".to_owned(), text.to_owned())], "{file}");
            assert_eq!(call.query, [("q".to_owned(), text.to_owned())], "{file}");
        }
        let definition = read(&webhook(&format!("{{ query: {{ a: {{ default: {text} }} }} }}"))).unwrap();
        assert_eq!(webhook_of(&definition).query[0].default, Some(json!(text)));
    }
}

#[test]
fn an_unquoted_number_keeps_its_digits_or_is_refused_where_it_could_be_a_text() {
    let schedule = |input: &str| format!("tenant: t\nname: n\ntrigger:\n  schedule:\n    every: 1m\n    input:\n      a: [{input}]\n");
    for digits in ["1.10", "12345678901234567.89", "1e+400", "0.0"] {
        let document = documents(&schedule(digits)).unwrap().remove(0);
        assert_eq!(document["trigger"]["schedule"]["input"].to_string(), format!("{{\"a\":[{digits}]}}"));
        assert_eq!(documents(&to_yaml(&document)).unwrap(), [document], "{digits}");
    }
    for text in ["-0", "12E5", "01234", "+46701234567", "0x1F", ".5", "1_000", ".inf"] {
        let error = documents(&schedule(text)).unwrap_err();
        assert_eq!(error.line, 7, "{error}");
        assert!(error.message.contains(&format!("'{text}'")) && error.message.contains("in quotes"), "{error}");
        assert_eq!(documents(&schedule(&format!("'{text}'"))).unwrap()[0]["trigger"]["schedule"]["input"]["a"], json!([text]));
    }
    let cases = [
        ("concurrency: 0x10", "trigger.webhook.concurrency: must be a whole number from 1 to 1024, not '0x10'"),
        ("concurrency: 5.0", "must be a whole number from 1 to 1024, not 5.0"),
        ("response: { wait: 030 }", "response.wait: '030' is not a valid duration"),
        ("query: { a: { type: integer, default: 1.0 } }", "must be of the type integer, not '1.0'"),
        ("idempotency: { key: 007 }", "idempotency.key: '007' is a jq program"),
        ("idempotency: { key: ' ' }", "idempotency.key: is empty"),
    ];
    for (field, expected) in cases {
        let text = problems(&webhook(&format!("{{ {field} }}")));
        assert!(text.contains(expected), "{field}: {text}");
    }
}

#[test]
fn pauses_grow_by_the_factor_up_to_the_maximum_and_end_with_the_attempts() {
    let policy = read(&format!("{}retry: {{ attempts: 4, backoff: {{ first: 1s, factor: 3, max: 5s }} }}", webhook("{}"))).unwrap().retry;
    let pauses: Vec<_> = (1..=4).map(|attempt| policy.pause_after(attempt)).collect();
    let seconds = |s| Some(Duration::from_secs(s));
    assert_eq!(pauses, [seconds(1), seconds(3), seconds(5), None]);
}

#[test]
fn a_document_written_as_yaml_reads_back_the_same() {
    let texts = ["no", "1.0", "2026-12-01", "a: b", "line\nline\n", "line\n\n", " x", "# x", "\u{0}", "", "'", "~", "0o7", "- a"];
    for text in texts {
        let document = json!({"tenant": "t", "zebra": text, "apple": [text, 1, 1.5, null, true, {"a": {}}]});
        assert_eq!(documents(&to_yaml(&document)).unwrap(), [document], "{text:?}");
    }
    let document = documents(WORK_ORDER).unwrap().remove(0);
    let written = to_yaml(&document);
    assert!(written.starts_with("tenant: t37ed\nname: CreateWorkOrder\n"), "{written}");
    assert_eq!(documents(&written).unwrap(), [document]);
}

proptest::proptest! {
    /// Reading any text ends with a definition or with problems, never with a panic.
    #[test]
    fn no_text_stops_the_reader(text in "[ -~\n]{0,300}") {
        for document in documents(&text).unwrap_or_default() {
            let _ = Definition::from_value(&document);
        }
    }

    #[test]
    fn no_change_of_the_example_stops_the_reader(at in 0..WORK_ORDER.len(), with in "[ -~\n]{0,4}") {
        let mut text = WORK_ORDER.to_owned();
        text.replace_range(at..at + 1, &with);
        for document in documents(&text).unwrap_or_default() {
            let _ = Definition::from_value(&document);
        }
    }
}

#[test]
fn how_bodies_are_read_is_part_of_a_definition() {
    let yaml = "tenant: t\nname: n\ntrigger: { webhook: { body: { content_type: text/csv, separator: \"\\t\" } } }\nsteps:\n\
                - { id: a, http: { url: 'http://x', response: { charset: latin1 } } }\n\
                - { id: b, sftp: { connection: c, get: a.csv, separator: '|' } }\n";
    let definition = Definition::from_value(&documents(yaml).unwrap()[0]).unwrap();
    let webhook = webhook_of(&definition);
    assert_eq!((webhook.body.content_type(), webhook.body.separator()), (Some("text/csv"), Some(b'\t')));
    let Action::Http(call) = &definition.steps[0].action else { panic!() };
    assert_eq!(call.response.charset(), Some(Charset::Latin1));
    let Action::Sftp(call) = &definition.steps[1].action else { panic!() };
    assert!(matches!(&call.operation, SftpOperation::Get { rule, .. } if rule.separator() == Some(b'|')));
}

#[test]
fn a_stored_content_type_that_is_none_stays_what_it_was() {
    let yaml = "tenant: t\nname: n\ntrigger: { webhook: {} }\nsteps: [{ id: b, sftp: { connection: c, get: a, content_type: csv } }]\n";
    let document = &documents(yaml).unwrap()[0];
    assert!(Definition::from_value(document).is_err());
    let definition = Definition::from_stored(document).unwrap();
    let Action::Sftp(call) = &definition.steps[0].action else { panic!() };
    let SftpOperation::Get { rule, .. } = &call.operation else { panic!() };
    assert!(rule.kind(Some("text/csv")).is_err(), "it fails when it runs, as it did");
}
