//! Fields of the API's objects as cells of a table.

use serde_json::Value;

/// A field as text; empty where it is null or missing.
pub(crate) fn text(object: &Value, field: &str) -> String {
    plain(&object[field])
}

/// A value as text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A time to the second.
pub(crate) fn second(object: &Value, field: &str) -> String {
    let text = text(object, field);
    match text.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => text,
    }
}

/// The same, or `never`.
pub(crate) fn second_or_never(object: &Value, field: &str) -> String {
    if object[field].is_null() { "never".to_owned() } else { second(object, field) }
}

pub(crate) fn yes(object: &Value, field: &str) -> String {
    if object[field] == true { "yes" } else { "no" }.to_owned()
}

/// `tenant/integration`.
pub(crate) fn path(object: &Value) -> String {
    format!("{}/{}", text(object, "tenant"), text(object, "integration"))
}

/// How long the last attempt took in milliseconds; `None` when none began or it has not ended.
pub(crate) fn took_ms(execution: &Value) -> Option<f64> {
    let time = |field: &str| execution[field].as_str()?.parse::<jiff::Timestamp>().ok();
    let micros = time("endedAt")?.as_microsecond() - time("startedAt")?.as_microsecond();
    Some(micros as f64 / 1000.0)
}

/// The same as text.
pub(crate) fn took(execution: &Value) -> String {
    took_ms(execution).map(|took| format!("{took:.1} ms")).unwrap_or_default()
}

/// Why it failed.
pub(crate) fn error(execution: &Value) -> String {
    let error = &execution["error"];
    match (error["step"].as_str(), error["message"].as_str()) {
        (Some(step), Some(message)) => format!("{step}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_cut_to_the_second_and_durations_are_between_start_and_end() {
        let object = json!({ "startedAt": "2026-11-24T10:00:00.5Z", "endedAt": "2026-11-24T10:00:02Z", "never": null });
        assert_eq!(second(&object, "startedAt"), "2026-11-24T10:00:00Z");
        assert_eq!(second_or_never(&object, "never"), "never");
        assert_eq!(took(&object), "1500.0 ms");
    }
}
