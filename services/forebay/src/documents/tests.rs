use super::*;

const GOOD: &str = "tenant: t\nname: A\ntrigger: { webhook: {} }\n";

fn read(text: &str) -> Documents {
    let mut documents = Documents::default();
    documents.add_file(Path::new("a.yaml"), text);
    documents
}

#[test]
fn every_problem_names_its_file_and_line() {
    let read = read(&format!("{GOOD}---\ntenant: t\nname: B\ntrigger: {{ webhook: {{}} }}\ninput: '.body |'\nstepz: []\n"));
    assert_eq!(read.definitions.len(), 1);
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "what cannot be read is not compiled: {problems:?}");
    assert!(problems[0].starts_with("a.yaml:9: stepz: unknown field"), "{problems:?}");
    assert_eq!(read.problems[0].object()["document"], 2);
}

#[test]
fn a_mapping_that_does_not_compile_is_found_at_its_step() {
    let read = read(&format!("{GOOD}steps:\n  - id: a\n    set: '1 +'\n"));
    let problem = read.problems[0].to_string();
    assert!(problem.starts_with("a.yaml:6: steps[0].set: line 1, column 4"), "{problem}");
}

#[test]
fn text_that_is_no_yaml_is_a_problem_with_its_line() {
    let read = read("a: 1\nb: [1\nc: 2\n");
    assert_eq!(read.problems[0].to_string(), "a.yaml:3: illegal placement of ':' indicator (column 2)");
}

#[test]
fn connections_are_kept_beside_definitions_and_their_secrets_are_not_looked_up() {
    let good = read(&format!("{GOOD}---\ntenant: t\nconnection: bus\namqp: {{ url: {{ env: NOT_SET_ANYWHERE }} }}\n"));
    assert!(good.problems.is_empty(), "{:?}", good.problems);
    assert_eq!((good.definitions.len(), good.connections.len(), good.connections[0].path.as_str()), (1, 1, "t/bus"));
    let bad = read("tenant: t\nconnection: bus\namqp: { uri: x }\n");
    assert!(bad.problems.iter().any(|problem| problem.to_string().contains("did you mean 'url'")), "{:?}", bad.problems);
}

#[test]
fn alerts_are_kept_beside_definitions_and_their_problems_are_found() {
    let alert = "tenant: t\nalert: a\nwhen: { halted: {} }\nsend: { webhook: { url: 'https://a.example/x' } }\n";
    let good = read(&format!("{GOOD}---\n{alert}"));
    assert!(good.problems.is_empty(), "{:?}", good.problems);
    assert_eq!((good.definitions.len(), good.alerts.len()), (1, 1));
    let bad = read(&format!("{GOOD}---\n{alert}repeats: 1h\n"));
    assert_eq!(bad.problems[0].to_string(), "a.yaml:9: repeats: unknown field; did you mean 'repeat'?");
    let twice = read(&alert.replace("send:", "send: { webhook: { url: 'https://a.example/x', headers: { X-A: b, x-a: c } } }\n#"));
    assert!(twice.problems[0].to_string().contains("send.webhook.headers.x-a: is given twice"), "{:?}", twice.problems);
}

#[test]
fn the_examples_are_right_and_none_is_defined_twice() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    assert!(Documents::read_valid(std::slice::from_ref(&examples), "").unwrap().definitions.len() >= 4);
    let twice = Documents::read(&[examples.join("item-price.yaml"), examples.join("../examples/item-price.yaml")]).unwrap();
    assert_eq!(twice.problems.len(), 1);
    assert_eq!(twice.problems[0].to_string(), "t37ed/ItemPrice: is defined 2 times in these files: remove all but one");
}

#[test]
fn a_secret_that_is_not_looked_up_is_no_problem_wherever_it_stands() {
    let connections = [
        json!({"http": {"url": {"env": "URL"}, "tls": {"authority": {"file": "/p"}}}}),
        json!({"postgres": {"host": "h", "database": "d", "username": "u", "tls": {"certificate": {"file": "/p"}}}}),
        json!({"smtp": {"host": "h", "from": {"env": "FROM"}}}),
    ];
    for connection in connections {
        let mut document = json!({"tenant": "t", "connection": "c"});
        document.as_object_mut().unwrap().extend(connection.as_object().unwrap().clone());
        assert_eq!(check_connection(&document), Ok("t/c".to_owned()), "{document}");
        let name = connection.as_object().unwrap().keys().next().unwrap();
        document[name]["typo"] = json!(1);
        assert!(check_connection(&document).is_err(), "{document}");
    }
}
