//! Pages of listings, and the times and revisions of requests.

use crate::failure::Failure;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use forebay_admin_api::{MAX_PAGE, MomentText, NamePath, NameText, Page, PageQuery, Paged};
use forebay_contract::{IntegrationPath, Name, UnixMicros, parse_duration};
use jiff::Timestamp;

const DEFAULT_LIMIT: u32 = 100;

/// Returns one page of a listing that is read completely. `key` identifies rows and orders them.
pub(super) fn cut<R, T>(query: &impl Paged, rows: Vec<R>, key: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> Result<Page<T>, Failure> {
    let PageQuery { limit: requested, cursor } = query.page();
    let limit = limit(requested)? as usize;
    let mut keyed: Vec<(String, R)> = rows.into_iter().map(|row| (key(&row), row)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(after) = &cursor {
        keyed.retain(|(key, _)| key > after);
    }
    let has_more = keyed.len() > limit;
    keyed.truncate(limit);
    let next = keyed.last().filter(|_| has_more).map(|(key, _)| key.clone());
    Ok(Page { items: keyed.into_iter().map(|(_, row)| show(row)).collect(), next })
}

/// Reads the tenant of a query.
pub(super) fn tenant(name_text: Option<&NameText>) -> Result<Option<Name>, Failure> {
    name_text.map(name).transpose()
}

pub(super) fn limit(requested: Option<u32>) -> Result<u32, Failure> {
    match requested {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(limit) => Err(Failure::bad_request(format!("limit: must be 1 to {MAX_PAGE}, not {limit}"))),
    }
}

pub(super) fn name(text: &NameText) -> Result<Name, Failure> {
    text.parse().map_err(|error| Failure::bad_request(error.to_string()))
}

/// Reads a name in an address; otherwise the same as [`name`].
pub(super) fn name_in_path(text: &NameText) -> Result<Name, Failure> {
    name(text).map_err(|failure| Failure::not_found(failure.detail))
}

/// Reads the name of an integration, connection or alert in an address.
pub(super) fn path(at: &NamePath) -> Result<IntegrationPath, Failure> {
    Ok(IntegrationPath { tenant: name_in_path(&at.tenant)?, name: name_in_path(&at.name)? })
}

/// Reads a time: a date and time, or an age such as `1h`.
pub(super) fn time(field: &str, text: &MomentText) -> Result<UnixMicros, Failure> {
    let text = text.as_str();
    if let Ok(back) = parse_duration(text) {
        return Ok((UnixMicros::now() - back).max(UnixMicros::default()));
    }
    let at: Result<Timestamp, _> = text.parse();
    let at = at.map_err(|_| Failure::bad_request(format!("{field}: write a time such as 2026-11-24T20:00:00Z, or an age such as 1h")))?;
    Ok(UnixMicros::new(at.as_microsecond().max(0)))
}

/// Reads a time that may be absent; otherwise the same as [`time`].
pub(super) fn optional_time(field: &str, text: Option<&MomentText>) -> Result<Option<UnixMicros>, Failure> {
    text.map(|text| time(field, text)).transpose()
}

/// Returns a revision as an entity tag.
pub(super) fn etag(revision: i32) -> String {
    format!("\"{revision}\"")
}

/// Reads the revision that a change was made from: that of `If-Match`, or 0 for `If-None-Match: *` (it does not exist yet).
pub(super) fn expected(request: &HttpRequest) -> Result<Option<i32>, Failure> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default().trim().to_owned());
    if let Some(none) = header(IF_NONE_MATCH) {
        return if none == "*" { Ok(Some(0)) } else { Err(Failure::bad_request("If-None-Match: must be *")) };
    }
    match header(IF_MATCH) {
        None => Ok(None),
        Some(any) if any == "*" => Ok(None),
        Some(tag) => {
            // The quotes are optional: the number is unambiguous without them.
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(&tag).parse().ok();
            number.map(Some).ok_or_else(|| Failure::bad_request("If-Match: send the ETag of the object, such as \"3\""))
        }
    }
}

/// Reads the revision that a change was made from, which is required; otherwise the same as [`expected`].
pub(super) fn must_expect(request: &HttpRequest) -> Result<Option<i32>, Failure> {
    let is_any = request.headers().get(IF_MATCH).is_some_and(|value| value.as_bytes() == b"*");
    match expected(request)? {
        None if !is_any => {
            let detail =
                "Send If-Match with the ETag of the object, or If-None-Match: * for a new object, so that no other change is lost.";
            Err(Failure::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", "Precondition required", detail))
        }
        expected => Ok(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_row_once() {
        let rows: Vec<u32> = (0..25).collect();
        let (mut read, mut cursor) = (Vec::new(), None);
        loop {
            let query = PageQuery { limit: Some(10), cursor: cursor.take() };
            let page = cut(&query, rows.clone(), |row| format!("{row:04}"), |row| row).unwrap();
            read.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(read, rows);
        assert!(cut(&PageQuery { limit: Some(0), cursor: None }, rows, u32::to_string, |row| row).is_err());
    }

    #[test]
    fn a_time_is_a_date_or_an_age() {
        let time = |text: &str| time("since", &MomentText::new(text));
        assert_eq!(time("1970-01-01T00:00:01Z").unwrap(), UnixMicros::new(1_000_000));
        let hour_ago = time("1h").unwrap();
        assert_eq!(UnixMicros::now().since(hour_ago).as_secs(), 3600);
        assert!(time("yesterday").unwrap_err().detail.starts_with("since:"));
    }
}
