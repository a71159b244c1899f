//! Every field of every kind of document is emptied in turn: the reader must report a problem that names it, or use the documented default.

use crate::alert::Alert;
use crate::connection::{Connection, SecretSource};
use crate::definition::{Action, Definition, Places, Problem, Stop, documents, to_yaml};
use crate::fields::recorded;
use crate::published;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Fields that may be present without a value (`null`): the documentation says that `field:` means an empty object, or that the value may
/// be anything.
const NULL_IS_A_VALUE: [&str; 7] = [
    "definition trigger.webhook",
    "definition trigger.webhook.query.*",
    "definition trigger.schedule.input",
    "definition respond",
    "definition steps.*.respond",
    "definition steps.*.stop",
    "alert when.halted",
];

/// Fields in which an empty text, list or object has a meaning: the documented default, or none of that kind.
const EMPTY_IS_A_VALUE: [&str; 53] = [
    // Texts for people, or for a remote system that accepts an empty one.
    "* description",
    "alert send.webhook.headers.*",
    "definition respond.headers.*",
    "definition steps.*.http.headers.*",
    "definition steps.*.http.query.*",
    "definition steps.*.http.path",
    "definition steps.*.sftp.list",
    "definition steps.*.amqp.headers.*",
    "definition steps.*.amqp.exchange",
    "definition steps.*.amqp.routing_key",
    "definition steps.*.email.subject",
    "definition steps.*.email.text",
    "definition steps.*.email.html",
    "definition steps.*.respond.headers.*",
    "definition trigger.webhook.query.*.description",
    "definition trigger.webhook.query.*.default",
    "definition trigger.webhook.authentication.signature.prefix",
    "connection http.authentication.oauth2.scope",
    "connection http.authentication.oauth2.parameters.*",
    "connection postgres.password",
    "connection mysql.password",
    "connection sftp.folder",
    "alert send.webhook.path",
    // Objects whose fields all have defaults.
    "definition trigger.webhook",
    "definition trigger.webhook.query",
    "definition trigger.webhook.query.*",
    "definition trigger.webhook.body",
    "definition trigger.webhook.body.schema",
    "definition trigger.webhook.response",
    "definition trigger.webhook.idempotency",
    "definition retry",
    "definition retry.backoff",
    "definition diagnostics",
    "definition diagnostics.redact",
    "definition respond",
    "definition respond.headers",
    "definition steps.*.retry",
    "definition steps.*.retry.backoff",
    "definition steps.*.http.headers",
    "definition steps.*.http.query",
    "definition steps.*.http.accept",
    "definition steps.*.amqp.headers",
    "definition steps.*.respond",
    "definition steps.*.stop",
    // No steps, and no further recipients.
    "definition steps",
    "definition steps.*.parallel.*",
    "definition steps.*.email.cc",
    "definition steps.*.email.bcc",
    "connection http.headers",
    "connection http.authentication.oauth2.parameters",
    "definition steps.*.respond.headers",
    "alert send.webhook.headers",
    // Any value.
    "definition trigger.schedule.input",
];

/// The same for nested steps.
const NESTED_STEPS: [&str; 3] = ["switch.cases.*.steps", "switch.default", "each.steps"];

/// Documents with every step kind, connection kind and option.
const MORE: &str = r#"
tenant: t
name: n
description: d
enabled: true
paused: false
trigger:
  webhook:
    methods: [POST]
    authentication: { signature: { header: X-Signature, prefix: 'sha256=', algorithm: sha256, encoding: hex, timestamp: X-Time, tolerance: 5m } }
    query: { a: { type: string, required: false, default: x, description: d } }
    body: { max_bytes: 1, schema: { type: object }, content_type: text/csv, charset: latin1, separator: ';' }
    concurrency: 3
    response: { wait: 1s, on_timeout: error }
    idempotency: { key: .body.id, keep: 1h }
    rate: { calls: 2, per: 1m, scope: endpoint }
