//! From JSON to an [`Alert`].

use super::{Alert, AlertAddress, AlertEmail, AlertWebhook, Condition, DEFAULT_REPEAT, LONGEST_WINDOW, Sending};
use crate::definition::DefinitionError;
use crate::fields::{Fields, Problems, describe};
use crate::name::Name;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;
use std::time::Duration;

const CONDITIONS: [&str; 4] = ["failure_rate", "oldest_age", "halted", "silent"];
const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const DEFAULT_WINDOW: Duration = Duration::from_secs(15 * 60);
const DEFAULT_AT_LEAST: u64 = 1;
const MOST_RECIPIENTS: usize = 100;
/// Headers that are credentials, and would be stored in clear here.
const CREDENTIALS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"];

pub(super) fn alert(document: &Value) -> Result<Alert, DefinitionError> {
    let problems = Problems::default();
    let read = Fields::of(document, "", &problems).and_then(root);
    let problems = problems.into_vec();
    match read {
        Some(alert) if problems.is_empty() => Ok(alert),
        _ => Err(DefinitionError { problems }),
    }
}

fn root(fields: Fields<'_>) -> Option<Alert> {
    let tenant = fields.name("tenant");
    let name = fields.name("alert");
    let description = fields.text("description").unwrap_or_default().to_owned();
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let integrations = integrations(&fields);
    let when = required(&fields, "when", &format!("one of {}", CONDITIONS.join(", "))).and_then(condition);
    let send = required(&fields, "send", "webhook, email or both").and_then(sending);
    let repeat = fields.duration("repeat", MINUTE, WEEK).unwrap_or(DEFAULT_REPEAT);
    fields.finish();
    Some(Alert { tenant: tenant?, name: name?, description, enabled, integrations, when: when?, send: send?, repeat })
}

fn required<'a>(fields: &Fields<'a>, field: &'static str, what: &str) -> Option<Fields<'a>> {
    let is_there = fields.take(field).is_some();
    if !is_there {
        fields.problem(field, format!("is required: {what}"));
    }
    is_there.then(|| fields.object(field)).flatten()
}

fn integrations(fields: &Fields<'_>) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    for (index, text) in texts(fields, "integrations", "the names of integrations, such as [CreateWorkOrder]")?.into_iter().enumerate() {
        match text.parse() {
            Ok(name) if names.contains(&name) => fields.problem(&format!("integrations[{index}]"), format!("'{name}' is named twice")),
            Ok(name) => names.push(name),
            Err(error) => fields.problem(&format!("integrations[{index}]"), format!("{error}")),
        }
    }
    if names.is_empty() && fields.take("integrations").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.problem("integrations", "names none: leave it out to watch every integration of the tenant");
    }
    Some(names)
}

