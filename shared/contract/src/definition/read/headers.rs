//! Reads headers.

use crate::fields::{Fields, Read};
use http::HeaderName;

/// Reads templates of headers, by name.
pub(in crate::definition) fn headers(fields: &Fields<'_>) -> Read<Vec<(String, String)>> {
    let headers = fields.texts("headers")?;
    let wrong = headers.iter().filter(|(name, _)| name.parse::<HeaderName>().is_err());
    let reported = wrong.map(|(name, _)| fields.problem("headers", format!("'{name}' is no header name"))).last();
    reported.map_or(Ok(headers), Err)
}
