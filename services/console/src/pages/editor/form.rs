//! The fields of the form: conversion from a definition's document, and back.

use crate::pages::sent::Sent;
use forebay_contract::authentication::Authentication;
use forebay_contract::json::read_json;
use serde_json::{Map, Value, json};

/// Returns the top-level fields that the form sets, from the present document and the submitted fields. Parts of a trigger that the form
/// does not have stay unchanged.
pub(crate) fn changes(document: &Value, sent: &Sent) -> Vec<(&'static str, Option<Value>)> {
    let before = |name: &str| document.get(name).cloned();
    let mut changes = vec![
        ("description", optional(sent.text("description"))),
        ("enabled", if sent.has("enabled") { before("enabled").filter(|value| value == true) } else { Some(json!(false)) }),
        ("trigger", Some(trigger(document, sent))),
        ("on_failure", either(before("on_failure"), sent.text("on_failure"), "continue")),
        ("input", program(before("input"), sent.text("input"))),
        ("diagnostics", diagnostics(document, sent)),
        ("retry", retry(document, sent)),
    ];
    // An empty field that the document does not have stays out of it.
    changes.retain(|(name, value)| value.is_some() || document.get(*name).is_some());
    changes
}

fn optional(text: &str) -> Option<Value> {
    let text = text.trim();
    (!text.is_empty()).then(|| json!(text))
}

/// Returns a choice. Its default is not written, but stays if it is written already.
fn either(before: Option<Value>, chosen: &str, default: &str) -> Option<Value> {
    let chosen = if chosen.is_empty() { default } else { chosen };
    if chosen == default && before.as_ref().is_none_or(|before| before != default) { None } else { Some(json!(chosen)) }
}

/// Returns a mapping; it stays unchanged if the new text differs only in space at its end.
fn program(before: Option<Value>, text: &str) -> Option<Value> {
    let text = text.trim_end();
    if text.trim().is_empty() {
        return None;
    }
    match before {
        Some(Value::String(before)) if before.trim_end() == text => Some(Value::String(before)),
        _ if text.contains('\n') => Some(json!(format!("{text}\n"))),
        _ => Some(json!(text)),
    }
}

fn trigger(document: &Value, sent: &Sent) -> Value {
    let before = document.get("trigger").and_then(Value::as_object).cloned().unwrap_or_default();
    let of = |kind: &str| before.get(kind).and_then(Value::as_object).cloned().unwrap_or_default();
    if sent.text("kind") == "schedule" {
        json!({ "schedule": schedule(of("schedule"), sent) })
    } else {
        json!({ "webhook": webhook(of("webhook"), sent) })
    }
}

fn set(fields: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) if fields.get(name) == Some(&value) => {}
        Some(value) => {
            fields.insert(name.to_owned(), value);
        }
        None => {
            fields.shift_remove(name);
        }
    }
}

fn webhook(mut webhook: Map<String, Value>, sent: &Sent) -> Map<String, Value> {
    let methods = sent.all("methods");
    let is_default =
        webhook.get("methods").is_none() && methods.len() == 2 && ["GET", "POST"].iter().all(|one| methods.iter().any(|m| m == one));
    if !is_default && !same_set(webhook.get("methods"), methods) {
        set(&mut webhook, "methods", Some(json!(methods)));
    }
    let authentication = authentication(webhook.get("authentication").cloned(), sent);
    set(&mut webhook, "authentication", authentication);
    let query = query(webhook.get("query"), sent);
    set(&mut webhook, "query", query);
    let (ordered, concurrency) = delivery(&webhook, sent);
    set(&mut webhook, "ordered", ordered);
    set(&mut webhook, "concurrency", concurrency);
    let response = response(webhook.get("response"), sent);
    set(&mut webhook, "response", response);
    let key = optional(sent.text("idempotency_key"));
    let mut idempotency = webhook.get("idempotency").and_then(Value::as_object).cloned().unwrap_or_default();
    set(&mut idempotency, "key", key);
    let matched_by = either(idempotency.get("match").cloned(), sent.text("idempotency_match"), "request");
    set(&mut idempotency, "match", matched_by);
    set(&mut webhook, "idempotency", (!idempotency.is_empty()).then_some(Value::Object(idempotency)));
    let rate = rate(webhook.get("rate"), sent);
    set(&mut webhook, "rate", rate);
    webhook
}

fn authentication(before: Option<Value>, sent: &Sent) -> Option<Value> {
    let chosen = sent.text("authentication");
    let variants = Authentication::choices().find(|choice| choice.name == chosen).and_then(|choice| choice.variants.as_ref());
    match variants {
        Some(variants) => Some((variants.write)(before, sent.text(variants.field))),
        None => either(before, chosen, Authentication::usual().name()),
    }
}

/// Returns the rate; an empty number removes it. Text that is not a number is written too, and is a problem of the definition.
fn rate(before: Option<&Value>, sent: &Sent) -> Option<Value> {
    let (calls, per) = (sent.text("rate_calls").trim(), optional(sent.text("rate_per")));
    if calls.is_empty() && (per.is_none() || per.as_ref() == before.and_then(|before| before.get("per"))) {
        return None;
    }
    let mut rate = before.and_then(Value::as_object).cloned().unwrap_or_default();
    let number = calls.parse::<u64>().map_or_else(|_| json!(calls), Value::from);
    set(&mut rate, "calls", (!calls.is_empty()).then_some(number));
    set(&mut rate, "per", per);
    let scope = either(rate.get("scope").cloned(), sent.text("rate_scope"), "endpoint");
    set(&mut rate, "scope", scope);
    Some(Value::Object(rate))
}

