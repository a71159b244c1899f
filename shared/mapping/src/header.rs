//! Header templates of steps and responses: permitted names, and rules for rendered values.

use crate::paced::{Budget, Paced};
use crate::{Template, Value};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http::HeaderValue;

/// A header of a definition.
pub struct HeaderTemplate {
    /// The name as written, for messages.
    pub written: String,
    /// The name in lower case.
    pub name: String,
    /// The template of the value.
    pub value: Paced<Template>,
}

/// Headers that belong to the connection or follow from the body: setting one by hand would corrupt the message.
const OF_THE_CONNECTION: [&str; 9] =
    ["connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Returns the reason for which a definition may not set the header, if there is one; `name` is in lower case.
pub fn refusal(name: &str, in_request: bool) -> Option<String> {
    if OF_THE_CONNECTION.contains(&name) {
        return Some(format!("'{name}' belongs to the connection and is set by Forebay; remove it"));
    }
    let is_host = in_request && name == "host";
    is_host.then(|| "'host' follows from the url; remove it, or change the url".to_owned())
}

/// Renders the headers: names in lower case with their values, in the order of the definition.
pub async fn render_headers(headers: &[HeaderTemplate], context: &Value, budget: &Budget) -> Result<Vec<(String, String)>, ExecutionError> {
    let mut rendered = Vec::with_capacity(headers.len() + 1);
    for header in headers {
        let part = format!("headers.{}", header.written);
        let value = header.value.text(&part, context, budget).await?;
        let value = value.trim();
        if HeaderValue::from_bytes(value.as_bytes()).is_err() {
            let message = format!("{part}: the value holds a line break or another control character; take it out, for example with gsub");
            return Err(ExecutionError::permanent(ErrorCode::Mapping, message));
        }
        rendered.push((header.name.clone(), value.to_owned()));
    }
    Ok(rendered)
}

/// Returns the Content-Type among headers with names in lower case.
#[must_use]
pub fn content_type_of(headers: &[(String, String)]) -> Option<&str> {
    headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str())
}

/// Sets the Content-Type, and replaces an existing one.
pub fn set_content_type(headers: &mut Vec<(String, String)>, content_type: String) {
    match headers.iter_mut().find(|(name, _)| name == "content-type") {
        Some((_, value)) => *value = content_type,
        None => headers.push(("content-type".to_owned(), content_type)),
    }
}

/// Returns headers as an object; values of a repeated header are joined as in RFC 9110, section 5.2.
pub fn header_values<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>) -> Value {
    let mut joined: Vec<(&str, String)> = Vec::with_capacity(headers.size_hint().0);
    for (name, value) in headers {
        // Servers limit calls to a few dozen headers, so a search is cheaper than a map.
        match joined.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => joined.push((name, value.to_owned())),
        }
    }
    Value::object(joined.into_iter().map(|(name, value)| (name, Value::string(value))))
}
