//! Charts drawn by the server: SVG for the shapes, HTML for the words, and the values as a table for readers who cannot see them.

use super::badge::Tone;
use super::time::{at, clock};
use forebay_contract::UnixMicros;
use maud::{Markup, html};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 136.0;

/// One line, or one layer of bars.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// The name in the legend.
    pub(crate) name: &'static str,
    /// Its colour.
    pub(crate) tone: Tone,
    /// A value for each point in time; `None`: unknown.
    pub(crate) values: Vec<Option<f64>>,
}

/// The shape in which values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A line for each series.
    Lines,
    /// Stacked bars.
    Bars,
}

/// One chart.
pub(crate) struct Chart<'a> {
    /// The title.
    pub(crate) title: &'a str,
    /// The present value, in words.
    pub(crate) now: &'a str,
    /// The time of each point.
    pub(crate) times: &'a [UnixMicros],
    /// The series, each with as many values as there are points.
    pub(crate) series: &'a [Series],
    /// The shape.
    pub(crate) shape: Shape,
    /// Returns a value in words, with its unit.
    pub(crate) words: fn(f64) -> String,
}

/// Draws a chart.
#[must_use]
pub(crate) fn chart(chart: &Chart<'_>) -> Markup {
    let top = round_up(highest(chart));
    html! {
        figure.chart.card {
            div.body {
                figcaption.row.apart {
                    h3 { (chart.title) }
                    @if chart.series.len() > 1 {
                        span.legend { @for series in chart.series { span { i.{ "tone-" (series.tone.class()) } {} (series.name) } } }
                    }
                }
                div.now { (chart.now) }
                div.scale { span { (words(chart, top)) } }
                svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                    @for part in [0.0, 0.5] { line.rule x1="0" x2=(WIDTH) y1=(HEIGHT * part + 1.0) y2=(HEIGHT * part + 1.0) {} }
                    @match chart.shape { Shape::Lines => (lines(chart.series, top)), Shape::Bars => (bars(chart.series, top)) }
                }
                div.scale {
                    @if let (Some(first), Some(last)) = (chart.times.first(), chart.times.last()) { span { (clock(*first)) } span { (clock(*last)) } }
                }
                details.small { summary { "Show data" } (table(chart)) }
            }
        }
    }
}

/// Draws a small line without words, for a row of a table; `label` describes it for readers who cannot see it.
#[must_use]
pub(crate) fn spark(label: &str, tone: Tone, values: &[f64]) -> Markup {
    let series = [Series { name: "", tone, values: values.iter().copied().map(Some).collect() }];
    let top = values.iter().copied().fold(0.0, f64::max).max(1.0);
    html! {
        span.chart.spark role="img" aria-label=(label) {
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" { (bars(&series, top)) }
        }
    }
}

fn words(chart: &Chart<'_>, value: f64) -> String {
    (chart.words)(value)
}

fn highest(chart: &Chart<'_>) -> f64 {
    let mut highest: f64 = 0.0;
    for point in 0..chart.times.len() {
        let values = chart.series.iter().filter_map(|series| series.values.get(point).copied().flatten());
        highest = highest.max(match chart.shape {
            Shape::Lines => values.fold(0.0, f64::max),
            Shape::Bars => values.sum(),
        });
    }
    highest
}

