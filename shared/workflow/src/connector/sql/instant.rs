//! Texts that say a point in time: a date, a time and a zone (RFC 3339, section 5.6), such as `2026-03-01T09:30:00+01:00`.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// What such a text says.
pub(super) enum Instant<'t> {
    /// A time in UTC.
    At(DateTime),
    /// A time that the calendar does not have, without its `Z`.
    Never(&'t str),
}

/// The point in time; `None` for a text of another form.
pub(super) fn instant(text: &str) -> Option<Instant<'_>> {
    let (local, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, None),
        None => text.split_at_checked(text.len().checked_sub(6)?).map(|(local, zone)| (local, Some(zone)))?,
    };
    let is_zone = |zone: &str| has_form(zone, b"+00:00") || has_form(zone, b"-00:00");
    let (clock, fraction) = local.split_at_checked(19)?;
    let is_fraction = fraction.strip_prefix('.').map_or(fraction.is_empty(), |digits| !digits.is_empty() && has_only_digits(digits));
    let is_clock = ['T', 't', ' '].iter().any(|middle| clock[10..].starts_with(*middle))
        && has_form(&clock[..10], b"0000-00-00")
        && has_form(&clock[11..], b"00:00:00");
    if !is_clock || !is_fraction || !zone.is_none_or(is_zone) {
        return None;
    }
    match (local.parse::<DateTime>(), zone) {
        (Ok(time), None) => Some(Instant::At(time)),
        // Not by jiff's `Timestamp`, which ends a day before the calendar does.
        (Ok(time), Some(zone)) => time.checked_sub(offset(zone)?).ok().map(Instant::At),
        (Err(_), None) => Some(Instant::Never(local)),
        (Err(_), Some(_)) => None,
    }
}

/// How far `+hh:mm` is east of UTC.
fn offset(zone: &str) -> Option<SignedDuration> {
    let (hours, minutes) = (zone.get(1..3)?.parse::<i64>().ok()?, zone.get(4..6)?.parse::<i64>().ok()?);
    let east = SignedDuration::from_mins(hours * 60 + minutes);
    (hours < 24 && minutes < 60).then(|| if zone.starts_with('-') { -east } else { east })
}

fn has_only_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `0` in the form stands for any digit.
fn has_form(text: &str, form: &[u8]) -> bool {
    let is_like = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    text.len() == form.len() && text.bytes().zip(form).all(is_like)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_time_with_a_zone_is_a_point_in_time() {
        for (text, utc) in [
            ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00"),
            ("2026-03-01T09:30:00.25+02:00", "2026-03-01T07:30:00.25"),
            ("2026-03-01 00:30:00-05:30", "2026-03-01T06:00:00"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999"),
            ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59"),
            ("0001-01-02T00:00:00z", "0001-01-02T00:00:00"),
        ] {
            assert!(matches!(instant(text), Some(Instant::At(time)) if time.to_string() == utc), "{text}");
        }
        assert!(matches!(instant("0000-00-00T00:00:00Z"), Some(Instant::Never("0000-00-00T00:00:00"))));
        for text in [
            "",
            "9999-12-31T23:59:59-01:00",
            "2026-02-30T00:00:00+01:00",
            "2026-03-01T09:30:00+24:00",
            "Z",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-03-01T09:30Z",
            "2026-03-01T09:30:00+02",
            "x2026-03-01T09:30:00Z",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00Z ",
            "order 2026-03-01T09:30:00Z",
            "2026-03-01T09:30:00é",
            "ééééééééééééééééééééZ",
        ] {
            assert!(instant(text).is_none(), "{text}");
        }
    }
}
