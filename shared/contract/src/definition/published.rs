//! The JSON Schema of documents, by which editors complete and check them. What it cannot say, the reader still checks.

/// JSON Schema (2020-12) of a definition, a connection or an alert, as JSON text.
pub const DOCUMENT_SCHEMA: &str = include_str!("../../../../schema/definition.json");

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::connection::{Connection, SecretSource};
    use crate::definition::{Definition, documents};
    use crate::fields::recorded;
    use jsonschema::Validator;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DOCUMENT_SCHEMA).unwrap());
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::options().build(&SCHEMA).unwrap());

    /// Every field that there is stands in one of these at least once, or its object would not be compared.
    pub(crate) const WHOLE: &str = r#"
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
name: signed
trigger: { webhook: { authentication: { signature: { header: X-Signature, timestamp: X-Time } } } }
---
tenant: t
name: clock
trigger: { schedule: { cron: '* * * * *', timezone: UTC, input: [1] } }
---
tenant: t
connection: c
http: { url: 'https://a.example/b', headers: { X: { env: K } }, authentication: { basic: { username: u, password: { env: P } } } }
---
tenant: t
connection: c
http: { url: 'http://a.example:80', authentication: { api_key: { value: v } } }
---
tenant: t
connection: c
http: { url: 'http://a.example', authentication: { bearer: { token: v } } }
---
tenant: t
connection: c
http: { url: 'http://a.example', authentication: { oauth2: { token_url: 'http://a.example', client_id: c, client_secret: s } } }
---
tenant: t
connection: c
postgres: { host: h, database: d, username: u, tls: { certificate: 'sha256:0011223344556677889900112233445566778899001122334455667788990011' } }
---
tenant: t
connection: c
mysql: { host: h, database: d, username: u, password: { file: /p }, tls: disable }
---
tenant: t
connection: c
smtp: { host: h, from: a@b.example, username: u, password: p, tls: { mode: require, authority: "-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----" } }
---
tenant: t
connection: c
sftp: { host: h, username: u, private_key: { file: /k }, host_key: 'SHA256:a' }
---
tenant: t
connection: c
amqp: { url: 'amqps://a:b@c', tls: { certificate: '00112233445566778899001122334455667788990011223344556677889900AA' } }
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

    /// What the reader accepts, the schema does.
    pub(crate) fn assert_valid(document: &Value) {
        let problems: Vec<String> = VALIDATOR.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{document:#}\n{problems:#?}");
    }

    #[test]
    fn the_examples_and_a_document_of_each_kind_are_accepted_by_both() {
        let mut texts = vec![WHOLE.to_owned()];
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
        for document in documents(WHOLE).unwrap() {
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

    /// The objects that a path such as `steps[0].http` leads to, with the name of their definition.
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
}
