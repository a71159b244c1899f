//! From JSON to an [`Alert`].

use super::{Alert, AlertAddress, AlertEmail, AlertWebhook, Condition, DEFAULT_REPEAT, MAX_WINDOW, Sending};
use crate::connection::Connection;
use crate::credential_header::{STORED_IN_CLEAR, is_credential};
use crate::fields::{DefinitionError, Fields, Origin, Problems, Read, all_of};
use crate::name::Name;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const DEFAULT_WINDOW: Duration = Duration::from_secs(15 * 60);
const DEFAULT_AT_LEAST: u64 = 1;
const MAX_RECIPIENTS: usize = 100;

#[derive(Clone, Copy)]
enum Kind {
    FailureRate,
    OldestAge,
    Halted,
    Silent,
}

const CONDITIONS: [(&str, Kind); 4] =
    [("failure_rate", Kind::FailureRate), ("oldest_age", Kind::OldestAge), ("halted", Kind::Halted), ("silent", Kind::Silent)];

impl Alert {
    /// Reads an alert rule from its document.
    ///
    /// # Errors
    /// Every problem found, each with the path of the field.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Written)
    }

    /// Reads an alert rule that an earlier version of Forebay accepted and stored. Rules that were added later do not apply, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// Those of [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read(document, Origin::Stored)
    }
}

fn read(document: &Value, origin: Origin) -> Result<Alert, DefinitionError> {
    // The values of a connection that is read as an alert rule may be secrets.
    Problems::of_document(document, origin, Connection::is_document(document), root)
}

fn root(fields: Fields<'_>) -> Read<Alert> {
    let tenant = fields.name("tenant");
    let name = fields.name("alert");
    let description = fields.description();
    let enabled = fields.boolean("enabled");
    let integrations = integrations(&fields);
    let when = fields.required("when", fields.object("when"), "one of failure_rate, oldest_age, halted, silent").and_then(condition);
    let send = fields.required("send", fields.object("send"), "webhook, email or both").and_then(sending);
    let repeat = fields.duration("repeat", MINUTE, WEEK);
    fields.finish();
    Ok(Alert {
        tenant: tenant?,
        name: name?,
        description: description?.unwrap_or_default(),
        enabled: enabled?.unwrap_or(true),
        integrations: integrations?,
        when: when?,
        send: send?,
        repeat: repeat?.unwrap_or(DEFAULT_REPEAT),
    })
}

fn integrations(fields: &Fields<'_>) -> Read<Option<Vec<Name>>> {
    let Some(texts) = fields.list_of_texts("integrations", "the names of integrations, such as [CreateWorkOrder]")? else {
        return Ok(None);
    };
    if texts.is_empty() {
        return Err(fields.problem("integrations", "names none: leave it out to watch every integration of the tenant"));
    }
    let read = |(index, text): (usize, &String)| match text.parse() {
        Ok(name) if texts[..index].contains(text) => {
            Err(fields.problem(&format!("integrations[{index}]"), format!("'{name}' is named twice")))
        }
        Ok(name) => Ok(name),
        Err(error) => Err(fields.problem(&format!("integrations[{index}]"), format!("{error}"))),
    };
    all_of(texts.iter().enumerate().map(read)).map(Some)
}

fn condition(fields: Fields<'_>) -> Read<Condition> {
    let object = |field| fields.required(field, fields.object(field), "");
    let condition = fields.exactly_one_of(&CONDITIONS, "make an alert of each").and_then(|kind| match kind {
        Kind::FailureRate => failure_rate(object("failure_rate")?),
        Kind::OldestAge => {
            let fields = object("oldest_age")?;
            let over = required_duration(&fields, "over", Duration::from_secs(1), WEEK);
            fields.finish();
            Ok(Condition::OldestAge { over: over? })
        }
        Kind::Halted => {
            fields.required("halted", fields.object_or_empty("halted"), "")?.finish();
            Ok(Condition::Halted)
        }
        Kind::Silent => {
            let fields = object("silent")?;
            let lasting = required_duration(&fields, "for", MINUTE, WEEK);
            fields.finish();
            Ok(Condition::Silent { lasting: lasting? })
        }
    });
    fields.finish();
    condition
}

fn failure_rate(fields: Fields<'_>) -> Read<Condition> {
    let over = fields.number("over", |percent| (0.0..100.0).contains(&percent), "a number of percent from 0 to below 100");
    let over = fields.required("over", over, "percent of the executions that ended, such as 10");
    let window = fields.duration("window", MINUTE, MAX_WINDOW);
    let at_least = fields.whole("at_least", 1, 1_000_000_000);
    fields.finish();
    Ok(Condition::FailureRate { over: over?, window: window?.unwrap_or(DEFAULT_WINDOW), at_least: at_least?.unwrap_or(DEFAULT_AT_LEAST) })
}