retry: { attempts: 2, on: any, backoff: { first: 1s, factor: 2, max: 1m } }
on_failure: continue
diagnostics: { input: true, output: true, steps: true, keep: 1d, redact: [password] }
input: .body
label: .body.id
steps:
  - { id: a, when: .x, timeout: 1s, on_error: continue, http: { method: GET, url: 'http://a.example', query: { q: x }, headers: { X: y }, accept: [404], body: .x, timeout: 1s, response: { content_type: text/csv, charset: latin1, separator: ';' } }, retry: { attempts: 2, on: any, backoff: { first: 1s, factor: 2, max: 1m } } }
  - { id: b, http: { connection: c, path: /x } }
  - { id: c, sql: { connection: d, query: select 1, params: '[1]' } }
  - { id: d, sql: { connection: d, execute: delete from x } }
  - { id: e, email: { connection: m, from: a@b.example, to: a@b.example, cc: [a@b.example], bcc: [a@b.example], reply_to: a@b.example, subject: s, text: x, html: x, attachments: .x } }
  - { id: f, sftp: { connection: s, list: x, pattern: '*.csv' } }
  - { id: g, sftp: { connection: s, get: x, content_type: text/csv, charset: latin1, separator: ';' } }
  - { id: h, sftp: { connection: s, put: x, body: .x, content_type: text/csv, overwrite: false, rename: false } }
  - { id: i, sftp: { connection: s, delete: x } }
  - { id: j, amqp: { connection: q, exchange: x, routing_key: y, headers: { a: b }, content_type: text/plain, body: .x } }
  - { id: k, call: { integration: i, wait: true, body: .x, query: '{}' } }
  - { id: l, switch: { cases: [{ when: .x, steps: [{ id: l1, set: .x }] }], default: [{ id: l2, set: .x }] } }
  - { id: m, each: { in: .x, parallel: 2, steps: [{ id: m1, set: .x }], output: .x } }
  - { id: o, assert: .x }
  - { id: p, log: x }
  - { id: q, log: { message: x, level: warn } }
  - { id: r, wait: 1m }
  - { id: s, wait: { until: .x } }
  - { id: u, respond: { status: 201, headers: { X: y }, body: .x } }
  - { id: v, assert: { that: .x, message: m } }
respond: { status: 201, headers: { X: y }, body: .x }
---
tenant: t
name: n
trigger: { webhook: { authentication: api_key, ordered: { by: .x, concurrency: 2 }, cors: { origins: ['*'] } } }
---
tenant: t
name: n
trigger: { schedule: { every: 1m, starting: '2026-01-01T00:00:00Z', ordered: true, missed: once, jitter: 1s, input: { a: 1 } } }
---
tenant: t
connection: c
description: d
enabled: true
http: { url: 'https://a.example', authentication: { api_key: { header: X, value: v } }, headers: { X: y }, tls: { authority: '-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----' } }
---
tenant: t
connection: c
http: { url: 'http://a.example', authentication: { oauth2: { token_url: 'http://a.example', client_id: c, client_secret: s, scope: x, parameters: { a: b }, credentials_in: body } } }
---
tenant: t
connection: c
postgres: { host: h, port: 1, database: d, username: u, password: p, tls: disable, pool: 2 }
---
tenant: t
connection: c
postgres: { host: h, database: d, username: u, tls: { authority: '-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----' } }
---
tenant: t
connection: c
postgres: { host: h, database: d, username: u, tls: { certificate: 'sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' } }
---
tenant: t
connection: c
http: { url: 'https://a.example', tls: { certificate: 'sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' } }
---
tenant: t
connection: c
smtp: { host: h, from: a@b.example, tls: { mode: starttls, certificate: 'sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' } }
---
tenant: t
connection: c
smtp: { host: h, from: a@b.example, tls: { authority: '-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----' } }
---
tenant: t
connection: c
amqp: { url: 'amqps://a:b@c', tls: { authority: '-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----' } }
---
tenant: t
connection: c
amqp: { url: 'amqps://a:b@c', tls: { certificate: 'sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' } }
---
tenant: t
connection: c
mysql: { host: h, database: d, username: u, tls: { authority: '-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----' } }
---
tenant: t
connection: c
mysql: { host: h, port: 1, database: d, username: u, password: p, tls: disable, pool: 2 }
---
tenant: t
connection: c
smtp: { host: h, port: 1, tls: disable, username: u, password: p, from: a@b.example }
---
tenant: t
connection: c
sftp: { host: h, port: 1, username: u, password: p, host_key: 'SHA256:a', folder: x }
---
tenant: t
connection: c
sftp: { host: h, username: u, private_key: k, passphrase: p, host_key: 'SHA256:a' }
---
tenant: t
alert: a
description: d
enabled: true
integrations: [i]
when: { failure_rate: { over: 1, window: 15m, at_least: 2 } }
repeat: 1h
send: { webhook: { connection: c, path: /x, headers: { X: y } } }
"#;

fn kind(document: &Value) -> &'static str {
    match document {
        _ if Connection::is_document(document) => "connection",
        _ if Alert::is_document(document) => "alert",
        _ => "definition",
    }
}

