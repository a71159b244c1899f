//! Submitted forms.

use super::error::PageError;
use crate::failure::Failure;
use forebay_contract::Name;
use std::collections::HashMap;

/// Reads the name of a tenant, integration or connection in an address or form.
pub(super) fn name(text: &str) -> Result<Name, PageError> {
    text.parse().map_err(|error: forebay_contract::NameError| Failure::bad_request(error.to_string()).into())
}

/// The fields of a submitted form; a name can have several values.
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

    /// Returns the text of a field; empty if it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// Returns every value of a name.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the text of a field without surrounding space; `None` if it is empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// Returns a whole number; 0 if the field is not one.
    pub(crate) fn number(&self, name: &str) -> i32 {
        self.text(name).trim().parse().unwrap_or_default()
    }

    /// Returns true if a checkbox was checked.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
