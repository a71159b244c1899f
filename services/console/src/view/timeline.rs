//! An execution's steps as bars over its time.

use super::time::span;
use forebay_contract::UnixMicros;
use maud::{Markup, html};
use std::time::Duration;

/// Width of the drawing in units; it is stretched to the width of the page.
const WIDTH: f64 = 1000.0;
/// Minimum width of a visible bar.
const MIN_WIDTH: f64 = 4.0;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lane {
    /// The name of the step.
    pub(crate) name: String,
    /// The address of details; empty: none.
    pub(crate) href: String,
    /// `succeeded`, `failed`, `skipped`, `waiting`, `queued` or `running`.
    pub(crate) state: &'static str,
    /// The time at which it began.
    pub(crate) began: UnixMicros,
    /// Its duration in microseconds.
    pub(crate) duration: i64,
}

impl Lane {
    fn duration(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.duration).unwrap_or_default())
    }
}

/// Draws the bars, the first at the top, over the time from the first begin to the last end.
#[must_use]
pub(crate) fn timeline(lanes: &[Lane]) -> Markup {
    let (Some(first), Some(last)) =
        (lanes.iter().map(|lane| lane.began).min(), lanes.iter().map(|lane| lane.began + lane.duration()).max())
    else {
        return html! {};
    };
    let whole = last.since(first).as_micros().max(1) as f64;
    html! {
        div.timeline {
            @for lane in lanes {
                @if lane.href.is_empty() { div.lane.(lane.state) { (bar(lane, first, whole)) } }
                @else { a.lane.(lane.state) href=(lane.href) { (bar(lane, first, whole)) } }
            }
        }
    }
}

fn bar(lane: &Lane, first: UnixMicros, whole: f64) -> Markup {
    let begin = lane.began.since(first).as_micros() as f64 / whole * WIDTH;
    let width = (lane.duration as f64 / whole * WIDTH).max(MIN_WIDTH);
    let begin = begin.min(WIDTH - width).max(0.0);
    html! {
        span.name title=(lane.name) { (lane.name) }
        svg viewBox={ "0 0 " (WIDTH) " 18" } preserveAspectRatio="none" aria-hidden="true" {
            rect.ground x="0" y="8" width=(WIDTH) height="2" {}
            rect.bar x=(round(begin)) y="2" width=(round(width)) height="14" rx="2" {}
        }
        span.small.right { span.unseen { (lane.state) " in " } (span(lane.duration)) }
    }
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str, began: i64, duration: i64) -> Lane {
        Lane { name: name.to_owned(), href: String::new(), state: "succeeded", began: UnixMicros::new(began), duration }
    }

    #[test]
    fn bars_are_at_the_position_of_their_time() {
        let html = timeline(&[lane("queued", 1000, 500), lane("a", 1500, 1500)]).into_string();
        assert!(html.contains(r#"x="0" y="2" width="250""#), "{html}");
        assert!(html.contains(r#"x="250" y="2" width="750""#), "{html}");
        assert_eq!(timeline(&[]).into_string(), "");
    }

    #[test]
    fn a_step_without_duration_is_visible_inside_of_the_drawing() {
        let html = timeline(&[lane("a", 0, 100), lane("b", 100, 0)]).into_string();
        assert!(html.contains(r#"x="996" y="2" width="4""#), "{html}");
    }
}
