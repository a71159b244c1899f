//! Forms as they were sent.

use std::collections::HashMap;

/// The fields of a form as they were sent; of several with one name, all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(HashMap<String, Vec<String>>);

impl Sent {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut fields: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields.entry(name.into_owned()).or_default().push(value.replace("\r\n", "\n"));
        }
        Self(fields)
    }

    /// A field's text; empty where it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// Every value of a name.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// A field's text without space around it; `None` where it is empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// A whole number; 0 where it is none.
    pub(crate) fn number(&self, name: &str) -> i32 {
        self.text(name).trim().parse().unwrap_or_default()
    }

    /// Whether a box was ticked.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
