//! The response to the caller.

use crate::context::Context;
use bytes::Bytes;
use forebay_contract::outcome::{ErrorCode, ExecutionError, Response};
use forebay_mapping::header::{HeaderTemplate, content_type_of, render_headers, set_content_type};
use forebay_mapping::payload;
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Value};

/// The compiled `respond` of a definition.
pub(crate) struct CompiledRespond {
    pub status: CompiledStatus,
    pub headers: Vec<HeaderTemplate>,
    pub body: Option<Paced<Mapping>>,
}

pub(crate) enum CompiledStatus {
    Fixed(u16),
    Mapping(Paced<Mapping>),
}

/// The input of a response.
pub(crate) struct ResponseInput<'a> {
    pub context: &'a Context,
    /// The output of the last step that ran.
    pub last_output: Option<&'a Value>,
    pub max_bytes: usize,
}

/// Statuses whose responses have no body (RFC 9110, sections 15.3.5 and 15.4.5).
const WITHOUT_BODY: [u16; 2] = [204, 304];

/// Makes the response; without `respond` it is 200 with the last output (or `.input`, if no step ran) as JSON.
pub(crate) async fn response(
    respond: Option<&CompiledRespond>,
    input: ResponseInput<'_>,
    budget: &Budget,
) -> Result<Response, ExecutionError> {
    let context = input.context.value();
    let (status, mut headers) = match respond {
        None => (200, Vec::new()),
        Some(respond) => {
            let status = status(&respond.status, context, budget).await?;
            (status, render_headers(&respond.headers, context, budget).await?)
        }
    };
    if WITHOUT_BODY.contains(&status) {
        headers.retain(|(name, _)| name != "content-type");
        return Ok(Response { status, headers, body: Bytes::new() });
    }
    let payload = match respond.and_then(|respond| respond.body.as_ref()) {
        Some(mapping) => payload::of_mapping(mapping, content_type_of(&headers), context, budget).await?,
        None => {
            let output = input.last_output.unwrap_or_else(|| input.context.input()).clone();
            payload::encode(output, content_type_of(&headers)).await?
        }
    };
    if payload.bytes.len() > input.max_bytes {
        let message = format!(
            "body: the answer has {} bytes, more than the {} that fit into one; answer with less, or in pages",
            payload.bytes.len(),
            input.max_bytes
        );
        return Err(ExecutionError::permanent(ErrorCode::Limit, message));
    }
    set_content_type(&mut headers, payload.content_type);
    Ok(Response { status, headers, body: payload.bytes })
}

async fn status(status: &CompiledStatus, context: &Value, budget: &Budget) -> Result<u16, ExecutionError> {
    let mapping = match status {
        CompiledStatus::Fixed(status) => return Ok(*status),
        CompiledStatus::Mapping(mapping) => mapping,
    };
    let output = mapping.output("status", context, budget).await?;
    let status = output.as_i64().and_then(|number| u16::try_from(number).ok()).filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| {
        let message = format!("status: the mapping must give a whole number from 200 to 599, and gave {output}");
        ExecutionError::permanent(ErrorCode::Mapping, message)
    })
}
