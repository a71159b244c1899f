//! Removes the secrets of a connection from texts of remote systems: "Cannot POST /services/T0/B0/TOKEN".
//!
//! Messages of Forebay name a connection and its host, and never more of its address. Remote systems repeat requests, and their texts are
//! part of errors, the history and notifications.

mod written;

use crate::connector_of;
use data_encoding::BASE64;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::ExecutionError;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Replaces a concealed part.
const CONCEALED: &str = "***";
/// Minimum characters of a concealed path or word of an address: shorter ones are not secret, and occur in any text.
const MIN_OF_ADDRESS: usize = 8;
/// Minimum characters of a concealed secret.
const MIN_SECRET: usize = 6;

/// Texts that are concealed.
#[derive(Debug, Default)]
pub struct Concealment(Vec<String>);

impl Concealment {
    /// Conceals an address after scheme, host and port.
    pub fn of_url(url: &str) -> Self {
        let mut concealment = Self::default();
        concealment.add_url(url);
        concealment.ordered()
    }

    /// Conceals the secrets of a connection, and its address after scheme, host and port.
    pub fn of(connection: &Connection) -> Self {
        let mut concealment = Self::default();
        connector_of(&connection.kind).conceal(&mut concealment);
        concealment.ordered()
    }

    /// Also conceals the value of an `Authorization` header, with or without its scheme: an access token is not part of a connection.
    pub fn and_authorization(mut self, value: &str) -> Self {
        self.add_secret(value.split_once(' ').map_or(value, |(_, credentials)| credentials));
        self.ordered()
    }

    /// Returns the text with concealed parts replaced, in any encoding.
    pub fn conceal(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, part| written::replaced(&text, part, CONCEALED, None))
    }

    /// Returns a truncated text with concealed parts replaced, including the beginning of a secret at its end.
    pub fn conceal_cut_off(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, part| written::replaced(&text, part, CONCEALED, Some(MIN_SECRET)))
    }

    /// Returns the failure with concealed parts replaced.
    pub fn conceal_in(&self, error: ExecutionError) -> ExecutionError {
        ExecutionError { message: self.conceal(&error.message), ..error }
    }

    /// Adds an address after scheme, host and port, and its user name and password.
    pub(crate) fn add_url(&mut self, url: &str) {
        let Ok(url) = Url::parse(url) else { return };
        self.add_word(url.username());
        url.password().iter().for_each(|password| self.add_credentials(url.username(), password));
        let path = url.path().trim_end_matches('/');
        self.add(path, MIN_OF_ADDRESS);
        path.split('/').for_each(|segment| self.add_word(segment));
        self.add(url.query().unwrap_or_default(), MIN_OF_ADDRESS);
        url.query_pairs().for_each(|(_, value)| self.add(&value, MIN_SECRET));
    }

    /// Adds a word of an address if it may be a token: it has digits or capitals, unlike `customers`.
    fn add_word(&mut self, word: &str) {
        if word.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) {
            self.add(word, MIN_OF_ADDRESS);
        }
    }

    /// Adds a password, and its encoding in Basic authentication.
    pub(crate) fn add_credentials(&mut self, username: &str, password: &str) {
        self.add_secret(password);
        self.add_secret(&BASE64.encode(format!("{username}:{password}").as_bytes()));
    }

    /// Adds a secret in all forms.
    pub(crate) fn add_secret(&mut self, secret: &str) {
        self.add(secret, MIN_SECRET);
    }

    fn add(&mut self, text: &str, shortest: usize) {
        let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
        for text in [text.to_owned(), decoded] {
            if text.len() >= shortest && !self.0.contains(&text) {
                self.0.push(text);
            }
        }
    }

    /// Sorts by length, the longest first, so that no part of a longer text remains.
    fn ordered(mut self) -> Self {
        self.0.sort_by_key(|part| std::cmp::Reverse(part.len()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_concealed_in_every_form_in_which_it_comes_back_and_other_words_stay() {
        let concealment = Concealment::of_url("https://hooks.example/services/T0/B0/TOKENxyz1?key=S3CR%20ET&v=1");
        for (text, expected) in [
            ("Cannot POST /services/T0/B0/TOKENxyz1/more", "Cannot POST ***/more"),
            (r#"{"path":"\/services\/T0\/B0\/TOKENxyz1"}"#, r#"{"path":"***"}"#),
            ("no hook TOKENxyz1 of services", "no hook *** of services"),
            ("key=S3CR%20ET&v=1, S3CR ET, v=1", "***, ***, v=1"),
            ("hooks.example", "hooks.example"),
        ] {
            assert_eq!(concealment.conceal(text), expected);
        }
        assert_eq!(Concealment::of_url("https://erp.example/api/").conceal("/api/orders"), "/api/orders");
    }

    #[test]
    fn secrets_of_every_kind_of_connection_are_concealed() {
        let sign_in = |login: serde_json::Value| json!({ "url": "https://a.example/p/TOKEN-0001?q=TOKEN-0002", "authentication": login });
        let database = json!({ "host": "h", "database": "d", "username": "u", "password": "TOKEN-0001" });
        let sftp =
            |field: &str| json!({ "host": "h", "username": "u", "host_key": "SHA256:x", field: "TOKEN-0001", "passphrase": "TOKEN-0002" });
        let oauth2 = json!({ "token_url": "https://b.example/TOKEN-0003", "client_id": "c", "client_secret": "TOKEN-0004" });
        let documents = [
            ("http", sign_in(json!({ "basic": { "username": "u", "password": "TOKEN-0003" } }))),
            ("http", sign_in(json!({ "api_key": { "value": "TOKEN-0003" } }))),
            ("http", sign_in(json!({ "bearer": { "token": "TOKEN-0003" } }))),
            ("http", sign_in(json!({ "oauth2": oauth2 }))),
            ("http", json!({ "url": "https://a.example", "headers": { "X": "TOKEN-0001" } })),
            ("postgres", database.clone()),
            ("mysql", database),
            ("smtp", json!({ "host": "h", "from": "a@b.example", "username": "u", "password": "TOKEN-0001" })),
            ("sftp", sftp("private_key")),
            ("amqp", json!({ "url": "amqp://u:TOKEN-0001@h/TOKEN-0002?x=TOKEN-0003" })),
        ];
        for (kind, fields) in documents {
            let document = json!({ "tenant": "t", "connection": "c", kind: fields });
            let concealment = Concealment::of(&Connection::from_value(&document).unwrap());
            let text = concealment.conceal(&document.to_string().replace("TOKEN", "it says TOKEN"));
            assert_eq!(text.matches("TOKEN").count(), 0, "{text}");
            assert!(text.contains("it says ***") && text.contains("\"tenant\":\"t\""), "{text}");
        }
    }
}
