//! Test calls: a call of an integration through the real ingress, and its response.

use super::badge::{Tone, badge};
use super::field::{Field, option, tick};
use super::json::{body, text};
use super::notice::{copied, notice};
use super::page::card;
use super::time::span;
use forebay_contract::authentication::{Authentication, KeyUse};
use forebay_contract::definition::{QueryKind, QueryParameter, Webhook};
use maud::{Markup, html};

/// A test call that a user has entered.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Call {
    /// Such as `POST`.
    pub(crate) method: String,
    /// The text after the `?`.
    pub(crate) query: String,
    /// The content type of the body; empty: no body.
    pub(crate) content_type: String,
    /// The body.
    pub(crate) body: String,
    /// Further headers, one per line.
    pub(crate) headers: String,
    /// True if a key is created for this call alone, and deleted after it.
    #[serde(rename = "makes_key")]
    pub(crate) creates_key: bool,
}

/// The response to the call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// Microseconds until the response was complete.
    pub(crate) duration: i64,
    /// The execution; empty: the call was not accepted.
    pub(crate) execution: String,
}

/// Draws the form of a call.
#[must_use]
pub(crate) fn form(address: &str, webhook: &Webhook, call: &Call, may_create_key: bool) -> Markup {
    let key = webhook.authentication.key_use().map(|key_use| match key_use {
        KeyUse::Sends => "API key",
        KeyUse::Signs => "Signing key",
    });
    let methods: Vec<(&str, &str)> = webhook.methods.iter().map(|method| (method.as_str(), method.as_str())).collect();
    card(
        "Request",
        &html! {},
        &html! {
            form.stack method="post" action={ (address) "/try" } {
                div.fields {
                    (Field { name: "method", label: "Method", value: &call.method, ..Field::default() }.choice(&methods))
                    (Field { name: "query", label: "Query", value: &call.query, example: &example(webhook), hint: "Everything after the ?", ..Field::default() }.line("text"))
                    (Field { name: "content_type", label: "Content type", value: &call.content_type, example: "application/json", ..Field::default() }.line("text"))
                }
                (Field { name: "body", label: "Body", value: &call.body, ..Field::default() }.text(10))
                (Field { name: "headers", label: "More headers", value: &call.headers, hint: "One per line, such as Idempotency-Key: 42", ..Field::default() }.text(2))
                @if let Some(key) = key {
                    fieldset.field {
                        legend { (key) }
                        @if may_create_key {
                            (option("key_from", "made", call.creates_key, "A temporary key", "Forebay creates the key, uses it for this call and deletes it. The audit log has the entries."))
                            (option("key_from", "pasted", !call.creates_key, "This key", "Forebay does not store it."))
                        } @else { input type="hidden" name="key_from" value="pasted"; }
                        (Field { name: "key", label: "Key", ..Field::default() }.line("password"))
                    }
                }
                (tick("shows_steps", "true", true, "Enable diagnostics for ten minutes", "Records the input, the output, and the variables before and after each step of this integration."))
                div.actions { button.button.main type="submit" { "Send" } }
            }
        },
    )
}

/// Returns a query with every required parameter.
#[must_use]
pub(crate) fn required(webhook: &Webhook) -> String {
    of(webhook.query.iter().filter(|parameter| parameter.required))
}

fn example(webhook: &Webhook) -> String {
    of(webhook.query.iter())
}

fn of<'a>(parameters: impl Iterator<Item = &'a QueryParameter>) -> String {
    let value = |kind: QueryKind| match kind {
        QueryKind::String => "text",
        QueryKind::Integer => "1",
        QueryKind::Number => "1.5",
        QueryKind::Boolean => "true",
    };
    parameters.map(|parameter| format!("{}={}", parameter.name, value(parameter.kind))).collect::<Vec<_>>().join("&")
}

/// Draws the response to a call.
#[must_use]
pub(crate) fn response(response: &Response, curl: &str) -> Markup {
    let tone = match response.status {
        200..300 => Tone::Good,
        300..500 => Tone::Warn,
        _ => Tone::Bad,
    };
    html! {
        (card("Response", &html! { (badge(tone, &response.status.to_string())) span.muted { (span(response.duration)) } }, &html! {
            details.fold { summary { "Headers (" (response.headers.len()) ")" } div.body { pre tabindex="0" { @for (name, value) in &response.headers { (name) ": " (value) "\n" } } } }
            (body(&response.body))
            @if !response.execution.is_empty() { div.actions { a.button href={ "/executions/" (response.execution) } { "Open the execution" } } }
        }))
        (card("The call as a curl command", &html! {}, &copied("curl", curl)))
    }
}

/// Draws the reason for which a call got no response.
#[must_use]
pub(crate) fn no_response(reason: &str) -> Markup {
    notice(Tone::Bad, "No response", text(reason))
}

/// Returns the call as a command for the shell, with a placeholder for the key or signature.
#[must_use]
pub(crate) fn curl(url: &str, call: &Call, authentication: &Authentication) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let url = if call.query.is_empty() { url.to_owned() } else { format!("{url}?{}", call.query) };
    let mut line = format!("curl -i -X {} {}", call.method, quoted(&url));
    if let Some(header) = authentication.example() {
        line.push_str(&format!(" \\\n     -H {}", quoted(&header)));
    }
    if !call.content_type.is_empty() {
        line.push_str(&format!(" \\\n     -H {}", quoted(&format!("Content-Type: {}", call.content_type))));
    }
    for header in call.headers.lines().map(str::trim).filter(|header| !header.is_empty()) {
        line.push_str(&format!(" \\\n     -H {}", quoted(header)));
    }
    if !call.body.is_empty() {
        line.push_str(&format!(" \\\n     --data-binary {}", quoted(&call.body)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::authentication::ApiKey;

    #[test]
    fn the_curl_command_quotes_the_text_of_the_user() {
        let call = Call {
            method: "POST".to_owned(),
            query: "a=1".to_owned(),
            content_type: "application/json".to_owned(),
            body: "{\"a\": \"it's; rm -rf /\"}".to_owned(),
            ..Call::default()
        };
        let line = curl("http://127.0.0.1:8080/t/n", &call, &Authentication::ApiKey(ApiKey));
        assert!(line.starts_with("curl -i -X POST 'http://127.0.0.1:8080/t/n?a=1' \\\n     -H 'X-API-Key: KEY'"), "{line}");
        assert!(line.ends_with(r#"--data-binary '{"a": "it'\''s; rm -rf /"}'"#), "{line}");
    }
}
