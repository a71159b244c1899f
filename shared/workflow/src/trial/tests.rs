use super::*;
use forebay_contract::IdIssuer;
use forebay_contract::definition::documents;
use forebay_contract::envelope::Request;
use serde_json::json;
use uuid::Uuid;

fn envelope(body: &str) -> Envelope {
    let request = Request {
        method: "POST".to_owned(),
        path: "/t/n".to_owned(),
        query_string: String::new(),
        query: Map::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    let path = "t/n".parse().unwrap();
    Envelope::new(IdIssuer::new(&[0; 32]).issue(Uuid::nil()).unwrap(), path, Uuid::nil(), 1, request, body.to_owned().into())
}

async fn tried(workflow: &str, body: &str, given: Json) -> Tried {
    let yaml = format!("tenant: t\nname: n\ntrigger: {{ webhook: {{}} }}\n{workflow}");
    let definition = Definition::from_value(&documents(&yaml).unwrap()[0]).unwrap();
    let Json::Object(given) = given else { panic!("an object") };
    try_definition(&definition, &envelope(body), &given).await
}

/// Returns path, outcome and output of each step.
fn told(tried: &Tried) -> Vec<(&str, &str, Json)> {
    tried.steps.iter().map(|step| (step.path.as_str(), step.outcome.as_str(), step.output.clone())).collect()
}

#[tokio::test]
async fn pure_steps_run_and_the_answer_is_made_as_in_an_execution() {
    let workflow = r"
input: .body.orders
steps:
  - id: kind
    switch:
      cases: [{ when: .input | length > 5, steps: [{ id: many, set: 1 }] }]
      default: [{ id: few, set: '.input | length' }]
  - { id: none, when: 'false', set: 1 }
  - { id: all, each: { in: .input, steps: [{ id: twice, set: '.item * 2 + .index' }] } }
  - { id: both, parallel: { a: [{ id: x, set: 7 }], b: [{ id: y, assert: { that: '.steps.x == null' } }] } }
respond: { status: 201, headers: { X-N: '${ .steps.few }' }, body: .steps.all }
";
    let tried = tried(workflow, r#"{"orders": [1, 2]}"#, json!({})).await;
    assert_eq!(tried.fault, None);
    assert_eq!(tried.input, Some(json!([1, 2])));
    let expected = [
        ("kind", "ran", json!(2)),
        ("few", "ran", json!(2)),
        ("none", "skipped", json!(null)),
        ("all", "ran", json!([2, 5])),
        ("all[0]/twice", "ran", json!(2)),
        ("all[1]/twice", "ran", json!(5)),
        ("both", "ran", json!({"a": 7, "b": true})),
        ("x", "ran", json!(7)),
        ("y", "ran", json!(true)),
    ];
    assert_eq!(told(&tried), expected);
    assert_eq!(tried.answer, Some(json!({"status": 201, "headers": {"X-N": "2"}, "body": [2, 5]})));
}

#[tokio::test]
async fn a_step_that_reaches_out_is_rendered_and_its_output_is_what_was_given() {
    let workflow = "
steps:
  - { id: price, http: { url: 'https://erp.example/p/${ .body.id }', method: POST, body: '{ n: .body.n }' } }
  - { id: after, set: .steps.price.body.price }
";
    let body = r#"{"id": "a/b", "n": 3}"#;
    let given = tried(workflow, body, json!({"price": {"body": {"price": 5}}})).await;
    let request = given.steps[0].request.as_ref().unwrap();
    assert_eq!((&request["url"], &request["body"]), (&json!("https://erp.example/p/a%2Fb"), &json!({"n": 3})));
    assert_eq!((given.steps[0].outcome, &given.answer.unwrap()["body"]), (StepOutcome::Given, &json!(5)));
    let not_given = tried(workflow, body, json!({})).await;
    assert_eq!((not_given.steps[0].outcome, &not_given.steps[1].output), (StepOutcome::NotRun, &json!(null)));
}

#[tokio::test]
async fn a_fault_tells_its_field_its_place_and_the_value_and_what_came_before_is_kept() {
    let workflow = "steps: [{ id: a, set: 1 }, { id: b, log: { message: 'n is ${ .body.n | tonumber }' } }]\n";
    let tried = tried(workflow, r#"{"n": "x"}"#, json!({})).await;
    let fault = tried.fault.as_ref().unwrap();
    let place = fault.place.as_ref().unwrap();
    assert_eq!((fault.part.as_str(), place.line, place.column), ("steps[1].log.message", 1, 19));
    assert_eq!((place.snippet.as_str(), place.value.as_deref()), ("tonumber", Some("\"x\"")));
    assert_eq!((told(&tried).len(), &tried.answer), (1, &None));
}

#[tokio::test]
async fn a_mapping_that_does_not_compile_is_a_fault_where_it_is_reached() {
    let tried = tried("steps: [{ id: a, set: 1 }, { id: b, set: '1 +' }]\n", "{}", json!({})).await;
    let fault = tried.fault.unwrap();
    assert_eq!((fault.part.as_str(), fault.place.unwrap().column, tried.steps.len()), ("steps[1].set", 4, 1));
    assert_eq!(try_mapping(".input.a + .body.a", &envelope(r#"{"a": 2}"#)).await, Ok(json!(4)));
}

#[tokio::test]
async fn what_a_mail_would_hold_is_encoded_as_a_step_encodes_it_and_an_address_is_checked() {
    let mail =
        "steps: [{ id: a, email: { connection: c, to: x@y.example, subject: s, text: '${ .body.n }', html: '<p>${ .body.n }</p>' } }]\n";
    let shown = tried(mail, r#"{"n": "<b>"}"#, json!({})).await;
    let request = shown.steps[0].request.as_ref().unwrap();
    assert_eq!((&request["text"], &request["html"]), (&json!("<b>"), &json!("<p>&lt;b&gt;</p>")));
    let fault = tried(mail, r#"{"n": [1]}"#, json!({})).await.fault.unwrap();
    assert_eq!((fault.part.as_str(), fault.place.unwrap().value.as_deref()), ("steps[0].email.text", Some("[1]")));
    let fault = tried("steps: [{ id: a, http: { url: '${ .body.n }/x' } }]\n", r#"{"n": "ftp://h"}"#, json!({})).await.fault.unwrap();
    assert!(fault.message.contains("http://") && fault.place.unwrap().value.as_deref() == Some("\"ftp://h/x\""), "{}", fault.message);
}

#[tokio::test]
async fn the_mappings_that_run_before_the_workflow_are_tried_too_and_see_no_input() {
    let yaml =
        "tenant: t\nname: n\ntrigger: { webhook: { idempotency: { key: .body.a }, ordered: { by: '.input.b | tostring | error' } } }\n";
    let definition = Definition::from_value(&documents(yaml).unwrap()[0]).unwrap();
    let fault = try_definition(&definition, &envelope(r#"{"a": 1, "b": 2}"#), &Map::new()).await.fault.unwrap();
    assert_eq!((fault.part.as_str(), fault.place.unwrap().value.as_deref()), ("trigger.webhook.ordered.by", Some("\"null\"")));
}