/// Returns the next number of the form 1, 2 or 5 times a power of ten; at least 1.
fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if value <= step * factor {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn lines(all: &[Series], top: f64) -> Markup {
    html! {
        @for series in all {
            @let paths = pieces(&series.values, top);
            @for piece in &paths {
                @if all.len() == 1 {
                    path.area.{ "tone-" (series.tone.class()) } d={ (path(piece)) "L" (piece[piece.len() - 1].0) " " (HEIGHT) "L" (piece[0].0) " " (HEIGHT) "Z" } stroke="none" {}
                }
                path.line.{ "tone-" (series.tone.class()) } d=(path(piece)) {}
            }
        }
    }
}

/// Returns the runs of known values, as points of the drawing.
fn pieces(values: &[Option<f64>], top: f64) -> Vec<Vec<(f64, f64)>> {
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match value {
            Some(value) => piece.push((tenth(index as f64 * step), tenth(HEIGHT - value / top * (HEIGHT - 2.0)))),
            None if piece.is_empty() => {}
            None => pieces.push(std::mem::take(&mut piece)),
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    for piece in pieces.iter_mut().filter(|piece| piece.len() == 1) {
        // A single point would not be visible.
        piece.push((piece[0].0 + 3.0, piece[0].1));
    }
    pieces
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        path.push_str(&format!("{}{x} {y}", if index == 0 { "M" } else { "L" }));
    }
    path
}

fn bars(all: &[Series], top: f64) -> Markup {
    let points = all.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let step = WIDTH / points.max(1) as f64;
    html! {
        @for point in 0..points {
            @let heights = stacked(all, point, top);
            @for (series, (y, height)) in all.iter().zip(heights) {
                @if height > 0.0 {
                    rect.bar.{ "tone-" (series.tone.class()) } x=(tenth(point as f64 * step + step * 0.1)) y=(tenth(y)) width=(tenth(step * 0.8)) height=(tenth(height)) {}
                }
            }
        }
    }
}

/// Returns top and height of each layer, the first at the bottom. A value above 0 is always visible.
fn stacked(all: &[Series], point: usize, top: f64) -> Vec<(f64, f64)> {
    let mut bottom = HEIGHT;
    let mut layers = Vec::with_capacity(all.len());
    for series in all {
        let value = series.values.get(point).copied().flatten().unwrap_or(0.0);
        let height = if value > 0.0 { (value / top * (HEIGHT - 2.0)).max(2.0) } else { 0.0 };
        bottom -= height;
        layers.push((bottom, height));
    }
    layers
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn table(chart: &Chart<'_>) -> Markup {
    html! {
        div.table {
            table {
                caption.unseen { (chart.title) }
                thead { tr { th scope="col" { "Time" } @for series in chart.series { th.number scope="col" { (series.name) } } } }
                tbody {
                    @for (point, time) in chart.times.iter().enumerate() {
                        @if chart.series.iter().any(|series| series.values.get(point).copied().flatten().is_some_and(|value| value != 0.0)) {
                            tr {
                                td { (at(*time)) }
                                @for series in chart.series {
                                    td.number { (series.values.get(point).copied().flatten().map(|value| words(chart, value)).unwrap_or_default()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(tone: Tone, values: &[Option<f64>]) -> Series {
        Series { name: "x", tone, values: values.to_vec() }
    }

    #[test]
    fn the_scale_ends_at_a_round_number_above_the_highest_value() {
        for (value, expected) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (7.0, 10.0), (101.0, 200.0)] {
            assert_eq!(round_up(value), expected, "{value}");
        }
    }

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let pieces = pieces(&[Some(0.0), Some(10.0), None, Some(5.0)], 10.0);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0], [(0.0, 136.0), (200.0, 2.0)]);
        assert_eq!(pieces[1][0], (600.0, 69.0));
    }

    #[test]
    fn layers_stand_on_each_other_and_one_failure_among_thousands_is_seen() {
        let all = [series(Tone::Good, &[Some(5000.0)]), series(Tone::Bad, &[Some(1.0)])];
        let layers = stacked(&all, 0, 5001.0);
        assert!(layers[1].1 >= 2.0 && (layers[1].0 + layers[1].1 - layers[0].0).abs() < 1e-9, "{layers:?}");
    }

    #[test]
    fn the_figures_are_also_a_table() {
        let all = [series(Tone::Accent, &[Some(3.0), Some(0.0)])];
        let drawn = Chart {
            title: "Calls",
            now: "3",
            times: &[UnixMicros::default(), UnixMicros::new(60_000_000)],
            series: &all,
            shape: Shape::Bars,
            words: |value| format!("{value}/min"),
        };
        let html = chart(&drawn).into_string();
        assert!(html.contains("3/min") && html.contains("Calls"), "{html}");
    }
}
