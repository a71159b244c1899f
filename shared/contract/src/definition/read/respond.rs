//! Reads `respond`.

use super::headers::headers;
use crate::definition::{Respond, Status};
use crate::fields::{Fields, Read};
use serde_json::Value;

pub(in crate::definition) fn respond(fields: Fields<'_>) -> Read<Respond> {
    let status = status(&fields);
    let headers = headers(&fields);
    let body = fields.mapping("body");
    fields.finish();
    Ok(Respond { status: status?, headers: headers?, body: body? })
}

fn status(fields: &Fields<'_>) -> Read<Status> {
    match fields.take("status")? {
        None => Ok(Status::Fixed(200)),
        Some(Value::String(_)) => Ok(fields.mapping("status")?.map_or(Status::Fixed(200), Status::Mapping)),
        Some(value) => match value.as_u64() {
            Some(status @ 200..=599) => Ok(Status::Fixed(status as u16)),
            _ => Err(fields.wrong("status", "a number from 200 to 599 or a mapping", value)),
        },
    }
}
