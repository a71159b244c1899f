//! Durations in definitions, settings and on the command line: `500ms`, `30s`, `15m`, `2h`, `14d`.

use std::time::Duration;

/// The reason for which a text is not a valid duration; its Display contains the text and the valid form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a valid duration: write a whole number and a unit, such as 500ms, 30s, 15m, 2h or 14d")]
pub struct DurationError {
    text: String,
}

/// Units; `ms` must be tried before `m` and `s`.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses `<whole number><unit>`, unit one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// [`DurationError`] for any other text, and for an overflow.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.chars().take(64).collect() };
    let text = text.trim();
    for (unit, factor) in UNITS {
        let Some(number) = text.strip_suffix(unit) else { continue };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let number: u64 = number.parse().map_err(|_| error())?;
        return number.checked_mul(factor).map(Duration::from_millis).ok_or_else(error);
    }
    Err(error())
}

/// Writes a duration in the form that [`parse_duration`] reads, with the largest unit that is exact. Parts below a millisecond are dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    for (unit, factor) in UNITS.iter().rev() {
        if millis >= *factor && millis % factor == 0 {
            return format!("{}{unit}", millis / factor);
        }
    }
    "0s".to_owned()
}

/// Returns a measured or computed duration for people, with its two largest units: `250 ms`, `1.5 s`, `3 min 20 s`, `2 h 43 min`, `3 d 4
/// h`. Smaller units are dropped.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let two = |large: u64, large_unit, small: u64, small_unit| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 if millis > 0 => format!("{millis} ms"),
        0..60 if millis >= 100 => format!("{seconds}.{} s", millis / 100),
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("14d", 1_209_600_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration_and_names_it() {
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "5 minutes", "99999999999999999999d", "9999999999999999d"] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn shows_the_two_largest_units() {
        for (millis, expected) in [
            (0, "0 s"),
            (250, "250 ms"),
            (1_500, "1.5 s"),
            (3_000, "3 s"),
            (59_999, "59.9 s"),
            (200_000, "3 min 20 s"),
            (300_000, "5 min"),
            (9_785_511, "2 h 43 min"),
            (86_400_000, "1 d"),
            (277_200_000, "3 d 5 h"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["500ms", "90s", "15m", "2h", "14d", "1001ms", "0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
