//! The rows of different widths that add up to a time.

use crate::history::statistics::begin_of;
use std::ops::Range;

/// The width of a row, in microseconds. Each width divides the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Width(pub(crate) i64);

/// Time that is read from rows of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) width: Width,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// The fewest rows for a time, in its order: in the middle the widest that divide `step`, at its ends narrower ones. `widths`: from the
/// narrowest. Rows narrower than `kept` are not looked for before `narrow_from`; the time is widened to whole rows there, and to whole rows
/// of the narrowest elsewhere.
pub(crate) fn stretches(widths: &[Width], kept: Width, step: i64, time: Range<i64>, narrow_from: i64) -> Vec<Stretch> {
    let Some(narrowest) = widths.first() else { return Vec::new() };
    let divides = |width: &Width| step % width.0 == 0;
    let old: Vec<Width> = widths.iter().copied().filter(|width| *width == kept || width.0 > kept.0 && divides(width)).collect();
    let new: Vec<Width> = widths.iter().copied().filter(|width| width == narrowest || divides(width)).collect();
    let from = begin_of(time.start.max(0), narrowest.0);
    let to = end_of(time.end, narrowest.0);
    let mut found = Vec::new();
    if from < to && from < narrow_from {
        cover(&old, begin_of(from, kept.0), end_of(to.min(narrow_from), kept.0), &mut found);
    }
    cover(&new, from.max(narrow_from), to, &mut found);
    found
}

/// Adds stretches of these widths; both ends lie between rows of the narrowest.
fn cover(widths: &[Width], from: i64, to: i64, found: &mut Vec<Stretch>) {
    let Some((widest, narrower)) = widths.split_last().filter(|_| from < to) else { return };
    if narrower.is_empty() {
        found.push(Stretch { width: *widest, from, to });
        return;
    }
    let (begin, end) = (end_of(from, widest.0), begin_of(to, widest.0));
    if begin >= end {
        return cover(narrower, from, to, found);
    }
    cover(narrower, from, begin, found);
    found.push(Stretch { width: *widest, from: begin, to: end });
    cover(narrower, end, to, found);
}

/// The first begin of a stretch of this width that is not before a time.
fn end_of(micros: i64, width: i64) -> i64 {
    begin_of(micros.saturating_add(width - 1), width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDTHS: [Width; 4] = [Width(1), Width(5), Width(60), Width(360)];
    const KEPT: Width = Width(60);

    fn of(step: i64, time: Range<i64>, narrow_from: i64) -> Vec<(i64, i64, i64)> {
        let found = stretches(&WIDTHS, KEPT, step, time, narrow_from);
        found.into_iter().map(|stretch| (stretch.width.0, stretch.from, stretch.to)).collect()
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
            from in 0..4_000_i64, length in 0..4_000_i64, step in 1..800_i64, hours in 0..80_i64,
        ) {
            let (to, narrow_from) = (from + length, hours * 60);
            let found = stretches(&WIDTHS, KEPT, step, from..to, narrow_from);
            let is_old = |time: i64| time < narrow_from;
            let begin = if is_old(from) { begin_of(from, 60) } else { from };
            let end = if is_old(to) && from < to { end_of(to, 60) } else { to };
            let mut at = begin;
            for stretch in &found {
                prop_assert_eq!(stretch.from, at);
                prop_assert!(stretch.from < stretch.to);
                prop_assert_eq!((stretch.from % stretch.width.0, stretch.to % stretch.width.0), (0, 0));
                prop_assert!(step % stretch.width.0 == 0 || stretch.width.0 == 1 || is_old(stretch.from) && stretch.width == KEPT);
                prop_assert!(!is_old(stretch.from) || stretch.width.0 >= KEPT.0);
                at = stretch.to;
            }
            prop_assert_eq!(at, if from < to { end } else { begin });
        }
    }
}
