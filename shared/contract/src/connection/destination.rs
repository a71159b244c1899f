//! The destination of a connection: what says where its secrets are sent, and to whom.
//!
//! Every field is named here, so that a new one does not compile before it is decided whether it belongs to the destination.

use super::{
    AmqpConnection, Connection, ConnectionKind, DatabaseConnection, HttpAuthentication, HttpConnection, ServerTrust, SftpConnection,
    SmtpConnection, Tls,
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where the secrets of a connection are sent: address, port, transport security and the proof of who the remote system is.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// Values by the path of their field. One of them, the address of a message broker, is a secret itself.
    fields: BTreeMap<&'static str, String>,
}

impl Connection {
    /// Where its secrets are sent.
    #[must_use]
    pub fn destination(&self) -> Destination {
        let Self { tenant: _, name: _, description: _, enabled: _, kind } = self;
        Destination { fields: fields(kind).into_iter().collect() }
    }
}

impl Destination {
    /// The paths of the fields in which two destinations differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut paths: Vec<&'static str> = self.fields.keys().chain(other.fields.keys()).copied().collect();
        paths.sort_unstable();
        paths.dedup();
        paths.retain(|path| self.fields.get(path) != other.fields.get(path));
        paths
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}

fn fields(kind: &ConnectionKind) -> Vec<(&'static str, String)> {
    match kind {
        ConnectionKind::Http(HttpConnection { url, trust, authentication, headers: _ }) => {
            let mut fields = vec![("http.url", url.clone()), ("http.tls", trusted(trust))];
            fields.extend(token_url(authentication).map(|url| ("http.authentication.oauth2.token_url", url.to_owned())));
            fields
        }
        ConnectionKind::Postgres(connection) => database(["postgres.host", "postgres.port", "postgres.tls"], connection),
        ConnectionKind::Mysql(connection) => database(["mysql.host", "mysql.port", "mysql.tls"], connection),
        ConnectionKind::Smtp(SmtpConnection { host, port, tls, trust, login: _, from: _ }) => {
            vec![("smtp.host", host.clone()), ("smtp.port", port.to_string()), ("smtp.tls", secured(*tls, trust))]
        }
        ConnectionKind::Sftp(SftpConnection { host, port, username: _, login: _, host_key, folder: _ }) => {
            vec![("sftp.host", host.clone()), ("sftp.port", port.to_string()), ("sftp.host_key", host_key.clone())]
        }
        ConnectionKind::Amqp(AmqpConnection { url, trust }) => vec![("amqp.url", url.expose().to_owned()), ("amqp.tls", trusted(trust))],
    }
}

/// Where the credentials are sent besides the service itself.
fn token_url(authentication: &HttpAuthentication) -> Option<&str> {
    match authentication {
        HttpAuthentication::None
        | HttpAuthentication::Basic { username: _, password: _ }
        | HttpAuthentication::ApiKey { header: _, value: _ }
        | HttpAuthentication::Bearer(_) => None,
        HttpAuthentication::OAuth2 { token_url, client_id: _, client_secret: _, scope: _, parameters: _, in_body: _ } => Some(token_url),
    }
}

fn database([host, port, tls]: [&'static str; 3], connection: &DatabaseConnection) -> Vec<(&'static str, String)> {
    let DatabaseConnection { host: to, port: at, database: _, username: _, password: _, tls: mode, trust, pool: _ } = connection;
    vec![(host, to.clone()), (port, at.to_string()), (tls, secured(*mode, trust))]
}

fn secured(tls: Tls, trust: &ServerTrust) -> String {
    format!("{tls:?} {}", trusted(trust))
}

fn trusted(trust: &ServerTrust) -> String {
    match trust {
        ServerTrust::Machine => "machine".to_owned(),
        ServerTrust::Authority(authorities) => {
            let digests = authorities.iter().map(|authority| HEXLOWER.encode(&Sha256::digest(authority)));
            format!("authority {}", digests.collect::<Vec<_>>().join(" "))
        }
        ServerTrust::Certificate(sha256) => format!("certificate {}", HEXLOWER.encode(sha256)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The differences of the destination when one field is written otherwise.
    fn changed(kind: &str, fields: Value, path: &[&str], value: Value) -> Vec<&'static str> {
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
