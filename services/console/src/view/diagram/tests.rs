use super::*;
use forebay_contract::UnixMicros;
use forebay_contract::definition::documents;

fn definition(yaml: &str) -> Definition {
    Definition::from_value(&documents(yaml).unwrap().remove(0)).unwrap()
}

const WHOLE: &str = "
tenant: t1
name: Orders
trigger: { webhook: { methods: [POST], ordered: true, response: {} } }
input: '{ lines: .body.lines }'
steps:
  - id: size
    switch:
      cases: [{ when: .input.total > 1000, steps: [{ id: big, set: '1' }] }]
  - id: lines
    each: { in: .input.lines, parallel: 4, steps: [{ id: send, http: { url: 'https://a.example' } }] }
  - id: both
    parallel: { price: [{ id: a, set: '<b>' }], stock: [] }
  - id: last
    http: { url: 'https://b.example' }
    on_error: [{ id: tell, log: { message: oh } }]
respond: { status: 201 }
";

#[test]
fn every_step_of_a_workflow_is_drawn_once_with_what_starts_and_ends_it() {
    let definition = definition(WHOLE);
    let html = diagram(&definition, Beside::default()).into_string();
    for step in Step::all(&definition.steps) {
        assert_eq!(html.matches(&format!("href=\"#step-{}\"", step.id)).count(), 1, "{}", step.id);
    }
    for words in [
        "POST /t1/Orders",
        "API key · ordered · responds",
        "Data processing",
        "Responds 201",
        "on error",
        ".input.total &gt; 1000",
        ">else<",
    ] {
        assert!(html.contains(words), "{words}\n{html}");
    }
    assert!(!html.contains("<b>"), "{html}");
    assert!(!html.contains("style="), "{html}");
}

#[test]
fn no_box_stands_over_another_and_all_are_inside_of_the_picture() {
    let definition = definition(WHOLE);
    let html = diagram(&definition, Beside::default()).into_string();
    let boxes = boxes(&html);
    assert_eq!(boxes.len(), Step::all(&definition.steps).len() + 3);
    let size = |name: &str| -> f64 {
        html.split(&format!("<svg {name}=\"")).nth(1).map_or(0.0, |rest| rest.split('"').next().unwrap().parse().unwrap())
    };
    for (index, (x, y)) in boxes.iter().enumerate() {
        assert!(*x >= 0.0 && *y >= 0.0 && x + BOX_WIDTH <= size("width"), "{x} {y}");
        for (x2, y2) in &boxes[index + 1..] {
            assert!((x - x2).abs() >= BOX_WIDTH || (y - y2).abs() >= BOX_HEIGHT, "({x}, {y}) and ({x2}, {y2})");
        }
    }
}

/// Returns the positions of the boxes, from the translations around them.
fn boxes(html: &str) -> Vec<(f64, f64)> {
    let mut around: Vec<(f64, f64)> = Vec::new();
    let mut found = Vec::new();
    for piece in html.split('<').skip(1) {
        let number = |text: &str| text.parse::<f64>().unwrap();
        if let Some(rest) = piece.strip_prefix("g transform=\"translate(") {
            let (x, y) = rest.split(')').next().unwrap().split_once(' ').unwrap();
            let (left, top) = around.last().copied().unwrap_or_default();
            around.push((left + number(x), top + number(y)));
        } else if piece.starts_with("g>") {
            around.push(around.last().copied().unwrap_or_default());
        } else if piece.starts_with("/g>") {
            around.pop();
        } else if piece.starts_with("a class=\"node") {
            found.push(around.last().copied().unwrap());
        }
    }
    found
}

#[test]
fn an_execution_colours_its_steps_and_one_bad_item_colours_a_loop() {
    let record = |id: &str, status| StepRecord {
        id: id.to_owned(),
        status,
        started_at: UnixMicros::default(),
        duration: 1,
        output: None,
        error: None,
        note: None,
    };
    let steps = [
        record("size", StepStatus::Succeeded),
        record("lines[0]/send", StepStatus::Succeeded),
        record("lines[1]/send", StepStatus::Failed),
        record("lines[2]/send", StepStatus::Succeeded),
    ];
    let states = states(&steps);
    let html = diagram(&definition(WHOLE), Beside { states: Some(&states), places: None }).into_string();
    assert!(html.contains("class=\"node step succeeded\" href=\"#step-size\""), "{html}");
    assert!(html.contains("class=\"node step failed\" href=\"#step-send\""), "{html}");
    assert!(html.contains("class=\"node step unreached\" href=\"#step-last\""), "{html}");
}

#[test]
fn a_box_leads_to_its_line_in_the_text() {
    let places = Places::of_documents(WHOLE).remove(0);
    let html = diagram(&definition(WHOLE), Beside { states: None, places: Some(&places) }).into_string();
    assert!(html.contains("href=\"#step-size\" data-line=\"7\""), "{html}");
}