fn read(document: &Value) -> Result<(), Vec<Problem>> {
    let read = match kind(document) {
        "connection" => Connection::from_value(document).map(drop),
        "alert" => Alert::from_value(document).map(drop),
        _ => Definition::from_value(document).map(drop),
    };
    read.map_err(|error| error.problems)
}

/// Collects every place below a value: the JSON pointer, and the path of problems.
fn places(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    let inner: Vec<(String, String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), format!("{path}.{name}"), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), format!("{path}[{i}]"), value)).collect(),
        _ => return,
    };
    for (name, path, value) in inner {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push((pointer.clone(), path.trim_start_matches('.').to_owned()));
        // Values below these fields are data of the author.
        if !pointer.ends_with("/body/schema") && !pointer.ends_with("/schedule/input") {
            places(value, &pointer, &path, found);
        }
    }
}

/// Returns the place in the form of the lists above: the document's kind, and `*` for an index and for a name that the author chooses.
fn pattern(kind: &str, path: &str) -> String {
    let mut names: Vec<&str> = path.split(['.', '[']).map(|name| if name.ends_with(']') { "*" } else { name }).collect();
    for index in 1..names.len() {
        if ["headers", "query", "parameters", "parallel"].contains(&names[index - 1]) && names[index - 1] != names[index] {
            names[index] = "*";
        }
    }
    let mut pattern = names.join(".");
    // A nested step has the fields of a step.
    for nested in ["parallel.*.*.", "switch.cases.*.steps.*.", "switch.default.*.", "each.steps.*.", "on_error.*."] {
        while let Some(at) = pattern.find(nested) {
            let start = pattern[..at].rfind("steps.*.").unwrap_or(0);
            pattern = format!("{}steps.*.{}", &pattern[..start], &pattern[at + nested.len()..]);
        }
    }
    format!("{kind} {pattern}")
}

fn is_listed(list: &[&str], pattern: &str) -> bool {
    let any_kind = pattern.split_once(' ').map_or(pattern, |(_, path)| path);
    list.iter().any(|entry| *entry == pattern || entry.strip_prefix("* ") == Some(any_kind))
}

fn examples() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let is_yaml = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_yaml);
    let texts = files.map(|path| std::fs::read_to_string(path).unwrap());
    let all = texts.chain([published::tests::whole(), MORE.to_owned()]).flat_map(|text| documents(&text).unwrap());
    let secrets = |_: SecretSource<'_>| Ok("amqp://secret".to_owned());
    all.map(|document| match kind(&document) {
        "connection" => Connection::resolve_secrets(&document, secrets).unwrap(),
        _ => document,
    })
    .collect()
}

