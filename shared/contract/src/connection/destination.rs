//! The destination of a connection: the remote system to which its secrets are sent.
//!
//! Each kind lists all of its fields, so that a new field does not compile until it is decided whether it belongs to the destination.

use super::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// The destination of a connection's secrets: address, port, transport security and the trusted certificates of the remote system.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// Values by the path of their field. One of them, the address of a message broker, is itself a secret.
    fields: BTreeMap<String, String>,
}

impl Connection {
    /// Returns the destination of its secrets.
    #[must_use]
    pub fn destination(&self) -> Destination {
        let Self { tenant: _, name: _, description: _, enabled: _, kind } = self;
        let path = |field| format!("{}.{field}", kind.as_str());
        Destination { fields: kind.destination().into_iter().map(|(field, value)| (path(field), value)).collect() }
    }
}

impl Destination {
    /// Returns the paths of the fields in which two destinations differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths: BTreeSet<&String> = self.fields.keys().chain(other.fields.keys()).collect();
        paths.into_iter().filter(|path| self.fields.get(*path) != other.fields.get(*path)).cloned().collect()
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Returns the differences of the destination after a change of one field.
    fn changed(kind: &str, fields: Value, path: &[&str], value: Value) -> Vec<String> {
        let read = |fields: &Value| Connection::from_value(&json!({"tenant": "t", "connection": "c", kind: fields})).unwrap();
        let mut edited = fields.clone();
        *path.iter().fold(&mut edited, |value, name| &mut value[*name]) = value;
        read(&fields).destination().differences(&read(&edited).destination())
    }

    #[test]
    fn whatever_says_where_a_secret_is_sent_is_the_destination_and_nothing_else() {
        let http = json!({"url": "https://a.example/x", "headers": {"X": "s"}, "authentication": {"oauth2":
            {"token_url": "https://b.example", "client_id": "i", "client_secret": "s"}}});
        let oauth2 = |field| ["authentication", "oauth2", field];
        assert_eq!(changed("http", http.clone(), &["url"], json!("https://a.example/y")), ["http.url"]);
        assert_eq!(changed("http", http.clone(), &["tls"], json!({"certificate": "0".repeat(64)})), ["http.tls"]);
        let token_url = ["http.authentication.oauth2.token_url"];
        assert_eq!(changed("http", http.clone(), &oauth2("token_url"), json!("https://c.example")), token_url);
        assert_eq!(changed("http", http.clone(), &["authentication"], json!({"bearer": {"token": "s"}})), token_url);
        for (path, value) in
            [(vec!["headers"], json!({"Y": "t"})), (oauth2("scope").to_vec(), json!("all")), (oauth2("client_secret").to_vec(), json!("t"))]
        {
            assert!(changed("http", http.clone(), &path, value).is_empty(), "{path:?}");
        }
        for kind in ["postgres", "mysql"] {
            let database = json!({"host": "h", "database": "d", "username": "u", "password": "s"});
            for (field, value) in [("host", json!("i")), ("port", json!(1)), ("tls", json!("disable"))] {
                assert_eq!(changed(kind, database.clone(), &[field], value), [format!("{kind}.{field}")]);
            }
            for (field, value) in [("database", json!("e")), ("username", json!("v")), ("password", json!("t")), ("pool", json!(1))] {
                assert!(changed(kind, database.clone(), &[field], value).is_empty(), "{field}");
            }
        }
        let smtp = json!({"host": "h", "port": 25, "from": "a@b.example", "username": "u", "password": "s"});
        assert_eq!(changed("smtp", smtp.clone(), &["host"], json!("i")), ["smtp.host"]);
        assert_eq!(changed("smtp", smtp.clone(), &["tls"], json!("disable")), ["smtp.tls"]);
        assert!(changed("smtp", smtp, &["from"], json!("c@b.example")).is_empty());
        let sftp = json!({"host": "h", "username": "u", "password": "s", "host_key": "SHA256:a"});
        assert_eq!(changed("sftp", sftp.clone(), &["host_key"], json!("SHA256:b")), ["sftp.host_key"]);
        assert!(changed("sftp", sftp, &["folder"], json!("/x")).is_empty());
        assert_eq!(changed("amqp", json!({"url": "amqp://a"}), &["url"], json!("amqp://b")), ["amqp.url"]);
    }

    #[test]
    fn a_default_that_is_written_out_is_the_same_destination_and_nothing_of_it_is_printed() {
        let database = json!({"host": "hunter2", "database": "d", "username": "u"});
        assert!(changed("postgres", database, &["port"], json!(5432)).is_empty());
        let amqp = Connection::from_value(&json!({"tenant": "t", "connection": "c", "amqp": {"url": "amqp://hunter2"}})).unwrap();
        assert!(!format!("{:?}", amqp.destination()).contains("hunter2"));
    }
}