/// A list of texts; `None`: it is absent or is none.
fn texts<'a>(fields: &Fields<'a>, field: &'static str, what: &str) -> Option<Vec<&'a str>> {
    let value = fields.take(field)?;
    let read = value.as_array().map(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let read = read.flatten();
    if read.is_none() {
        fields.problem(field, format!("must be a list of {what}, not {}", describe(value)));
    }
    read
}

fn condition(fields: Fields<'_>) -> Option<Condition> {
    let mut read = Vec::new();
    read.extend(fields.object_or_empty("failure_rate").map(failure_rate));
    read.extend(fields.object_or_empty("oldest_age").map(|fields| {
        let over = required_duration(&fields, "over", Duration::from_secs(1), WEEK);
        fields.finish();
        Some(Condition::OldestAge { over: over? })
    }));
    read.extend(fields.object_or_empty("halted").map(|fields| {
        fields.finish();
        Some(Condition::Halted)
    }));
    read.extend(fields.object_or_empty("silent").map(|fields| {
        let lasting = required_duration(&fields, "for", MINUTE, WEEK);
        fields.finish();
        Some(Condition::Silent { lasting: lasting? })
    }));
    match CONDITIONS.iter().filter(|kind| fields.has_key(kind)).count() {
        0 => fields.problem_here(format!("needs one of {}", CONDITIONS.join(", "))),
        1 => {}
        _ => fields.problem_here(format!("has more than one of {}: make an alert of each", CONDITIONS.join(", "))),
    }
    fields.finish();
    read.pop()?
}

fn failure_rate(fields: Fields<'_>) -> Option<Condition> {
    let over = match fields.take("over") {
        None => {
            fields.problem("over", "is required: percent of the executions that ended, such as 10");
            None
        }
        Some(value) => {
            let percent = value.as_f64().filter(|percent| (0.0..100.0).contains(percent));
            if percent.is_none() {
                fields.problem("over", format!("must be a number of percent from 0 to below 100, not {}", describe(value)));
            }
            percent
        }
    };
    let window = fields.duration("window", MINUTE, LONGEST_WINDOW).unwrap_or(DEFAULT_WINDOW);
    let at_least = fields.whole("at_least", 1, 1_000_000_000).unwrap_or(DEFAULT_AT_LEAST);
    fields.finish();
    Some(Condition::FailureRate { over: over?, window, at_least })
}

fn required_duration(fields: &Fields<'_>, field: &'static str, least: Duration, most: Duration) -> Option<Duration> {
    if fields.take(field).is_none() {
        fields.problem(field, "is required: how long, such as 30m");
        return None;
    }
    fields.duration(field, least, most)
}

fn sending(fields: Fields<'_>) -> Option<Sending> {
    let webhook = fields.object("webhook").map(webhook);
    let email = fields.object("email").map(email);
    if webhook.is_none() && email.is_none() && !fields.has_key("webhook") && !fields.has_key("email") {
        fields.problem_here("needs webhook, email or both");
    }
    fields.finish();
    match (webhook, email) {
        (None, None) | (Some(None), _) | (_, Some(None)) => None,
        (webhook, email) => Some(Sending { webhook: webhook.flatten(), email: email.flatten() }),
    }
}

fn webhook(fields: Fields<'_>) -> Option<AlertWebhook> {
    let path = fields.text("path").map(str::to_owned);
    let target = match (fields.text("url"), fields.optional_name("connection")) {
        (Some(_), Some(_)) => {
            fields.problem("url", "is for a webhook without a connection: use path under the connection's address");
            None
        }
        (Some(_), None) if path.is_some() => {
            fields.problem("path", "is for a webhook by a connection: put it into url");
            None
        }
        (Some(url), None) => is_url(&fields, url).then(|| AlertAddress::Url(url.to_owned())),
        (None, Some(connection)) => Some(AlertAddress::Connection { connection, path: path.unwrap_or_default() }),
        (None, None) => {
            if !fields.has_key("url") && !fields.has_key("connection") {
                fields.problem("url", "is required, or connection: an address such as https://alerts.example/forebay");
            }
            None
        }
    };
    if let Some(AlertAddress::Connection { path, .. }) = &target {
        refuse_template(&fields, "path", path);
    }
    let headers = headers(&fields);
    fields.finish();
    Some(AlertWebhook { target: target?, headers })
}

fn is_url(fields: &Fields<'_>, url: &str) -> bool {
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    match uri {
        None => fields.problem("url", "must be an address such as https://alerts.example/forebay"),
        Some(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            fields.problem("url", "must hold no user name and password: use an http connection");
        }
        Some(_) if url.contains('#') => fields.problem("url", "must not hold a fragment (#); it is never sent"),
        Some(_) => return refuse_template(fields, "url", url),
    }
    false
}

/// What is sent is fixed, so that nothing is evaluated while an alert is to be told.
fn refuse_template(fields: &Fields<'_>, field: &str, text: &str) -> bool {
    let is_template = text.contains("${");
    if is_template {
        fields.problem(field, "is plain text here: ${ } is not evaluated");
    }
    !is_template
}

fn headers(fields: &Fields<'_>) -> Vec<(String, String)> {
    let headers = fields.texts("headers");
    for (name, value) in &headers {
        let path = format!("headers.{name}");
        if name.parse::<HeaderName>().is_err() {
            fields.problem("headers", format!("'{name}' is no header name"));
        } else if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) {
            fields.problem(&path, "is a credential, and would be stored in clear: use an http connection, which is stored encrypted");
        } else if HeaderValue::from_str(value).is_err() {
            fields.problem(&path, "holds a line break or another control character");
        }
        refuse_template(fields, &path, value);
    }
    headers
}

fn email(fields: Fields<'_>) -> Option<AlertEmail> {
    let connection = fields.name("connection");
    let to = match texts(&fields, "to", "addresses, such as [ops@example.com]") {
        None if fields.take("to").is_none() => {
            fields.problem("to", "is required: a list of addresses, such as [ops@example.com]");
            None
        }
        to => to,
    };
    if to.as_ref().is_some_and(|to| to.is_empty() || to.len() > MOST_RECIPIENTS) {
        fields.problem("to", format!("must hold 1 to {MOST_RECIPIENTS} addresses"));
    }
    for (index, address) in to.iter().flatten().enumerate() {
        let field = format!("to[{index}]");
        let parts = address.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if parts.is_none() || address.chars().any(char::is_control) {
            fields.problem(&field, format!("'{address}' is no address, such as ops@example.com"));
        }
        refuse_template(&fields, &field, address);
    }
    fields.finish();
    Some(AlertEmail { connection: connection?, to: to?.into_iter().map(str::to_owned).collect() })
}
