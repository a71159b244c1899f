//! JSON for users: indented and coloured.

use forebay_contract::json::read_json;
use maud::{Markup, html};
use serde_json::Value;

/// Maximum characters of a text that is shown; longer texts are cut.
const MAX_SHOWN_LENGTH: usize = 100_000;
/// Maximum characters of an object or list that stays on one line.
const ONE_LINE: usize = 72;

/// Draws a value, in a block that can be scrolled by the keyboard.
#[must_use]
pub(crate) fn json(value: &Value) -> Markup {
    let whole = value.to_string();
    if whole.len() > MAX_SHOWN_LENGTH {
        return text(&format!("{value:#}"));
    }
    html! { pre.json tabindex="0" { (written(value, 0)) } }
}

/// Draws a body: JSON as JSON, other text as text, anything else as its size.
#[must_use]
pub(crate) fn body(bytes: &[u8]) -> Markup {
    if bytes.is_empty() {
        return html! { p.muted { "No body" } };
    }
    if let Ok(value) = read_json(bytes) {
        return json(&value);
    }
    match std::str::from_utf8(bytes) {
        Ok(read) => text(read),
        Err(_) => html! { p.muted { (bytes.len()) " bytes that are not text" } },
    }
}

/// Draws a text unchanged, cut if it is very long.
#[must_use]
pub(crate) fn text(whole: &str) -> Markup {
    let cut = whole.char_indices().nth(MAX_SHOWN_LENGTH).map(|(end, _)| end);
    html! {
        pre tabindex="0" { "\n" (&whole[..cut.unwrap_or(whole.len())]) }
        @if let Some(end) = cut { p.hint { (whole.len() - end) " more bytes are not shown. `forebay executions show` prints all of them." } }
    }
}

fn written(value: &Value, depth: usize) -> Markup {
    match value {
        Value::Null | Value::Bool(_) => html! { span.l { (value.to_string()) } },
        Value::Number(number) => html! { span.n { (number.to_string()) } },
        Value::String(_) => html! { span.s { (value.to_string()) } },
        Value::Array(items) if items.is_empty() => html! { "[]" },
        Value::Object(fields) if fields.is_empty() => html! { "{}" },
        Value::Array(items) => {
            let is_short = fits(value, depth);
            html! {
                "["
                @for (index, item) in items.iter().enumerate() { (between(index, is_short, depth + 1)) (written(item, depth + 1)) }
                (closing(is_short, depth)) "]"
            }
        }
        Value::Object(fields) => {
            let is_short = fits(value, depth);
            html! {
                "{" @if is_short { " " }
                @for (index, (name, field)) in fields.iter().enumerate() {
                    (between(index, is_short, depth + 1)) span.k { (Value::from(name.as_str()).to_string()) } ": " (written(field, depth + 1))
                }
                @if is_short { " " } (closing(is_short, depth)) "}"
            }
        }
    }
}

/// Returns true if a value stays on one line: short, and at most one level deep.
fn fits(value: &Value, depth: usize) -> bool {
    let is_flat = match value {
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        Value::Object(fields) => fields.len() <= 3 && fields.values().all(|field| !field.is_object() && !field.is_array()),
        _ => true,
    };
    is_flat && depth > 0 && value.to_string().len() + depth * 2 <= ONE_LINE
}

fn between(index: usize, is_short: bool, depth: usize) -> String {
    match (index, is_short) {
        (0, true) => String::new(),
        (_, true) => ", ".to_owned(),
        (0, false) => format!("\n{}", "  ".repeat(depth)),
        (_, false) => format!(",\n{}", "  ".repeat(depth)),
    }
}

fn closing(is_short: bool, depth: usize) -> String {
    if is_short { String::new() } else { format!("\n{}", "  ".repeat(depth)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plain(html: &str) -> String {
        let mut text = String::new();
        let mut in_tag = false;
        for c in html.chars() {
            match c {
                '<' => in_tag = true,
                '>' => in_tag = false,
                c if !in_tag => text.push(c),
                _ => {}
            }
        }
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    #[test]
    fn a_number_is_shown_as_it_was_sent() {
        let sent = "{\"a\":[-0,1.10,1E5,1e400,12345678901234567.89]}";
        assert_eq!(plain(&super::body(sent.as_bytes()).into_string()).split_whitespace().collect::<String>(), sent);
    }

    #[test]
    fn the_shown_text_is_the_same_value_as_json() {
        let value = json!({"a": {"b": [1, 2.5, null, true], "<script>": "</pre>&\n\""}, "c": [], "d": {}, "e": [{"f": {"g": 1}}]});
        let html = super::json(&value).into_string();
        assert!(!html.contains("<script>"));
        assert_eq!(serde_json::from_str::<Value>(&plain(&html)).unwrap(), value);
    }

    #[test]
    fn a_body_that_is_not_text_is_shown_by_its_size() {
        assert!(body(&[0xff, 0xfe]).into_string().contains("2 bytes"));
        assert!(body(b"").into_string().contains("No body"));
    }
}
