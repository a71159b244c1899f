//! The division of a time into rows of different widths.

use crate::history::statistics::begin_of;
use forebay_contract::UnixMicros;
use std::ops::Range;
use std::time::Duration;

/// Time that is read from rows of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) width: Duration,
    pub(crate) from: UnixMicros,
    pub(crate) to: UnixMicros,
}

/// Returns the fewest rows for a time, in its order: in the middle the widest that divide `step`, at its ends narrower ones. `widths`: from
/// the narrowest; each divides the next. Rows narrower than `retained` are not read before `narrow_from`; the time is widened to whole rows
/// there, and to whole rows of the narrowest elsewhere.
pub(crate) fn stretches(
    widths: &[Duration],
    retained: Duration,
    step: Duration,
    time: Range<UnixMicros>,
    narrow_from: UnixMicros,
) -> Vec<Stretch> {
    let Some(narrowest) = widths.first().copied() else { return Vec::new() };
    let divides = |width: Duration| step.as_micros().is_multiple_of(width.as_micros());
    let old: Vec<Duration> = widths.iter().copied().filter(|width| *width == retained || *width > retained && divides(*width)).collect();
    let new: Vec<Duration> = widths.iter().copied().filter(|width| *width == narrowest || divides(*width)).collect();
    let from = begin_of(time.start.max(UnixMicros::default()), narrowest);
    let to = end_of(time.end, narrowest);
    let mut found = Vec::new();
    if from < to && from < narrow_from {
        cover(&old, begin_of(from, retained), end_of(to.min(narrow_from), retained), &mut found);
    }
    cover(&new, from.max(narrow_from), to, &mut found);
    found
}

/// Adds stretches of these widths; both ends lie between rows of the narrowest.
fn cover(widths: &[Duration], from: UnixMicros, to: UnixMicros, found: &mut Vec<Stretch>) {
    let Some((widest, narrower)) = widths.split_last().filter(|_| from < to) else { return };
    if narrower.is_empty() {
        found.push(Stretch { width: *widest, from, to });
        return;
    }
    let (begin, end) = (end_of(from, *widest), begin_of(to, *widest));
    if begin >= end {
        return cover(narrower, from, to, found);
    }
    cover(narrower, from, begin, found);
    found.push(Stretch { width: *widest, from: begin, to: end });
    cover(narrower, end, to, found);
}

/// Returns the first begin of a stretch of this width that is not before a time.
fn end_of(time: UnixMicros, width: Duration) -> UnixMicros {
    begin_of(time + (width - Duration::from_micros(1)), width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDTHS: [Duration; 4] =
        [Duration::from_micros(1), Duration::from_micros(5), Duration::from_micros(60), Duration::from_micros(360)];
    const KEPT: i64 = 60;

    fn at(micros: i64) -> UnixMicros {
        UnixMicros::new(micros)
    }

    /// Returns width, begin and end of each stretch, in microseconds.
    fn of(step: u64, time: Range<i64>, narrow_from: i64) -> Vec<(i64, i64, i64)> {
        let (retained, step) = (Duration::from_micros(KEPT as u64), Duration::from_micros(step));
        let found = stretches(&WIDTHS, retained, step, at(time.start)..at(time.end), at(narrow_from));
        found.into_iter().map(|stretch| (stretch.width.as_micros() as i64, stretch.from.get(), stretch.to.get())).collect()
    }

    #[test]
    fn the_middle_is_read_from_the_widest_rows_and_the_ends_from_narrower_ones() {
        assert_eq!(of(60, 57..244, 0), [(1, 57, 60), (60, 60, 240), (1, 240, 244)]);
        assert_eq!(of(720, 299..1500, 0), [(1, 299, 300), (60, 300, 360), (360, 360, 1440), (60, 1440, 1500)]);
        assert_eq!(of(5, 57..244, 0), [(1, 57, 60), (5, 60, 240), (1, 240, 244)]);
        assert_eq!(of(1, 57..244, 0), [(1, 57, 244)]);
        assert_eq!(of(1, 7..7, 0), []);
    }

    #[test]
    fn old_statistics_are_read_by_the_hour() {
        assert_eq!(of(1, 70..244, 120), [(60, 60, 120), (1, 120, 244)]);
        assert_eq!(of(1, 70..100, 1200), [(60, 60, 120)]);
        assert_eq!(of(360, 70..1000, 600), [(60, 60, 600), (60, 600, 960), (5, 960, 1000)]);
    }

    proptest! {
        #[test]
        fn stretches_follow_one_another_in_whole_rows_that_have_one_point_each(
            from in 0..4_000_i64, length in 0..4_000_i64, step in 1..800_u64, hours in 0..80_i64,
        ) {
            let (to, narrow_from) = (from + length, hours * 60);
            let found = of(step, from..to, narrow_from);
            let hour = Duration::from_micros(KEPT as u64);
            let is_old = |time: i64| time < narrow_from;
            let begin = if is_old(from) { begin_of(at(from), hour).get() } else { from };
            let end = if is_old(to) && from < to { end_of(at(to), hour).get() } else { to };
            let mut reached = begin;
            for (width, begin, end) in found {
                prop_assert_eq!(begin, reached);
                prop_assert!(begin < end);
                prop_assert_eq!((begin % width, end % width), (0, 0));
                prop_assert!(step as i64 % width == 0 || width == 1 || is_old(begin) && width == KEPT);
                prop_assert!(!is_old(begin) || width >= KEPT);
                reached = end;
            }
            prop_assert_eq!(reached, if from < to { end } else { begin });
        }
    }
}