fn required_duration(fields: &Fields<'_>, field: &'static str, min: Duration, max: Duration) -> Read<Duration> {
    fields.required(field, fields.duration(field, min, max), "how long, such as 30m")
}

fn sending(fields: Fields<'_>) -> Read<Sending> {
    let webhook = fields.object("webhook").and_then(|fields| fields.map(webhook).transpose());
    let email = fields.object("email").and_then(|fields| fields.map(email).transpose());
    if let (Ok(None), Ok(None)) = (&webhook, &email) {
        fields.problem_here("needs webhook, email or both");
    }
    fields.finish();
    Ok(Sending { webhook: webhook?, email: email? })
}

fn webhook(fields: Fields<'_>) -> Read<AlertWebhook> {
    let target = address(&fields);
    let headers = headers(&fields);
    fields.finish();
    Ok(AlertWebhook { target: target?, headers: headers? })
}

fn address(fields: &Fields<'_>) -> Read<AlertAddress> {
    let (url, connection, path) = (fields.text("url"), fields.optional_name("connection"), fields.text_or_blank("path"));
    match (url?, connection?, path?) {
        (Some(_), Some(_), _) => {
            Err(fields.problem("url", "is for a webhook without a connection: use path under the connection's address"))
        }
        (Some(_), None, Some(_)) => Err(fields.problem("path", "is for a webhook by a connection: put it into url")),
        (Some(url), None, None) => {
            check_url(fields, &url)?;
            Ok(AlertAddress::Url(url))
        }
        (None, Some(connection), path) => {
            let path = path.unwrap_or_default();
            refuse_template(fields, "path", &path)?;
            Ok(AlertAddress::Connection { connection, path })
        }
        (None, None, _) => Err(fields.problem("url", "is required, or connection: an address such as https://alerts.example/forebay")),
    }
}

fn check_url(fields: &Fields<'_>, url: &str) -> Read<()> {
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    match uri {
        None => Err(fields.problem("url", "must be an address such as https://alerts.example/forebay")),
        Some(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(fields.problem("url", "must hold no user name and password: use an http connection"))
        }
        Some(_) if url.contains('#') => Err(fields.problem("url", "must not hold a fragment (#); it is never sent")),
        Some(_) => refuse_template(fields, "url", url),
    }
}

/// Refuses a template: texts of notifications are fixed, so that nothing is evaluated when one is sent.
fn refuse_template(fields: &Fields<'_>, field: &str, text: &str) -> Read<()> {
    match text.contains("${") {
        true => Err(fields.problem(field, "is plain text here: ${ } is not evaluated")),
        false => Ok(()),
    }
}

fn headers(fields: &Fields<'_>) -> Read<Vec<(String, String)>> {
    all_of(fields.texts("headers")?.into_iter().map(|(name, value)| {
        let path = format!("headers.{name}");
        if name.parse::<HeaderName>().is_err() {
            return Err(fields.problem("headers", format!("'{name}' is no header name")));
        }
        if is_credential(&name) {
            return Err(fields.problem(&path, STORED_IN_CLEAR));
        }
        if HeaderValue::from_str(&value).is_err() {
            return Err(fields.problem(&path, "holds a line break or another control character"));
        }
        refuse_template(fields, &path, &value)?;
        Ok((name, value))
    }))
}

fn email(fields: Fields<'_>) -> Read<AlertEmail> {
    let connection = fields.name("connection");
    let to = fields.list_of_texts("to", "addresses, such as [ops@example.com]");
    let to = fields.required("to", to, "a list of addresses, such as [ops@example.com]").and_then(|to| {
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            return Err(fields.problem("to", format!("must hold 1 to {MAX_RECIPIENTS} addresses")));
        }
        all_of(to.into_iter().enumerate().map(|(index, address)| recipient(&fields, &format!("to[{index}]"), address)))
    });
    fields.finish();
    Ok(AlertEmail { connection: connection?, to: to? })
}

fn recipient(fields: &Fields<'_>, field: &str, address: String) -> Read<String> {
    let parts = address.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if parts.is_none() || address.chars().any(char::is_control) {
        return Err(fields.problem(field, format!("'{address}' is no address, such as ops@example.com")));
    }
    refuse_template(fields, field, &address)?;
    Ok(address)
}
