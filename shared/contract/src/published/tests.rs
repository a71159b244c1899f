use super::*;
use crate::alert::Alert;
use crate::connection::{Connection, SecretSource};
use crate::definition::{Definition, documents};
use crate::fields::recorded;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(document_schema()).unwrap());
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::options().build(&SCHEMA).unwrap());

/// Documents without the parts that the kinds of [`whole`] add.
const OF_NO_KIND: &str = r#"
tenant: t
name: n
trigger:
  webhook:
    query: { a: {} }
    body: { schema: true }
    ordered: { by: .body.site }
    response: {}
    cors: { origins: ['*'] }
    idempotency: { key: .body.id, match: key }
    rate: { calls: 1, per: 1s }
retry: { attempts: 2, backoff: { first: 1s } }
diagnostics: { keep: 14d }
steps:
  - { id: a, http: { url: 'https://a.example', redirects: follow_as_get, response: { charset: utf-8 } }, retry: { attempts: 2, backoff: { factor: 1.5 } }, on_error: [{ id: b, set: 1 }] }
  - { id: c, sql: { connection: d, transaction: [{ query: select 1 }] } }
  - { id: e, email: { connection: m, to: [a@b.example], html: x } }
  - { id: f, sftp: { connection: s, move: a, to: b } }
  - { id: g, amqp: { connection: q, exchange: x } }
  - { id: h, call: { integration: i } }
  - { id: j, switch: { cases: [{ when: true, steps: [{ id: k, stop: }] }] } }
  - { id: l, each: { in: .a, steps: [{ id: m, log: { message: x } }] } }
  - { id: o, parallel: { p: [{ id: q, assert: { that: true } }], r: [] } }
  - { id: s, wait: { for: 1m } }
  - { id: u, respond: { status: .a } }
  - { id: v, stop: { error: x } }
respond:
---
tenant: t
name: clock
trigger: { schedule: { cron: '* * * * *', timezone: UTC, input: [1] } }
---
tenant: t
alert: a
integrations: [i]
when: { failure_rate: { over: 0.5 } }
send: { webhook: { url: 'https://a.example/b', headers: { X: 1 } }, email: { connection: m, to: [a@b.example] } }
---
tenant: t
alert: a
when: { oldest_age: { over: 1m } }
send: { webhook: { connection: c, path: /x } }
---
tenant: t
alert: a
when: { halted: }
send: { email: { connection: m, to: [a@b.example] } }
---
tenant: t
alert: a
when: { silent: { for: 1h } }
send: { email: { connection: m, to: [a@b.example] } }
"#;

/// Returns documents in which every existing field occurs, since otherwise its object would not be compared.
pub(crate) fn whole() -> String {
    let of_kinds = authentication::examples().chain(connection::examples());
    of_kinds.fold(OF_NO_KIND.to_owned(), |whole, example| format!("{whole}---\n{example}\n"))
}

/// The copy for editors is up to date. With `FOREBAY_WRITE_SCHEMA=1` the test writes it.
#[test]
fn the_published_file_is_what_the_readers_declare() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/definition.json");
    if std::env::var_os("FOREBAY_WRITE_SCHEMA").is_some() {
        std::fs::write(path, document_schema()).unwrap();
    }
    let is_same = std::fs::read_to_string(path).unwrap() == document_schema();
    assert!(is_same, "schema/definition.json is not up to date: run this test with FOREBAY_WRITE_SCHEMA=1");
}

#[test]
fn no_part_of_the_schema_takes_the_place_of_another() {
    let mut base = base();
    for (kind, part) in steps::schemas() {
        assert!(base["$defs"]["step"]["properties"][kind].is_null(), "{kind}");
        for (name, definition) in part.definitions {
            assert!(base["$defs"][&name].is_null(), "{name}");
            assert_eq!(SCHEMA["$defs"][&name], definition, "{name}");
        }
    }
    add_steps(&mut base);
    assert_eq!(base["$defs"]["webhook"]["properties"]["authentication"], true, "the place of authentication");
    for part in parts() {
        assert!(base["$defs"][part.after].is_object(), "{}", part.after);
        for (name, definition) in part.schema.definitions {
            assert!(base["$defs"][&name].is_null(), "{name}");
            assert_eq!(SCHEMA["$defs"][&name], definition, "{name}");
        }
    }
}

fn accepts(document: &Value) -> bool {
    if Connection::is_document(document) {
        let secrets = |_: SecretSource<'_>| Ok("amqp://secret".to_owned());
        return Connection::resolve_secrets(document, secrets).is_ok_and(|resolved| Connection::from_value(&resolved).is_ok());
    }
    if Alert::is_document(document) {
        return Alert::from_value(document).is_ok();
    }
    Definition::from_value(document).is_ok()
}

