//! From an envelope to an ending: context, input, steps, response.

mod support;

use forebay_contract::outcome::{ErrorCode, StepStatus};
use forebay_contract::{UnixMicros, UnixMillis};
use forebay_workflow::{ExecutionContext, Program, Run};
use serde_json::{Value, json};
use support::*;

#[allow(clippy::unwrap_used)]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_mapping_sees_the_request_the_body_and_the_execution() {
    let envelope = envelope(r#"{"a": 1}"#);
    let run = engine().run(&program("input: ."), &envelope, once()).await;
    let seen = parsed(&text(run));
    let expected = json!({
        "request": {
            "method": "POST", "path": "/t37ed/Order", "queryString": "customerid=7",
            "headers": {"x-tag": "a, b", "accept": "*/*"}, "contentType": "application/json",
        },
        "query": {"customerid": 7},
        "body": {"a": 1},
        "execution": {"id": envelope.execution_id.to_string(), "attempt": 1, "receivedAt": "2025-11-24T16:00:00.123456Z", "dueAt": null},
        "tenant": "t37ed",
        "integration": "Order",
        "input": null,
        "steps": {},
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_scheduled_run_sees_when_it_was_due() {
    let mut envelope = envelope("null");
    envelope.due_at = Some(UnixMillis::new(1_764_000_000_000));
    let run = engine().run(&program("input: .execution.dueAt"), &envelope, once()).await;
    assert_eq!(text(run), r#""2025-11-24T16:00:00Z""#);
}

#[tokio::test]
async fn without_an_input_mapping_the_input_is_the_body() {
    assert_eq!(answer("steps: [{ id: a, set: .input.x }]", r#"{"x": 5}"#).await, "5");
    assert_eq!(answer("", r#"{"x": 5}"#).await, r#"{"x":5}"#);
    assert_eq!(answer("", "").await, "null");
}

#[tokio::test]
async fn steps_run_in_order_and_see_what_came_before() {
    let rest = "
input: '{ n: .body.n }'
steps:
  - { id: double, set: .input.n * 2 }
  - { id: both, set: '[.input.n, .steps.double]' }
respond: { status: 201, headers: { X-Double: '<${ .steps.double }>' }, body: '{ got: .steps.both }' }
";
    let run = run(rest, r#"{"n": 21}"#).await;
    let statuses: Vec<_> = run.steps.iter().map(|step| (step.id.as_str(), step.status)).collect();
    assert_eq!(statuses, [("double", StepStatus::Succeeded), ("both", StepStatus::Succeeded)]);
    assert!(run.ended_at >= run.started_at && run.started_at > UnixMicros::new(1_700_000_000_000_000));
    let response = response(run);
    assert_eq!(response.status, 201);
    assert_eq!(response.body, r#"{"got":[21,42]}"#);
    let headers = [("x-double", "<42>"), ("content-type", "application/json")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(response.headers, headers);
}

#[tokio::test]
async fn a_step_whose_when_is_null_or_false_is_skipped_and_its_output_is_null() {
    for when in ["false", ".input.absent", ".input.x == 2"] {
        let rest = format!("steps: [{{ id: a, set: '1' }}, {{ id: b, when: '{when}', set: '2' }}]");
        let run = run(&rest, r#"{"x": 1}"#).await;
        assert_eq!(run.steps[1].status, StepStatus::Skipped, "{when}");
        assert_eq!(text(run), "1", "the answer is the output of the last step that ran");
    }
    for when in ["true", "0", r#""""#, "[]", ".input.x == 1"] {
        let rest = format!("steps: [{{ id: b, when: '{when}', set: '2' }}, {{ id: c, set: .steps }}]");
        assert_eq!(answer(&rest, r#"{"x": 1}"#).await, r#"{"b":2}"#, "{when}");
    }
    assert_eq!(answer("steps: [{ id: a, when: 'false', set: '1' }, { id: b, set: .steps }]", "{}").await, r#"{"a":null}"#);
    assert_eq!(answer("steps: [{ id: a, when: 'false', set: '1' }]", r#"{"x":1}"#).await, r#"{"x":1}"#);
}

#[tokio::test]
async fn outputs_are_recorded_only_where_diagnostics_ask_for_them() {
    let steps = "steps: [{ id: a, set: '{ x: 1 }' }]";
    assert_eq!(run(steps, "{}").await.steps[0].output, None);
    let kept = run(&format!("diagnostics: {{ steps: true }}\n{steps}"), "{}").await;
    assert_eq!(kept.steps[0].output, Some(json!({"x": 1})));
    let deep = "diagnostics: { steps: true }\nsteps: [{ id: a, set: 'reduce range(120) as $i (1; [.])' }]";
    let Some(Value::String(note)) = run(deep, "{}").await.steps[0].output.clone() else { panic!("a text was expected") };
    assert!(note.contains("deeper than 100"), "{note}");
}

#[tokio::test]
async fn a_failure_names_the_step_and_ends_the_run() {
    let rest = "
steps:
  - { id: fine, set: '1' }
  - { id: bad, set: '.input + 1' }
  - { id: never, set: '2' }
";
    let run = run(rest, r#"{"x": 1}"#).await;
    assert_eq!(run.steps.len(), 2);
    assert_eq!(run.steps[1].status, StepStatus::Failed);
    assert!(run.steps[1].error.as_deref().is_some_and(|error| error.contains("cannot")), "{:?}", run.steps[1]);
    let error = error(run);
    assert_eq!((error.code, error.step.as_deref(), error.transient), (ErrorCode::Mapping, Some("bad"), false));
}

#[tokio::test]
async fn a_failure_names_the_part_of_the_definition() {
    let cases = [
        ("input: error(\"no id\")", "input", ErrorCode::Mapping, "no id"),
        ("input: empty", "input", ErrorCode::Mapping, "no output"),
        ("input: 1, 2", "input", ErrorCode::Mapping, "exactly one"),
        ("steps: [{ id: s, when: error(\"x\"), set: '1' }]", "s", ErrorCode::Mapping, "when: x"),
        (
            "respond: { status: .body.status }",
            "respond",
            ErrorCode::Mapping,
            "status: the mapping must give a whole number from 200 to 599, and gave 99",
        ),
        ("respond: { body: error(\"x\") }", "respond", ErrorCode::Mapping, "body: x"),
        ("respond: { headers: { X-Id: '${ .body.absent }' } }", "respond", ErrorCode::Mapping, "headers.X-Id: "),
        ("respond: { headers: { X-Id: '${ .body.lines }' } }", "respond", ErrorCode::Mapping, "headers.X-Id: "),
        ("respond: { headers: { Content-Type: image/png }, body: '{ base64: \"!\" }' }", "respond", ErrorCode::Mapping, "no Base64"),
    ];
    for (rest, step, code, expected) in cases {
        let error = error(run(rest, r#"{"status": 99, "lines": "a\r\nb: c"}"#).await);
        assert_eq!((error.step.as_deref(), error.code, error.transient), (Some(step), code, false), "{rest}: {error}");
        assert!(error.message.contains(expected), "{rest}: {error}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_fails_permanently() {
    let mut envelope = envelope("{\"a\":");
    let error_of = async |envelope: &_| error(engine().run(&program(""), envelope, once()).await);
    let error = error_of(&envelope).await;
    assert_eq!((error.code, error.transient, error.step), (ErrorCode::Body, false, None));
    assert!(error.message.contains("JSON"), "{}", error.message);
    envelope.content_type = Some("text/plain".to_owned());
    envelope.content_encoding = Some("br".to_owned());
    assert_eq!(error_of(&envelope).await.code, ErrorCode::Body);
}

#[tokio::test]
async fn the_bytes_of_a_call_are_there_for_who_asks_and_go_out_as_they_came() {
    let mut envelope = envelope("");
    envelope.body = bytes::Bytes::from_static(b"{ \"n\" : 1.50 }");
    envelope.content_type = Some("application/json; charset=utf-8".to_owned());
    let run = async |rest: &str| engine().run(&program(rest), &envelope, once()).await;
    let sent = response(run("respond: { body: .request.raw }").await);
    assert_eq!(sent.body, envelope.body);
    assert_eq!(sent.headers, [("content-type".to_owned(), "application/json; charset=utf-8".to_owned())]);
    let sent = response(run("respond: { headers: { Content-Type: text/plain }, body: ' .request.raw ' }").await);
    assert_eq!((&sent.body, sent.headers[0].1.as_str()), (&envelope.body, "text/plain"));
    let raw = r#"{"base64":"eyAibiIgOiAxLjUwIH0=","contentType":"application/json; charset=utf-8","size":14}"#;
    assert_eq!(text(run("input: '{ raw: .request.raw }'\nrespond: { body: .input.raw }").await), raw);
    assert_eq!(text(run("steps: [{ id: a, set: '.request.raw | decode_charset(\"utf-8\")' }]").await), r#""{ \"n\" : 1.50 }""#);
    assert_eq!(text(run("steps: [{ id: a, set: '.request | keys' }]").await), r#"["contentType","headers","method","path","queryString"]"#);
    assert_eq!(text(run("steps: [{ id: a, log: '${ .request.raw.size } bytes' }]").await), r#""14 bytes""#);
    // The word in any mapping or template, in any notation of jq, and after any text.
    let sizes = [
        "set: '.request[\"raw\"].size'",
        "set: '.request | . as {raw: $r} | $r.size'",
        "set: '.request as {$raw} | $raw.size'",
        "set: 'getpath([\"request\",\"raw\"]).size'",
        "switch: { cases: [{ when: 'true', steps: [{ id: b, set: .request.raw.size }] }] }",
        "each: { in: '[1]', steps: [{ id: b, log: '${ .request | .raw | .size }' }], output: '.steps.b | tonumber' }",
        "set: \"\\n.request\\n| {raw}\\n| .raw.size\"",
        "when: '.request.raw.size == 14'\n    set: '.request | to_entries | map(select(.key | startswith(\"r\"))) | .[0].value.size'",
    ];
    for step in sizes {
        let given = text(run(&format!("steps:\n  - id: a\n    {step}")).await);
        assert_eq!(given.trim_matches(['[', ']']), "14", "{step}");
    }
    for other in ["withdraw", "raws", "draw", "raw_data"] {
        let step = format!("steps: [{{ id: {other}, set: '[.{other}] | {{ {other}: . }}' }}, {{ id: b, set: '.request | keys' }}]");
        assert_eq!(text(run(&step).await), r#"["contentType","headers","method","path","queryString"]"#);
    }

    envelope.body = bytes::Bytes::new();
    let sent = response(engine().run(&program("respond: { body: .request.raw }"), &envelope, once()).await);
    assert!(sent.body.is_empty());
}

#[tokio::test]
async fn the_bytes_of_a_call_are_those_without_a_content_encoding() {
    // `{"a":1}`
    let gzipped: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 84, 178, 50, 172, 5, 0, 175, 172, 27, 86, 7, 0, 0, 0];
    let mut envelope = envelope("");
    (envelope.body, envelope.content_encoding) = (bytes::Bytes::from_static(gzipped), Some("gzip".to_owned()));
    let sent = response(engine().run(&program("respond: { body: .request.raw }"), &envelope, once()).await);
    assert_eq!(&sent.body[..], b"{\"a\":1}");
}

#[tokio::test]
async fn a_large_body_is_read_as_a_small_one_is() {
    let mut envelope = envelope(&format!(r#"{{"text": "{}", "n": 9007199254740993}}"#, "x".repeat(500_000)));
    let program = program("steps: [{ id: a, set: '[.body.n, (.body.text | length)]' }]");
    assert_eq!(text(engine().run(&program, &envelope, once()).await), "[9007199254740993,500000]");
    envelope.body = bytes::Bytes::from_static(b"no JSON");
    envelope.content_encoding = Some("gzip".to_owned());
    assert_eq!(error(engine().run(&program, &envelope, once()).await).code, ErrorCode::Body);
}

#[tokio::test]
async fn the_answer_takes_the_form_that_its_content_type_asks_for() {
    let cases = [
        ("respond: { body: '\"text\"' }", 200, "application/json", "\"text\""),
        ("respond: { headers: { Content-Type: text/csv }, body: '\"a;b\"' }", 200, "text/csv", "a;b"),
        ("respond: { headers: { content-type: application/pdf }, body: '{ base64: \"aGk=\" }' }", 200, "application/pdf", "hi"),
        ("respond: { headers: { Content-Type: application/hal+json }, body: '{ a: 1 }' }", 200, "application/hal+json", "{\"a\":1}"),
        ("respond: { status: '200 + 4 * 50' }", 400, "application/json", "{}"),
        ("respond: { status: 599 }", 599, "application/json", "{}"),
    ];
    for (rest, status, content_type, body) in cases {
        let response = response(run(rest, "{}").await);
        assert_eq!((response.status, &response.body[..]), (status, body.as_bytes()), "{rest}");
        assert_eq!(response.headers, [("content-type".to_owned(), content_type.to_owned())], "{rest}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_has_no_content_type() {
    for status in [204, 304] {
        let rest = format!("respond: {{ status: {status}, headers: {{ Content-Type: text/plain, X-A: b }}, body: '1' }}");
        let response = response(run(&rest, "{}").await);
        assert_eq!((response.status, response.body.len()), (status, 0));
        assert_eq!(response.headers, [("x-a".to_owned(), "b".to_owned())]);
    }
}

#[tokio::test]
async fn an_answer_that_fits_into_no_message_is_refused() {
    let engine = engine_with(|options| options.answer_bytes = 10);
    let run = engine.run(&program(""), &envelope(r#"{"long": "0123456789"}"#), once()).await;
    let error = error(run);
    assert_eq!((error.code, error.step.as_deref()), (ErrorCode::Limit, Some("respond")));
}

#[tokio::test]
async fn the_ordering_key_is_compact_json() {
    let by = |by: &str| {
        let yaml = format!("tenant: t\nname: n\ntrigger: {{ webhook: {{ ordered: {{ by: '{by}' }} }} }}\n");
        Program::compile(definition_of(&yaml)).map_err(|problems| format!("{problems:?}")).unwrap()
    };
    let envelope = envelope(r#"{"site": "Malmö", "no": 1}"#);
    let cases = [
        (".body.site", "\"Malmö\""),
        (".body.no", "1"),
        ("[.body.no, .body.site, .body.x]", "[1,\"Malmö\",null]"),
        (".query.customerid", "7"),
    ];
    for (source, expected) in cases {
        assert_eq!(by(source).ordering_key(&envelope).await.unwrap(), expected);
    }
    for (source, code) in [(".body + 1", ErrorCode::Mapping), ("[range(1000)]", ErrorCode::Limit), ("last(repeat(1))", ErrorCode::Timeout)]
    {
        let error = by(source).ordering_key(&envelope).await.unwrap_err();
        assert_eq!((error.code, error.step.as_deref()), (code, Some("by")), "{source}: {error}");
    }
    assert_eq!(program("").ordering_key(&envelope).await.unwrap(), "null");
}

fn labels(run: &Run) -> Vec<&str> {
    run.labels.iter().map(forebay_contract::Label::as_str).collect()
}

#[tokio::test]
async fn a_label_mapping_names_what_an_execution_is_found_by() {
    let rest = "input: '{ site: .body.site }'\nlabel: '{ workOrder: .body.id, site: .input.site }'\nsteps: [{ id: a, set: '1' }]";
    let run = run(rest, r#"{"id": 4711, "site": "M1"}"#).await;
    assert_eq!(labels(&run), ["workOrder=4711", "site=M1"]);
    assert_eq!(text(run), "1");
}

#[tokio::test]
async fn a_fault_in_a_label_costs_the_labels_and_nothing_else_and_a_fault_in_the_input_leaves_them() {
    for label in [".body | keys | error", "[1]", "{ a: { b: 1 } }", "[range(20000) | tostring] | add"] {
        let run = run(&format!("label: '{label}'"), "{}").await;
        assert!(labels(&run).is_empty(), "{label}");
        assert_eq!(text(run), "{}", "{label}");
    }
    let run = run("input: .body.id | error\nlabel: '{ id: .body.id, input: .input }'", r#"{"id": 7}"#).await;
    assert_eq!(labels(&run), ["id=7"]);
    assert_eq!(error(run).step.as_deref(), Some("input"));
}

#[tokio::test]
async fn variables_are_recorded_before_and_after_each_step_where_they_are_asked_for() {
    let rest = "
input: '{ n: .body.n }'
steps:
  - { id: double, set: .input.n * 2 }
  - { id: never, when: 'false', set: '1' }
  - { id: lines, each: { in: '[7]', steps: [{ id: inner, set: .item + .steps.double }] } }
  - { id: bad, set: error, on_error: continue }
  - { id: last, set: .steps.bad.error.code }
";
    let context = ExecutionContext { diagnosed: true, ..once() };
    let run = engine().run(&program(rest), &envelope(r#"{"n": 21}"#), context).await;
    let variables = run.variables.clone().unwrap();
    assert_eq!(variables.steps.len(), run.steps.len());
    let around = |id: &str| {
        let at = run.steps.iter().position(|step| step.id == id).unwrap();
        (json!(variables.before(at)), json!(variables.after(at)))
    };
    let input = json!({ "n": 21 });
    assert_eq!(around("double"), (json!({ "input": input }), json!({ "input": input, "steps.double": 42 })));
    assert_eq!(around("never").1["steps.never"], Value::Null);
    let (before, after) = around("lines[0]/inner");
    assert_eq!((&before["item"], &before["index"], &before["steps.double"]), (&json!(7), &json!(0), &json!(42)));
    assert_eq!(after["steps.inner"], 49);
    let (_, after) = around("lines");
    assert_eq!((&after["steps.lines"], after.get("item"), after.get("steps.inner")), (&json!([49]), None, None));
    assert_eq!(around("last").0["steps.bad"]["error"]["code"], "mapping");
    assert_eq!(run.steps[0].output, Some(json!(42)), "outputs are kept too");

    assert_eq!(engine().run(&program(rest), &envelope(r#"{"n": 21}"#), once()).await.variables, None);
}

#[tokio::test]
async fn a_step_that_is_broken_off_has_its_variables_too() {
    let rest = "steps: [{ id: a, set: '1' }, { id: b, wait: 1h }]";
    let context = ExecutionContext { diagnosed: true, ..within(std::time::Duration::from_secs(1)) };
    let run = engine().run(&program(rest), &envelope("{}"), context).await;
    let variables = run.variables.clone().unwrap();
    assert_eq!((run.steps.len(), run.steps[1].id.as_str()), (2, "b"));
    assert_eq!(json!(variables.after(1)), json!({ "input": {}, "steps.a": 1 }));
}
