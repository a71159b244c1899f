use super::*;
use crate::fields::DefinitionError;
use crate::secret::Secret;
use serde_json::{Value, json};

fn read(kind: &str, fields: Value) -> Result<Connection, DefinitionError> {
    let document = json!({ "tenant": "t", "connection": "c", kind: fields });
    let read = Connection::from_value(&document);
    if read.is_ok() {
        crate::published::tests::assert_valid(&document);
    }
    read
}

#[test]
fn each_kind_is_read_with_its_defaults() {
    let http = read("http", json!({"url": "https://erp.example/api", "authentication": {"basic": {"username": "u", "password": "p"}}}));
    let ConnectionKind::Http(http) = http.unwrap().kind else { panic!() };
    assert_eq!(http.authentication, HttpAuthentication::Basic { username: "u".into(), password: Secret::new("p") });
    let database = json!({"host": "db", "database": "d", "username": "u"});
    let ConnectionKind::Postgres(postgres) = read("postgres", database.clone()).unwrap().kind else { panic!() };
    assert_eq!((postgres.port, postgres.tls, postgres.pool), (5432, Tls::Require, 4));
    let ConnectionKind::Mysql(mysql) = read("mysql", database).unwrap().kind else { panic!() };
    assert_eq!(mysql.port, 3306);
    let ConnectionKind::Smtp(smtp) = read("smtp", json!({"host": "mail", "from": "a@b.example"})).unwrap().kind else { panic!() };
    assert_eq!((smtp.port, smtp.tls), (587, Tls::StartTls));
    let sftp = json!({"host": "files", "username": "u", "password": "p", "host_key": "SHA256:abc"});
    assert_eq!(read("sftp", sftp).unwrap().kind.as_str(), "sftp");
    assert_eq!(read("amqp", json!({"url": "amqp://a:b@host/v"})).unwrap().kind.as_str(), "amqp");
}

#[test]
fn a_mistake_names_its_path_and_no_problem_shows_a_secret() {
    let cases = [
        ("http", json!({"url": "erp.example"}), "http.url: must be an address such as"),
        ("http", json!({"url": "https://u:hunter2@erp.example"}), "http.url: must hold no user name"),
        (
            "http",
            json!({"url": "https://e.example", "authentication": {"basic": {"username": "u", "password": 7}}}),
            "basic.password: must be text",
        ),
        ("http", json!({"url": "https://e.example", "authentication": {"oauth": {}}}), "did you mean 'oauth2'"),
        ("postgres", json!({"host": "h", "database": "d", "username": "u", "tls": "prefer"}), "postgres.tls: must be require or disable"),
        ("sftp", json!({"host": "h", "username": "u", "host_key": "SHA256:x"}), "sftp: needs one of password, private_key"),
        ("amqp", json!({"url": "http://u:hunter2@h"}), "amqp.url: must begin with amqp://"),
        ("ftp", json!({}), "needs one of http, postgres, mysql, smtp, sftp, amqp"),
    ];
    for (kind, fields, expected) in cases {
        let text = read(kind, fields).unwrap_err().to_string();
        assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn secrets_come_from_the_environment_or_files_of_the_one_who_applies() {
    let document = json!({"tenant": "t", "connection": "c", "amqp": {"url": {"env": "BUS"}}});
    let found = Connection::resolve_secrets(&document, |source| match source {
        SecretSource::Env("BUS") => Ok("amqp://b".into()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(found.unwrap()["amqp"]["url"], "amqp://b");
    let missing = Connection::resolve_secrets(&document, |_| Err("the variable BUS is not set".into()));
    assert_eq!(missing.unwrap_err().to_string(), "amqp.url: the variable BUS is not set");
}

#[test]
fn a_connection_never_prints_its_secrets() {
    let http = read(
        "http",
        json!({"url": "https://e.example", "authentication": {"bearer": {"token": "hunter2"}}, "headers": {"X-Key": "hunter2"}}),
    );
    assert!(!format!("{http:?}").contains("hunter2"));
}

#[test]
fn every_field_that_is_read_as_a_secret_is_known_as_one_and_no_other() {
    let database = json!({"host": "p1", "database": "p2", "username": "p3", "password": "s1", "tls": "disable"});
    let login = |name: &str, value: Value| json!({"url": "http://p1.example", "headers": {"X-P": "s1", "X-Q": "s2"}, "authentication": {name: value}});
    let oauth2 =
        json!({"token_url": "http://p2.example", "client_id": "p3", "client_secret": "s3", "scope": "p4", "parameters": {"p5": "p6"}});
    let sftp = |login: Value| {
        let mut fields = json!({"host": "p1", "username": "p2", "host_key": "SHA256:p3", "folder": "p4"});
        fields.as_object_mut().unwrap().extend(login.as_object().unwrap().clone());
        fields
    };
    let documents = [
        ("http", login("basic", json!({"username": "p2", "password": "s3"}))),
        ("http", login("api_key", json!({"header": "p2", "value": "s3"}))),
        ("http", login("bearer", json!({"token": "s3"}))),
        ("http", login("oauth2", oauth2)),
        ("postgres", database.clone()),
        ("mysql", database),
        ("smtp", json!({"host": "p1", "from": "p2@b.example", "username": "p3", "password": "s1", "tls": "require"})),
        ("sftp", sftp(json!({"password": "s1"}))),
        ("sftp", sftp(json!({"private_key": "s1", "passphrase": "s2"}))),
        ("amqp", json!({"url": "amqp://s1"})),
    ];
    for (kind, fields) in documents {
        let document = json!({"tenant": "t", "connection": "c", kind: fields});
        // The debug output of a connection contains everything except its secrets.
        let printed = format!("{:?}", Connection::from_value(&document).unwrap());
        let secret = Connection::secret_fields(&document);
        for (path, text) in texts(&document, Vec::new()) {
            if path.len() == 1 || path.ends_with(&["tls".to_owned()]) {
                continue;
            }
            assert_eq!(secret.contains(&path), !printed.contains(&text), "{path:?} {text} in {printed}");
        }
    }
    let elsewhere = json!({"postgres": {"host": {"env": "HOST"}, "username": "u"}});
    assert_eq!(Vec::from_iter(Connection::secret_fields(&elsewhere)), [["postgres", "host"]]);
}

fn texts(value: &Value, path: Vec<String>) -> Vec<(Vec<String>, String)> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| texts(value, [path.clone(), vec![name.clone()]].concat())).collect()
        }
        value => vec![(path, value.as_str().unwrap().to_owned())],
    }
}
