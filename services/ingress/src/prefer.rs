//! The `Prefer` header (RFC 7240): `respond-async` and `wait`.

use actix_web::http::header::{HeaderMap, HeaderName};
use std::time::Duration;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The preferences of the caller; unknown ones are ignored, as the RFC requires.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// True if the caller wants 202 at once.
    pub(crate) respond_async: bool,
    /// The maximum wait for the outcome.
    pub(crate) wait: Option<Duration>,
}

impl Preferences {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        for value in headers.get_all(PREFER).filter_map(|value| value.to_str().ok()) {
            for preference in value.split(',') {
                // Parameters of a preference follow a semicolon; none is defined for these two.
                let preference = preference.split(';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "respond-async" => preferences.respond_async = true,
                    // The first one counts (RFC 7240, section 2).
                    "wait" if preferences.wait.is_none() => preferences.wait = value.parse().ok().map(Duration::from_secs),
                    _ => {}
                }
            }
        }
        preferences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn preferences_are_read_and_others_ignored() {
        let cases = [
            ("respond-async", true, None),
            ("Respond-Async, wait=10", true, Some(10)),
            ("wait=\"5\"; x=y", false, Some(5)),
            ("wait=3, wait=7", false, Some(3)),
            ("wait=soon", false, None),
            ("return=minimal", false, None),
            ("", false, None),
        ];
        for (value, respond_async, wait) in cases {
            let mut headers = HeaderMap::new();
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
            let expected = Preferences { respond_async, wait: wait.map(Duration::from_secs) };
            assert_eq!(Preferences::of(&headers), expected, "{value}");
        }
    }
}