#[test]
fn every_field_that_is_emptied_gives_a_problem_at_its_line_or_the_documented_default() {
    let (mut cases, mut problems_found, mut wrong) = (0, 0, BTreeMap::new());
    let mut used = BTreeSet::new();
    let (mut known, mut emptied_fields) = (BTreeSet::new(), BTreeSet::new());
    for document in examples() {
        let kind = kind(&document);
        let (result, objects) = recorded(|| read(&document));
        assert_eq!(result, Ok(()), "{document}");
        for (path, fields) in objects {
            let object = if path.is_empty() { String::new() } else { format!("{path}.") };
            known.extend(fields.into_iter().map(|field| pattern(kind, &format!("{object}{field}"))));
        }
        let mut found = Vec::new();
        places(&document, "", "", &mut found);
        for (pointer, path) in found {
            let pattern = pattern(kind, &path);
            emptied_fields.insert(pattern.clone());
            let written = document.pointer(&pointer).unwrap();
            let empty = match written {
                Value::Array(_) => json!([]),
                Value::Object(_) => json!({}),
                _ => json!(""),
            };
            for value in [Value::Null, empty] {
                if value == *written {
                    continue;
                }
                let mut emptied = document.clone();
                *emptied.pointer_mut(&pointer).unwrap() = value.clone();
                let is_nested = NESTED_STEPS.iter().any(|nested| pattern.ends_with(nested));
                let may_be = match value {
                    Value::Null => is_listed(&NULL_IS_A_VALUE, &pattern),
                    _ => is_nested || is_listed(&EMPTY_IS_A_VALUE, &pattern),
                };
                cases += 1;
                match read(&emptied) {
                    Ok(()) if may_be => drop(used.insert(pattern.clone())),
                    Ok(()) => drop(wrong.insert(format!("{pattern} = {value}"), "is accepted".to_owned())),
                    Err(problems) => {
                        problems_found += 1;
                        // The problem of an empty text, list or object may name a field beside or within it that is then missing.
                        let parent = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
                        let is_beside = |problem: &Problem| !value.is_null() && problem.path.starts_with(parent);
                        let is_named = problems.iter().any(|problem| problem.path == path || is_beside(problem));
                        let has_line = !value.is_null() || {
                            let places = Places::of_documents(&to_yaml(&emptied)).remove(0);
                            problems.iter().all(|problem| places.find(&problem.path).is_some())
                        };
                        if !is_named || !has_line {
                            wrong.insert(format!("{pattern} = {value}"), format!("{problems:?}"));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The reader knows this field only to say which one to use instead.
    known.remove("connection mysql.tls.certificate");
    let never: Vec<_> = known.difference(&emptied_fields).collect();
    assert!(never.is_empty(), "fields that stand in no document of this test: {never:#?}");
    println!("{cases} emptied fields, {problems_found} refused");
    assert!(cases > 1000 && problems_found > 800, "{cases} {problems_found}");
    let unused: Vec<_> =
        NULL_IS_A_VALUE.iter().chain(&EMPTY_IS_A_VALUE).filter(|entry| !used.iter().any(|at| is_listed(&[entry], at))).collect();
    assert!(unused.is_empty(), "listed, but never accepted empty: {unused:?}");
}

#[test]
fn a_document_that_an_earlier_version_stored_stays_readable() {
    let text = "tenant: t\nname: n\nretry:\ndescription:\ntrigger: { webhook: { rate: , response: , query: { a: { default: } } } }\nsteps: [{ id: a, when: , set: 1 }]";
    let document = documents(text).unwrap().remove(0);
    let problems: Vec<String> = Definition::from_value(&document).unwrap_err().problems.into_iter().map(|problem| problem.path).collect();
    let expected =
        ["description", "trigger.webhook.query.a.default", "trigger.webhook.response", "trigger.webhook.rate", "retry", "steps[0].when"];
    assert_eq!(problems, expected);
    let stored = Definition::from_stored(&document).unwrap();
    assert_eq!((stored.steps[0].when.as_ref(), stored.description.as_str()), (None, ""));
}

/// Earlier versions accepted each of these with empty fields.
#[test]
fn a_stored_version_with_an_empty_part_is_loaded_and_a_step_without_content_fails_when_it_runs() {
    let head = "tenant: t\nname: n\ntrigger: { webhook: {} }\n";
    for step in [
        "http:",
        "http: { method: POST, url: , body: .body }",
        "http: { connection: , path: /x }",
        "sql:",
        "email:",
        "sftp:",
        "set:",
        "each:",
        "parallel:",
        "assert:",
        "log:",
    ] {
        let document = documents(&format!("{head}steps: [{{ id: a, {step} }}]")).unwrap().remove(0);
        assert!(Definition::from_value(&document).is_err(), "{step}");
        let definition = Definition::from_stored(&document).unwrap_or_else(|error| panic!("{step}: {error}"));
        let Action::Stop(Stop { error: Some(error) }) = &definition.steps[0].action else { panic!("{step}: {definition:?}") };
        assert!(error.contains("'a'") && error.contains("apply"), "{error}");
    }
    let part = "trigger: { webhook: { rate: { calls: 2, per: }, idempotency: { key: }, body: { schema: }, response: { wait: } } }";
    let document = documents(&format!("tenant: t\nname: n\n{part}")).unwrap().remove(0);
    assert_eq!(Definition::from_stored(&document).unwrap().trigger.webhook().unwrap().rate, None);
    let connection = json!({"tenant": "t", "connection": "c", "http": {"url": "http://a.example", "authentication": {"bearer": null}}});
    assert!(Connection::from_value(&connection).is_err() && Connection::from_stored(&connection).is_ok());
    // Without the header, any API key would open it, not only the signature: this one is refused even if it is stored.
    let signed = "tenant: t\nname: n\ntrigger: { webhook: { authentication: { signature: { header: } } } }";
    assert!(Definition::from_stored(&documents(signed).unwrap()[0]).is_err());
}

#[test]
fn a_field_that_two_readers_ask_for_is_told_once() {
    let told = |trigger: Value, step: Value| {
        let document = json!({ "tenant": "t", "name": "n", "trigger": { "webhook": trigger }, "steps": [step] });
        read(&document).unwrap_err()
    };
    let problems = told(json!({ "rate": { "calls": 2, "per": null } }), json!({ "id": "a", "wait": { "for": null } }));
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["trigger.webhook.rate.per", "steps[0].wait.for"]);
    let unknown = told(json!({}), json!({ "id": "a", "wait": "1s", "zzzzzz": 1 }));
    assert_eq!(unknown[0].message.matches(" timeout,").count(), 1, "{unknown:?}");
}
