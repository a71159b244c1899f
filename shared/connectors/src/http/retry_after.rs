//! The pause that a service requests: `Retry-After` (RFC 9110, section 10.2.3).

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// Maximum value. It is the greatest number of seconds in HTTP (RFC 9111, section 1.2.2), and longer than any wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(1 << 31);

/// Returns the longest pause that the headers request. `None`: there is none, or none that can be read.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = SystemTime::now();
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| read(value.to_str().ok()?.trim(), now)).max()
}

/// Returns true if a failure with this status may succeed later: a 5xx, and the statuses that allow a repetition.
pub fn comes_again(status: StatusCode) -> bool {
    let asks = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || asks.contains(&status)
}

/// Reads seconds, which some services write with a fraction, or a date in one of the three forms of HTTP (section 5.6.7). A date in the
/// past is no pause.
fn read(text: &str, now: SystemTime) -> Option<Duration> {
    let requested = if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let seconds = text.parse().ok()?;
        Duration::try_from_secs_f64(seconds).unwrap_or(MAX_RETRY_AFTER)
    } else {
        let at = httpdate::parse_http_date(text).ok();
        // Some services write the zone as in emails, such as `+0000`.
        let at = at.or_else(|| of_mail(text))?;
        at.duration_since(now).unwrap_or_default()
    };
    Some(requested.min(MAX_RETRY_AFTER))
}

fn of_mail(text: &str) -> Option<SystemTime> {
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let since = Duration::try_from(at.duration_since(jiff::Timestamp::UNIX_EPOCH)).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_time_is_read_in_every_form_that_services_write_and_is_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_747);
        for (text, expected) in [
            ("0", Some(0.0)),
            ("120", Some(120.0)),
            ("1.5", Some(1.5)),
            ("99999999999999999999999999", Some(MAX_RETRY_AFTER.as_secs_f64())),
            ("4294967296", Some(MAX_RETRY_AFTER.as_secs_f64())),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30.0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30.0)),
            ("Sun Nov  6 08:49:37 1994", Some(30.0)),
            ("Sun, 06 Nov 1994 09:49:37 +0100", Some(30.0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0.0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(MAX_RETRY_AFTER.as_secs_f64())),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("-5", None),
            ("inf", None),
            ("soon", None),
        ] {
            assert_eq!(read(text, now).map(|requested| requested.as_secs_f64()), expected, "{text}");
        }
    }

    #[test]
    fn of_several_times_the_longest_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        for value in ["2", "soon", "7", "3"] {
            headers.append(RETRY_AFTER, HeaderValue::from_static(value));
        }
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
    }
}
