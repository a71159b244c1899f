//! Times and durations.

use forebay_contract::UnixMicros;
use jiff::Timestamp;
use maud::{Markup, html};

/// Draws the age of a time; a script updates it, and shows the local time on hover.
#[must_use]
pub(crate) fn ago(moment: UnixMicros) -> Markup {
    time(moment, "ago")
}

/// Draws a date and time; a script converts it to local time.
#[must_use]
pub(crate) fn at(moment: UnixMicros) -> Markup {
    time(moment, "local")
}

/// Draws a time at the edge of a chart; a script removes the part that both edges have in common.
#[must_use]
pub(crate) fn clock(moment: UnixMicros) -> Markup {
    time(moment, "clock")
}

fn time(at: UnixMicros, shown_as: &str) -> Markup {
    let Ok(at) = Timestamp::from_microsecond(at.get()) else { return html! { "-" } };
    let words = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time.nowrap datetime=(at.to_string()) data-as=(shown_as) { (words) } }
}

/// Returns the duration between two times, in the form of [`span`].
#[must_use]
pub(crate) fn between(begin: UnixMicros, end: UnixMicros) -> String {
    span(i64::try_from(end.since(begin).as_micros()).unwrap_or(i64::MAX))
}

/// Returns a duration in microseconds as text, such as `0.4 ms`, `12 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`.
#[must_use]
pub(crate) fn span(micros: i64) -> String {
    let micros = micros.max(0);
    let (millis, seconds) = (micros as f64 / 1e3, micros / 1_000_000);
    match micros {
        0..10_000 => format!("{millis:.1} ms"),
        10_000..1_000_000 => format!("{millis:.0} ms"),
        1_000_000..60_000_000 => format!("{:.1} s", micros as f64 / 1e6),
        60_000_000..3_600_000_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds < 172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_unit_that_reads_well() {
        let cases = [
            (0, "0.0 ms"),
            (420, "0.4 ms"),
            (12_400, "12 ms"),
            (3_200_000, "3.2 s"),
            (250_000_000, "4 min 10 s"),
            (7_500_000_000, "2 h 5 min"),
        ];
        for (micros, expected) in cases {
            assert_eq!(span(micros), expected);
        }
    }

    #[test]
    fn a_time_is_written_for_programs_and_for_people() {
        let html = at(UnixMicros::new(1_700_000_000_000_000)).into_string();
        assert!(html.contains(r#"datetime="2023-11-14T22:13:20Z""#), "{html}");
        assert!(html.contains("2023-11-14 22:13:20 UTC"), "{html}");
    }
}
