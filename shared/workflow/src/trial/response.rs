//! The response of a trial, made by `respond`.

use super::fault::Fault;
use super::scope::Scope;
use forebay_contract::definition::{Respond, Status};
use forebay_contract::json::object_of;
use forebay_mapping::Encoding;
use serde_json::{Map, Value as Json, json};

/// Statuses whose responses have no body (RFC 9110, sections 15.3.5 and 15.4.5).
const WITHOUT_BODY: [u64; 2] = [204, 304];

/// Returns `{ status, headers, body }`.
pub(crate) fn response(part: &str, respond: Option<&Respond>, scope: &Scope) -> Result<Json, Fault> {
    let last = || Json::from(scope.last.as_ref().unwrap_or(&scope.input));
    let Some(respond) = respond else { return Ok(object_of([("status", json!(200)), ("headers", json!({})), ("body", last())])) };
    let status = match &respond.status {
        Status::Fixed(status) => json!(status),
        Status::Mapping(source) => {
            let part = format!("{part}.status");
            let output = scope.mapping(&part, source)?;
            let status = Json::from(&output);
            if !status.as_u64().is_some_and(|status| (200..=599).contains(&status)) {
                let message = format!("the mapping must give a whole number from 200 to 599, and gave {status}");
                return Err(Fault::of_output(&part, source, &output, message));
            }
            status
        }
    };
    let mut headers = Map::new();
    for (name, source) in &respond.headers {
        let value = scope.template(&format!("{part}.headers.{name}"), source, Encoding::HeaderValue)?;
        headers.insert(name.clone(), value.into());
    }
    let body = match &respond.body {
        _ if status.as_u64().is_some_and(|status| WITHOUT_BODY.contains(&status)) => Json::Null,
        Some(source) => scope.json(&format!("{part}.body"), source)?,
        None => last(),
    };
    Ok(object_of([("status", status), ("headers", Json::Object(headers)), ("body", body)]))
}