/// Asserts that the schema accepts a document that the reader accepts.
pub(crate) fn assert_valid(document: &Value) {
    let problems: Vec<String> = VALIDATOR.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{document:#}\n{problems:#?}");
}

#[test]
fn the_examples_and_a_document_of_each_kind_are_accepted_by_both() {
    let mut texts = vec![whole()];
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    assert!(texts.len() >= 4);
    for document in texts.iter().flat_map(|text| documents(text).unwrap()) {
        assert!(accepts(&document), "{document}");
        assert_valid(&document);
    }
}

#[test]
fn typical_mistakes_are_refused_by_both() {
    let webhook = "tenant: t\nname: n\ntrigger:\n  webhook: ";
    let cases = [
        "tenant: t\nname: n\n".to_owned(),
        "tenant: a b\nname: n\ntrigger: { webhook: {} }\n".to_owned(),
        "tenant: t\nname: n\ntrigger: { webhook: {}, schedule: { every: 1m } }\n".to_owned(),
        "tenant: t\nname: n\ntrigger: { schedule: { every: 1m, cron: '* * * * *' } }\n".to_owned(),
        format!("{webhook}{{ authentification: none }}"),
        format!("{webhook}{{ methods: [FETCH] }}"),
        format!("{webhook}{{ methods: [] }}"),
        format!("{webhook}{{ authentication: apikey }}"),
        format!("{webhook}{{ query: {{ a: {{ type: int }} }} }}"),
        format!("{webhook}{{ query: {{ a: {{ required: true, default: x }} }} }}"),
        format!("{webhook}{{ response: {{ wait: 30 }} }}"),
        format!("{webhook}{{ response: {{ wait: soon }} }}"),
        format!("{webhook}{{ ordered: {{ concurrency: 3 }} }}"),
        format!("{webhook}{{}}\nstepz: []"),
        format!("{webhook}{{}}\nretry: {{ attempts: 0 }}"),
        format!("{webhook}{{}}\nrespond: {{ status: 99 }}"),
        format!("{webhook}{{}}\nsteps: [{{ id: a }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a-b, set: '1' }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a, set: '1', log: x }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a, htp: {{}} }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a, http: {{ method: GET }} }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a, sql: {{ connection: c }} }}]"),
        format!("{webhook}{{}}\nsteps: [{{ id: a, set: '1', on_error: ignore }}]"),
        "tenant: t\nconnection: c\nftp: {}\n".to_owned(),
        "tenant: t\nconnection: c\nhttp: { url: erp.example }\n".to_owned(),
        "tenant: t\nconnection: c\nhttp: { url: 'https://u:p@erp.example' }\n".to_owned(),
        "tenant: t\nconnection: c\npostgres: { host: h, database: d, username: u, tls: prefer }\n".to_owned(),
        "tenant: t\nconnection: c\nsftp: { host: h, username: u, host_key: 'SHA256:x' }\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { halted: {} }\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { halted: {} }\nsend: {}\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { halted: {} }\nsend: { webhook: { url: 'http://a.example', path: /x } }\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { halted: {} }\nsend: { email: { connection: m, to: [] } }\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { halted: {}, silent: { for: 1h } }\nsend: { webhook: { url: 'http://a.example' } }\n".to_owned(),
        "tenant: t\nalert: a\nwhen: { silent: {} }\nsend: { webhook: { url: 'http://a.example' } }\n".to_owned(),
    ];
    for text in cases {
        let document = documents(&text).unwrap().remove(0);
        assert!(!accepts(&document), "the reader accepts {text}");
        assert!(!VALIDATOR.is_valid(&document), "the schema accepts {text}");
    }
}

#[test]
fn the_schema_has_exactly_the_fields_that_the_reader_knows_each_with_a_description() {
    let mut compared = BTreeSet::new();
    for document in documents(&whole()).unwrap() {
        let is_connection = Connection::is_document(&document);
        let root = if is_connection { "connection" } else { ["definition", "alert"][usize::from(Alert::is_document(&document))] };
        let (_, objects) = recorded(|| accepts(&document));
        for (path, known) in objects {
            let mut found = Vec::new();
            follow(&SCHEMA["$defs"][root], root, &path, &mut found);
            assert_eq!(found.len(), 1, "{path} of {document}: {found:?}");
            let (name, properties) = &found[0];
            let known: BTreeSet<&str> = known.into_iter().collect();
            let published: BTreeSet<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(published, known, "{name} at {path}");
            compared.insert(name.clone());
        }
    }
    for (name, schema) in SCHEMA["$defs"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        let Some(properties) = schema["properties"].as_object() else { continue };
        assert!(compared.contains(name), "no object of {name} was compared");
        for (field, schema) in properties {
            let described = |schema: &Value| schema["description"].is_string();
            let target = schema["$ref"].as_str().and_then(|target| SCHEMA.pointer(target.trim_start_matches('#')));
            assert!(described(schema) || target.is_some_and(described), "{name}.{field}");
        }
    }
}

/// Collects the objects that a path such as `steps[0].http` leads to, with the name of their definition.
fn follow<'s>(schema: &'s Value, name: &str, path: &str, found: &mut Vec<(String, &'s Value)>) {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap();
        return follow(&SCHEMA["$defs"][name], name, path, found);
    }
    for choice in ["oneOf", "anyOf"] {
        schema[choice].as_array().into_iter().flatten().for_each(|schema| follow(schema, name, path, found));
    }
    if path.is_empty() {
        if schema["properties"].is_object() {
            found.push((name.to_owned(), &schema["properties"]));
        }
        return;
    }
    if let Some(rest) = path.strip_prefix('[') {
        let (_, rest) = rest.split_once(']').unwrap();
        return follow_if_there(&schema["items"], name, rest.trim_start_matches('.'), found);
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (field, rest) = path.split_at(end);
    let rest = rest.trim_start_matches('.');
    follow_if_there(&schema["properties"][field], name, rest, found);
    if schema["properties"].is_null() {
        follow_if_there(&schema["additionalProperties"], name, rest, found);
    }
}

fn follow_if_there<'s>(schema: &'s Value, name: &str, path: &str, found: &mut Vec<(String, &'s Value)>) {
    if schema.is_object() {
        follow(schema, name, path, found);
    }
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    assert!(!VALIDATOR.is_valid(&json!([1])));
}
