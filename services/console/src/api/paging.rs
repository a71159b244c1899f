//! Pages of listings, and what requests say of time and of revisions.

use crate::failure::Failure;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use forebay_contract::{Name, UnixMicros, parse_duration};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const USUAL: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Which part of a listing is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paged {
    /// Only this tenant's.
    pub(super) tenant: Option<String>,
    limit: Option<u32>,
    /// The key of the last row on the page before.
    cursor: Option<String>,
}

/// One page of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T: ToSchema> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; null: this is the last.
    pub(super) next: Option<String>,
}

impl Paged {
    /// A page of every tenant's.
    pub(super) fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { tenant: None, limit, cursor }
    }

    pub(super) fn tenant(&self) -> Result<Option<Name>, Failure> {
        self.tenant.as_deref().map(name).transpose()
    }

    /// A page of a listing that is small enough to be read whole. `key` tells rows apart and orders them.
    pub(super) fn cut<R, T: ToSchema>(&self, rows: Vec<R>, key: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> Result<Page<T>, Failure> {
        let limit = limit(self.limit)? as usize;
        let mut keyed: Vec<(String, R)> = rows.into_iter().map(|row| (key(&row), row)).collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(after) = &self.cursor {
            keyed.retain(|(key, _)| key > after);
        }
        let has_more = keyed.len() > limit;
        keyed.truncate(limit);
        let next = keyed.last().filter(|_| has_more).map(|(key, _)| key.clone());
        Ok(Page { items: keyed.into_iter().map(|(_, row)| show(row)).collect(), next })
    }
}

pub(super) fn limit(asked: Option<u32>) -> Result<u32, Failure> {
    match asked {
        None => Ok(USUAL),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Failure::bad_request(format!("limit: must be 1 to {MAX_LIMIT}, not {limit}"))),
    }
}

pub(super) fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|error: forebay_contract::NameError| Failure::bad_request(error.to_string()))
}

/// Reads a time: a date and time, or how long ago, such as `1h`.
pub(super) fn time(field: &str, text: &str) -> Result<UnixMicros, Failure> {
    if let Ok(back) = parse_duration(text) {
        return Ok((UnixMicros::now() - back).max(UnixMicros::default()));
    }
    let at: Result<Timestamp, _> = text.parse();
    let at =
        at.map_err(|_| Failure::bad_request(format!("{field}: write a time such as 2026-11-24T20:00:00Z, or how long ago, such as 1h")))?;
    Ok(UnixMicros::new(at.as_microsecond().max(0)))
}

/// As the API writes times.
pub(super) fn rfc3339(time: UnixMicros) -> String {
    time.rfc3339()
}

/// A whole number, also where it is written as `3.0`: to JSON Schema that is an integer.
pub(super) fn whole<'de, D: serde::Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<Option<N>, D::Error> {
    use serde::de::Error;
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = number
        .as_i64()
        .or_else(|| number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15).map(|number| number as i64));
    whole
        .and_then(|whole| N::try_from(whole).ok())
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("{number} is no whole number in its range")))
}

/// A revision as an entity tag.
pub(super) fn etag(revision: i32) -> String {
    format!("\"{revision}\"")
}

/// The revision that a change was made from: of `If-Match`; 0 for `If-None-Match: *`, which means that there is none yet.
pub(super) fn expected(request: &HttpRequest) -> Result<Option<i32>, Failure> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default().trim().to_owned());
    if let Some(none) = header(IF_NONE_MATCH) {
        return if none == "*" { Ok(Some(0)) } else { Err(Failure::bad_request("If-None-Match: only * is understood here")) };
    }
    match header(IF_MATCH) {
        None => Ok(None),
        Some(any) if any == "*" => Ok(None),
        Some(tag) => {
            // Without the quotes too: it cannot be mistaken for anything else.
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(&tag).parse().ok();
            number.map(Some).ok_or_else(|| Failure::bad_request("If-Match: send the ETag that was read, such as \"3\""))
        }
    }
}

/// As [`expected`], where a change must say what it was made from.
pub(super) fn must_expect(request: &HttpRequest) -> Result<Option<i32>, Failure> {
    let is_any = request.headers().get(IF_MATCH).is_some_and(|value| value.as_bytes() == b"*");
    match expected(request)? {
        None if !is_any => {
            let detail = "Send If-Match with the ETag that was read, or If-None-Match: * for what is new, so that nobody's change is lost.";
            Err(Failure::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", "Say what was changed", detail))
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
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let asked = Paged { limit: Some(10), cursor: cursor.take(), tenant: None };
            let page = asked.cut(rows.clone(), |row| format!("{row:04}"), |row| row).unwrap();
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, rows);
        assert!(Paged { limit: Some(0), ..Paged::default() }.cut(rows, u32::to_string, |row| row).is_err());
    }

    #[test]
    fn a_time_is_a_date_or_how_long_ago() {
        assert_eq!(time("since", "1970-01-01T00:00:01Z").unwrap(), UnixMicros::new(1_000_000));
        let ago = UnixMicros::now().since(time("since", "1h").unwrap()).as_secs();
        assert_eq!(ago, 3600);
        assert!(time("since", "yesterday").unwrap_err().detail.starts_with("since:"));
    }
}