fn same_set(before: Option<&Value>, methods: &[String]) -> bool {
    let Some(before) = before.and_then(Value::as_array) else { return false };
    before.len() == methods.len() && methods.iter().all(|method| before.iter().any(|one| one == method.as_str()))
}

fn query(before: Option<&Value>, sent: &Sent) -> Option<Value> {
    let mut query = Map::new();
    let name_of = |row: usize| sent.text(&format!("parameter_name_{row}")).trim();
    let rows: Vec<usize> = (0..=MAX_PARAMETERS).filter(|row| !name_of(*row).is_empty()).collect();
    let before = before.and_then(Value::as_object);
    // If the number of rows is unchanged, a row with a new name was renamed: parts that the form does not have, such as its description,
    // stay.
    let same_count = before.is_some_and(|before| before.len() == rows.len());
    for (place, row) in rows.iter().copied().enumerate() {
        let field = |name: &str| sent.text(&format!("parameter_{name}_{row}"));
        let name = name_of(row);
        let renamed = || {
            let (old, parameter) = before.filter(|_| same_count)?.iter().nth(place)?;
            (!rows.iter().any(|row| name_of(*row) == old)).then_some(parameter)
        };
        let existing = before.and_then(|before| before.get(name)).or_else(renamed).and_then(Value::as_object).cloned();
        let mut parameter = existing.unwrap_or_default();
        let kind = either(parameter.get("type").cloned(), field("type"), "string");
        set(&mut parameter, "type", kind);
        let is_required = sent.has(&format!("parameter_required_{row}"));
        let required = if is_required { Some(json!(true)) } else { parameter.get("required").cloned().filter(|value| value == false) };
        set(&mut parameter, "required", required);
        set(&mut parameter, "default", default(field("default"), field("type")));
        query.insert(name.to_owned(), Value::Object(parameter));
    }
    (!query.is_empty()).then_some(Value::Object(query))
}

/// Maximum rows that are read from a form.
pub(crate) const MAX_PARAMETERS: usize = 100;

/// Returns a default in the type of its parameter. A text of another type is written too, and is a problem of the definition.
fn default(text: &str, kind: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    let read = if kind.is_empty() || kind == "string" { None } else { read_json(text.trim().as_bytes()).ok() };
    Some(read.unwrap_or_else(|| json!(text)))
}

fn delivery(webhook: &Map<String, Value>, sent: &Sent) -> (Option<Value>, Option<Value>) {
    let number = |name: &str| sent.text(name).trim().parse::<u64>().ok();
    match sent.text("delivery") {
        "serial" => (Some(json!(true)), None),
        "by_key" => {
            let mut by = webhook.get("ordered").and_then(Value::as_object).cloned().unwrap_or_default();
            set(&mut by, "by", Some(json!(sent.text("order_by").trim())));
            set(&mut by, "concurrency", number("order_keys").map(Value::from));
            (Some(Value::Object(by)), None)
        }
        "parallel" => (None, Some(json!(number("concurrency").unwrap_or(1)))),
        _ => (webhook.get("ordered").cloned().filter(|value| value == false), None),
    }
}

fn response(before: Option<&Value>, sent: &Sent) -> Option<Value> {
    if !sent.has("waits") {
        return None;
    }
    let mut response = before.and_then(Value::as_object).cloned().unwrap_or_default();
    let wait = either(response.get("wait").cloned(), sent.text("wait").trim(), "30s");
    set(&mut response, "wait", wait);
    let on_timeout = either(response.get("on_timeout").cloned(), sent.text("on_timeout"), "error");
    set(&mut response, "on_timeout", on_timeout);
    Some(Value::Object(response))
}

fn schedule(mut schedule: Map<String, Value>, sent: &Sent) -> Map<String, Value> {
    let is_cron = sent.text("timing") == "cron";
    let field_if = |is_used: bool, name: &str| if is_used { optional(sent.text(name)) } else { None };
    set(&mut schedule, "cron", field_if(is_cron, "cron"));
    set(&mut schedule, "timezone", field_if(is_cron, "timezone"));
    set(&mut schedule, "every", field_if(!is_cron, "every"));
    set(&mut schedule, "starting", field_if(!is_cron, "starting"));
    let ordered = sent.has("run_ordered").then(|| json!(true));
    set(&mut schedule, "ordered", ordered);
    let input = sent.text("schedule_input").trim();
    let input = if input.is_empty() { None } else { Some(read_json(input.as_bytes()).unwrap_or_else(|_| json!(input))) };
    set(&mut schedule, "input", input);
    schedule
}

fn diagnostics(document: &Value, sent: &Sent) -> Option<Value> {
    let mut diagnostics = document.get("diagnostics").and_then(Value::as_object).cloned().unwrap_or_default();
    for name in ["input", "output", "steps"] {
        let is_on = sent.has(&format!("keep_{name}"));
        let value = if is_on { Some(json!(true)) } else { diagnostics.get(name).cloned().filter(|value| value == false) };
        set(&mut diagnostics, name, value);
    }
    set(&mut diagnostics, "keep", optional(sent.text("keep")));
    (!diagnostics.is_empty()).then_some(Value::Object(diagnostics))
}

fn retry(document: &Value, sent: &Sent) -> Option<Value> {
    let mut retry = document.get("retry").and_then(Value::as_object).cloned().unwrap_or_default();
    let attempts = sent.text("attempts").trim().parse::<u64>().ok().filter(|attempts| *attempts != 1);
    let attempts = attempts.map(Value::from).or_else(|| retry.get("attempts").cloned().filter(|value| value == 1));
    set(&mut retry, "attempts", attempts);
    (!retry.is_empty()).then_some(Value::Object(retry))
}
