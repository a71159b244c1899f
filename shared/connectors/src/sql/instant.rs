//! Texts of points in time: a date, a time and a zone (RFC 3339, section 5.6), such as `2026-03-01T09:30:00+01:00`.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// The value of such a text.
pub(super) enum Instant<'t> {
    /// A time in UTC.
    At(DateTime),
    /// A time outside of the calendar, without its `Z`.
    Never(&'t str),
}

/// Returns the point in time; `None` for a text of another form.
pub(super) fn instant(text: &str) -> Option<Instant<'_>> {
    // From here on each byte is one character.
    if !text.is_ascii() {
        return None;
    }
    let (local, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, None),
        None => text.split_at_checked(text.len().checked_sub(6)?).map(|(local, zone)| (local, Some(zone)))?,
    };
    let is_zone = |zone: &str| has_form(zone, b"+00:00") || has_form(zone, b"-00:00");
    let (clock, fraction) = local.split_at_checked(19)?;
    let is_fraction = fraction.strip_prefix('.').map_or(fraction.is_empty(), |digits| !digits.is_empty() && has_only_digits(digits));
    let forms: [&[u8]; 3] = [b"0000-00-00T00:00:00", b"0000-00-00t00:00:00", b"0000-00-00 00:00:00"];
    let is_clock = forms.iter().any(|form| has_form(clock, form));
    if !is_clock || !is_fraction || !zone.is_none_or(is_zone) {
        return None;
    }
    match (local.parse::<DateTime>(), zone) {
        (Ok(time), None) => Some(Instant::At(time)),
        // jiff's `Timestamp` cannot be used: it ends a day before the calendar.
        (Ok(time), Some(zone)) => time.checked_sub(offset(zone)?).ok().map(Instant::At),
        (Err(_), None) => Some(Instant::Never(local)),
        (Err(_), Some(_)) => None,
    }
}

/// Returns the offset of `+hh:mm` east of UTC.
fn offset(zone: &str) -> Option<SignedDuration> {
    let (hours, minutes) = (zone.get(1..3)?.parse::<i64>().ok()?, zone.get(4..6)?.parse::<i64>().ok()?);
    let east = SignedDuration::from_mins(hours * 60 + minutes);
    (hours < 24 && minutes < 60).then(|| if zone.starts_with('-') { -east } else { east })
}

fn has_only_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns true if the text has the form; `0` in the form stands for any digit.
fn has_form(text: &str, form: &[u8]) -> bool {
    let is_like = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    text.len() == form.len() && text.bytes().zip(form).all(is_like)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            "Ordre fr Åke Andersson, Lund",
            "Kund nr 1Ö vid torget i Lundx",
            "123456789é12345678Z",
            "2026-03-0é09:30:00Z",
            "2026-03-01é9:30:00Z",
        ] {
            assert!(instant(text).is_none(), "{text}");
        }
    }
    /// An independent implementation of section 5.6.
    fn is_of_rfc_3339(text: &str) -> bool {
        let form: String = text.chars().map(|one| if one.is_ascii_digit() { '0' } else { one.to_ascii_uppercase() }).collect();
        let Some(rest) = form.replacen(' ', "T", 1).strip_prefix("0000-00-00T00:00:00").map(str::to_owned) else { return false };
        let zone = rest.strip_prefix(".0").map_or(rest.as_str(), |fraction| fraction.trim_start_matches('0'));
        ["Z", "+00:00", "-00:00"].contains(&zone)
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_none_but_a_text_of_rfc_3339_is_a_point_in_time(text in prop_oneof![
            any::<String>(),
            "[0-9é]{3,5}[-é]?[0-9é]{2}[-é][0-9é]{2,3}[Tt é]?[0-9é]{2}:[0-9é]{2}:[0-9é]{1,3}([.é][0-9é]{0,3})?([Zzé]|[+é-][0-9é]{2}:[0-9é]{2})?",
            "[0-9]{3,5}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.][0-9]{0,9})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])",
            "[a-zåäöé 0-9]{10,30}[Z]?",
        ]) {
            prop_assert!(instant(&text).is_none() || is_of_rfc_3339(&text), "{text}");
        }

        #[test]
        fn each_time_of_the_calendar_with_a_zone_is_a_point_in_time(
            (year, month, day) in (1..9999, 1..13, 1..29), (hour, minute, second) in (0..24, 0..60, 0..60),
            middle in "[Tt ]", fraction in "([.][0-9]{1,9})?", zone in "([Zz]|[+-][01][0-9]:[0-5][0-9])",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}{middle}{hour:02}:{minute:02}:{second:02}{fraction}{zone}");
            prop_assert!(is_of_rfc_3339(&text) && matches!(instant(&text), Some(Instant::At(_))), "{text}");
        }
    }
}
