//! Hides named fields before anything is stored: at any depth of values and bodies, and in headers and query parameters.

use crate::redaction_text::{HIDDEN, without_fields};
use bytes::Bytes;
use forebay_contract::body::{BodyKind, BodyRule, Reading};
use forebay_contract::definition::MAX_BODY_BYTES;
use forebay_mapping::Value;
use forebay_mapping::body::read_body;
use forebay_mapping::payload;
use forebay_mapping::weight;
use percent_encoding::percent_decode_str;
use serde_json::Value as Json;

/// Replaces a body that cannot be searched for the fields.
const UNREADABLE: &str = "[redacted: the body cannot be read as what its Content-Type says]";
/// Minimum characters of a hidden text that is searched for in messages: shorter ones would be found everywhere.
const MIN_IN_MESSAGES: usize = 4;

/// The fields that a definition hides. It remembers the hidden values, so that they can be removed from messages that repeat them.
pub struct Redaction {
    /// Names in lower case.
    names: Vec<String>,
    hidden: Vec<String>,
}

impl Redaction {
    /// Hides fields of these names; case is ignored.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        Self { names: names.iter().map(|name| name.to_lowercase()).collect(), hidden: Vec::new() }
    }

    /// Hides the fields of a value; returns true if there were any.
    pub fn hide(&mut self, value: &mut Json) -> bool {
        match value {
            Json::Object(members) => {
                let mut any = false;
                for (name, member) in members {
                    if self.hides(name) {
                        self.learn_json(member);
                        *member = HIDDEN.into();
                        any = true;
                    } else {
                        any |= self.hide(member);
                    }
                }
                any
            }
            Json::Array(items) => {
                let mut any = false;
                for item in items {
                    any |= self.hide(item);
                }
                any
            }
            _ => false,
        }
    }

    /// Hides headers; returns true if there were any.
    pub fn hide_pairs(&mut self, pairs: &mut [(String, String)]) -> bool {
        let mut any = false;
        for (name, value) in pairs {
            if self.hides(name) {
                self.learn(value);
                *value = HIDDEN.to_owned();
                any = true;
            }
        }
        any
    }

    /// Hides parameters of a query string; returns true if there were any.
    pub fn hide_query(&mut self, query: &mut String) -> bool {
        let mut any = false;
        let mut parts = Vec::new();
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            if self.hides(&plain(name)) {
                self.learn(&plain(value));
                parts.push(format!("{name}={HIDDEN}"));
                any = true;
            } else {
                parts.push(part.to_owned());
            }
        }
        if any {
            *query = parts.join("&");
        }
        any
    }

    /// Returns the body without the fields and without a Content-Encoding; `None`: there are none, or it is of a type without named fields.
    /// A body that cannot be read is replaced as a whole. It is read by the rule of the definition, as in the workflow.
    pub async fn body(
        &mut self,
        rule: &BodyRule,
        content_type: Option<&str>,
        content_encoding: Option<&str>,
        body: &Bytes,
    ) -> Option<Bytes> {
        // A type with an unknown charset is a text.
        let kind = rule.kind(content_type);
        if body.is_empty() || matches!(kind, Ok(BodyKind::Text(_) | BodyKind::Binary)) {
            return None;
        }
        let Ok(kind) = kind else { return Some(Bytes::from_static(UNREADABLE.as_bytes())) };
        let (sent, encoding, bytes) = (content_type.map(str::to_owned), content_encoding.map(str::to_owned), body.clone());
        let rule = rule.clone();
        let read = move || {
            let reading = Reading { rule: &rule, max_bytes: MAX_BODY_BYTES };
            read_body(reading, sent.as_deref(), encoding.as_deref(), &bytes)
        };
        let on_another_thread = weight::are_many(body.len()) || content_encoding.is_some();
        let Ok(Ok(value)) = weight::run(on_another_thread, read).await else { return Some(Bytes::from_static(UNREADABLE.as_bytes())) };
        let hidden = self.without(&value)?;
        let written = payload::encode_as(hidden, kind, String::new()).await;
        Some(written.map_or_else(|_| Bytes::from_static(UNREADABLE.as_bytes()), |written| written.bytes))
    }

    /// Returns a message without the hidden values, and without the fields that it quotes; `None`: it stays unchanged.
    #[must_use]
    pub fn message(&self, text: &str) -> Option<String> {
        let mut redacted = without_fields(text, &self.names);
        for hidden in &self.hidden {
            if redacted.contains(hidden.as_str()) {
                redacted = redacted.replace(hidden.as_str(), HIDDEN);
            }
        }
        (redacted != text).then_some(redacted)
    }

    /// Hides the fields of a shared value; `None`: it has no such field.
    fn without(&mut self, value: &Value) -> Option<Value> {
        if let Some(items) = value.as_array() {
            let hidden: Vec<Option<Value>> = items.iter().map(|item| self.without(item)).collect();
            if hidden.iter().all(Option::is_none) {
                return None;
            }
            return Some(Value::array(items.iter().zip(hidden).map(|(item, hidden)| hidden.unwrap_or_else(|| item.clone()))));
        }
        let mut any = false;
        let mut members = Vec::new();
        for (name, member) in value.entries()? {
            let hidden = match self.hides(name) {
                true => {
                    self.learn_json(&Json::from(member));
                    Some(Value::string(HIDDEN))
                }
                false => self.without(member),
            };
            any |= hidden.is_some();
            members.push((name, hidden.unwrap_or_else(|| member.clone())));
        }
        any.then(|| Value::object(members))
    }

    /// Returns true if a field of this name is hidden. XML attributes are `@name`, and XML names may have a prefix.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let local = name.rsplit_once(':').map_or(name.trim_start_matches('@'), |(_, local)| local);
        self.names.iter().any(|hidden| *hidden == name || hidden == local)
    }

    fn learn_json(&mut self, value: &Json) {
        match value {
            Json::String(text) => self.learn(text),
            Json::Number(number) => self.learn(&number.to_string()),
            Json::Array(items) => items.iter().for_each(|item| self.learn_json(item)),
            Json::Object(members) => members.values().for_each(|member| self.learn_json(member)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    fn learn(&mut self, text: &str) {
        if text.chars().count() >= MIN_IN_MESSAGES && text != HIDDEN && !self.hidden.iter().any(|existing| existing == text) {
            self.hidden.push(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redaction() -> Redaction {
        Redaction::new(&["password".to_owned(), "SSN".to_owned()])
    }

    async fn body(content_type: &str, body: &str) -> Option<String> {
        let hidden = redaction().body(&BodyRule::NONE, Some(content_type), None, &Bytes::from(body.to_owned())).await?;
        Some(String::from_utf8(hidden.to_vec()).unwrap())
    }

    #[test]
    fn named_fields_are_hidden_at_any_depth_whatever_they_hold() {
        let mut value = json!({ "a": [{ "Password": { "x": 1 } }, { "ssn": null }], "password": "hunter2", "passwords": "kept" });
        assert!(redaction().hide(&mut value));
        let hidden = json!({ "a": [{ "Password": HIDDEN }, { "ssn": HIDDEN }], "password": HIDDEN, "passwords": "kept" });
        assert_eq!(value, hidden);
        assert!(!redaction().hide(&mut json!({ "a": ["password"] })));
    }

    #[test]
    fn headers_and_parameters_are_hidden_by_name() {
        let mut headers = [("PASSWORD".to_owned(), "hunter2".to_owned()), ("x-a".to_owned(), "b".to_owned())];
        assert!(redaction().hide_pairs(&mut headers));
        assert_eq!((headers[0].1.as_str(), headers[1].1.as_str()), (HIDDEN, "b"));
        let mut query = "a=1&pass%77ord=hunter2&ssn=%20".to_owned();
        assert!(redaction().hide_query(&mut query));
        assert_eq!(query, "a=1&pass%77ord=[redacted]&ssn=[redacted]");
    }

    #[tokio::test]
    async fn bodies_are_written_again_as_what_they_were() {
        let cases = [
            (
                "application/json",
                r#"{"n":12345678901234567890123,"password":"x"}"#,
                r#"{"n":12345678901234567890123,"password":"[redacted]"}"#,
            ),
            ("application/x-www-form-urlencoded", "a=1&ssn=2", "a=1&ssn=%5Bredacted%5D"),
            ("text/csv", "id,SSN\r\n1,2\r\n", "id,SSN\r\n1,[redacted]\r\n"),
        ];
        for (kind, text, hidden) in cases {
            assert_eq!(body(kind, text).await.as_deref(), Some(hidden), "{kind}");
        }
        let xml = r#"<o:a xmlns:o="u"><o:password x="1">hunter2</o:password><b ssn="hunter2"/></o:a>"#;
        let hidden = body("application/xml", xml).await.unwrap();
        assert!(!hidden.contains("hunter2"), "{hidden}");
        assert!(hidden.contains("<o:password>[redacted]</o:password>") && hidden.contains(r#"<b ssn="[redacted]"/>"#), "{hidden}");
    }

    #[tokio::test]
    async fn a_body_without_the_fields_stays_as_it_is_and_one_that_cannot_be_read_is_replaced() {
        assert_eq!(body("application/json", r#"{ "a": 1 }"#).await, None);
        assert_eq!(body("text/plain", "password: hunter2").await, None);
        assert_eq!(body("application/json", r#"{"password": "hunter2""#).await.as_deref(), Some(UNREADABLE));
    }

    #[tokio::test]
    async fn a_body_is_searched_as_what_the_definition_says_it_is() {
        let rule = BodyRule::new(Some("text/csv"), Some("windows-1252"), Some(";")).unwrap();
        let body = Bytes::from_static(b"id;SSN\r\n\xf6;2\r\n");
        let hidden = redaction().body(&rule, Some("text/plain"), None, &body).await.unwrap();
        assert_eq!(&hidden[..], b"id;SSN\r\n\xf6;[redacted]\r\n");
        assert_eq!(redaction().body(&BodyRule::NONE, Some("text/plain"), None, &body).await, None);
    }

    #[test]
    fn messages_are_told_without_what_was_hidden() {
        let mut redaction = redaction();
        redaction.hide(&mut json!({ "password": "hunter2", "ssn": [99_887_766, "abc"] }));
        let redacted = redaction.message("cannot parse \"hunter2\" and 99887766 and abc").unwrap();
        assert_eq!(redacted, "cannot parse \"[redacted]\" and [redacted] and abc");
        assert_eq!(redaction.message("fine"), None);
    }
}
