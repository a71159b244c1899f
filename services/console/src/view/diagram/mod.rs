//! The diagram of a workflow: from its trigger to its response, drawn from the definition.

mod words;

use forebay_contract::definition::{Definition, InnerSteps, OnError, Places, Step};
use forebay_contract::outcome::{StepRecord, StepStatus};
use maud::{Markup, html};
use std::collections::HashMap;
use words::{Words, cut};

const BOX_WIDTH: f64 = 248.0;
const BOX_HEIGHT: f64 = 58.0;
/// Distance between two boxes, for the wire.
const GAP: f64 = 26.0;
/// Distance between branches.
const BETWEEN: f64 = 28.0;
const PILL_HEIGHT: f64 = 22.0;
/// Padding within the frame of a loop.
const PADDING: f64 = 16.0;
const MARGIN: f64 = 8.0;

/// The status of each step of an execution, by its id. For a step in a loop, the worst one.
pub(crate) type States = HashMap<String, StepStatus>;

/// Returns the status of each step of an execution.
#[must_use]
pub(crate) fn states(steps: &[StepRecord]) -> States {
    let mut states = States::new();
    for step in steps {
        // In a loop the item is before the id: `lines[3]/send`.
        let id = step.id.rsplit('/').next().unwrap_or(&step.id);
        let state = states.entry(id.to_owned()).or_insert(step.status);
        if weight(step.status) > weight(*state) {
            *state = step.status;
        }
    }
    states
}

fn weight(status: StepStatus) -> u8 {
    match status {
        StepStatus::Skipped => 0,
        StepStatus::Succeeded => 1,
        StepStatus::Waiting => 2,
        StepStatus::Failed => 3,
    }
}

/// Additional data for a diagram.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// The status of each step of an execution; absent: the definition alone.
    pub(crate) states: Option<&'a States>,
    /// The places of the fields in the text, for links; absent: boxes link to `#step-ID`.
    pub(crate) places: Option<&'a Places>,
}

/// Draws the diagram.
#[must_use]
pub(crate) fn diagram(definition: &Definition, beside: Beside<'_>) -> Markup {
    let pen = Pen { beside };
    let mut parts = vec![pen.node("trigger", "trigger", &words::trigger(definition), None)];
    if let Some(input) = &definition.input {
        parts.push(pen.node("input", "input", &words::input(input), None));
    }
    parts.extend(definition.steps.iter().enumerate().map(|(index, step)| pen.step(&format!("steps[{index}]"), step)));
    if let Some(response) = words::response(definition) {
        parts.push(pen.node("respond", "respond", &response, None));
    }
    let drawn = below(parts);
    let (width, height) = (drawn.width + 2.0 * MARGIN, drawn.height + 2.0 * MARGIN);
    html! {
        div.diagram tabindex="0" role="group" aria-label="Diagram of the workflow" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                (moved(MARGIN, MARGIN, &drawn.shapes))
            }
        }
    }
}

/// A part of the diagram. Wires enter at the top and leave at the bottom, on its axis.
struct Drawn {
    width: f64,
    height: f64,
    /// The distance of the axis from its left edge.
    axis: f64,
    shapes: Markup,
}

struct Pen<'a> {
    beside: Beside<'a>,
}

impl Pen<'_> {
    fn step(&self, path: &str, step: &Step) -> Drawn {
        let node = self.node(path, "step", &words::step(step), Some(&step.id));
        let sequence = |list: &InnerSteps<'_>| self.sequence(&format!("{path}.{}", list.place), list.steps);
        let drawn = match &step.action.inner()[..] {
            [] => node,
            [only] if only.label.is_none() => framed(node, sequence(only)),
            lists => forked(node, lists.iter().map(|list| (list.label.clone().unwrap_or_default(), sequence(list))).collect()),
        };
        match &step.on_error {
            OnError::Steps(steps) => with_fault(drawn, self.sequence(&format!("{path}.on_error"), steps)),
            _ => drawn,
        }
    }

    fn sequence(&self, path: &str, steps: &[Step]) -> Drawn {
        below(steps.iter().enumerate().map(|(index, step)| self.step(&format!("{path}[{index}]"), step)).collect())
    }

    /// Draws a box; `id` is that of a step.
    fn node(&self, path: &str, class: &str, words: &Words, id: Option<&str>) -> Drawn {
        let (state, description) = self.state(id);
        let href = id.map_or_else(|| format!("#part-{path}"), |id| format!("#step-{id}"));
        let line = self.beside.places.and_then(|places| places.find(path)).map(|place| place.line);
        let shapes = html! {
            a.node.(class).(state) href=(href) data-line=[line] {
                title { (words.kind) " " (words.title) @if !words.about.is_empty() { ": " (words.about) } (description) }
                rect.box x="0" y="0" width=(BOX_WIDTH) height=(BOX_HEIGHT) rx="8" {}
                rect.mark x="0" y="10" width="4" height=(BOX_HEIGHT - 20.0) rx="2" {}
                text.kind x="14" y="17" { (words.kind.to_uppercase()) }
                @if !words.aside.is_empty() { text.kind x=(BOX_WIDTH - 10.0) y="17" text-anchor="end" { (words.aside) } }
                text.title x="14" y="34" { (cut(&words.title, 27)) }
                text.about x="14" y="50" { (cut(&words.about, 31)) }
            }
        };
        Drawn { width: BOX_WIDTH, height: BOX_HEIGHT, axis: BOX_WIDTH / 2.0, shapes }
    }

    fn state(&self, id: Option<&str>) -> (&'static str, &'static str) {
        let (Some(states), Some(id)) = (self.beside.states, id) else { return ("", "") };
        match states.get(id) {
            None => ("unreached", ", not reached"),
            Some(StepStatus::Succeeded) => ("succeeded", ", succeeded"),
            Some(StepStatus::Failed) => ("failed", ", failed"),
            Some(StepStatus::Skipped) => ("skipped", ", skipped"),
            Some(StepStatus::Waiting) => ("waiting", ", waiting"),
        }
    }
}

/// Draws parts below one another, with wires between them.
fn below(parts: Vec<Drawn>) -> Drawn {
    let axis = parts.iter().map(|part| part.axis).fold(0.0, f64::max);
    let right = parts.iter().map(|part| part.width - part.axis).fold(0.0, f64::max);
    let mut placed = Vec::with_capacity(parts.len());
    let mut height = 0.0;
    for part in &parts {
        if height > 0.0 {
            placed.push(arrow(axis, height, height + GAP));
            height += GAP;
        }
        placed.push(moved(axis - part.axis, height, &part.shapes));
        height += part.height;
    }
    Drawn { width: axis + right, height, axis, shapes: html! { @for shape in placed { (shape) } } }
}

/// Draws a loop: its box, and below it a frame around the steps that run for each item.
fn framed(head: Drawn, inner: Drawn) -> Drawn {
    if inner.height == 0.0 {
        return head;
    }
    let frame = Drawn {
        width: inner.width + 2.0 * PADDING,
        height: inner.height + 2.0 * PADDING,
        axis: inner.axis + PADDING,
        shapes: html! {
            rect.frame x="0" y="0" width=(inner.width + 2.0 * PADDING) height=(inner.height + 2.0 * PADDING) rx="10" {}
            (moved(PADDING, PADDING, &inner.shapes))
        },
    };
    below(vec![head, frame])
}

/// Draws branches side by side below their box; they join again at the bottom.
fn forked(head: Drawn, branches: Vec<(String, Drawn)>) -> Drawn {
    let widths: Vec<f64> = branches.iter().map(|(_, branch)| branch.width.max(BOX_WIDTH)).collect();
    let width = widths.iter().sum::<f64>() + BETWEEN * branches.len().saturating_sub(1) as f64;
    let middle = width / 2.0;
    let split = BOX_HEIGHT + GAP / 2.0;
    let first = split + GAP / 2.0;
    let start = first + PILL_HEIGHT + GAP;
    let tallest = branches.iter().map(|(_, branch)| branch.height).fold(0.0, f64::max);
    let join = start + tallest + GAP / 2.0;
    let mut placed = vec![moved(middle - head.axis, 0.0, &head.shapes), wire(&format!("M{middle} {BOX_HEIGHT}V{split}"))];
    let mut left = 0.0;
    for ((label, branch), own) in branches.iter().zip(&widths) {
        let axis = if branch.height == 0.0 { left + own / 2.0 } else { left + (own - branch.width) / 2.0 + branch.axis };
        placed.push(wire(&format!("M{middle} {split}H{axis}V{first}")));
        placed.push(pill(axis, first, label));
        if branch.height == 0.0 {
            placed.push(wire(&format!("M{axis} {}V{join}H{middle}", first + PILL_HEIGHT)));
        } else {
            placed.push(arrow(axis, first + PILL_HEIGHT, start));
            placed.push(moved(axis - branch.axis, start, &branch.shapes));
            placed.push(wire(&format!("M{axis} {}V{join}H{middle}", start + branch.height)));
        }
        left += own + BETWEEN;
    }
    Drawn { width, height: join, axis: middle, shapes: html! { @for shape in placed { (shape) } } }
}

/// Draws the steps that run after a failure, beside those that failed; both continue below.
fn with_fault(main: Drawn, fault: Drawn) -> Drawn {
    let left = main.width + BETWEEN;
    let axis = left + fault.axis;
    let start = PILL_HEIGHT + GAP / 2.0 + GAP;
    let height = main.height.max(start + fault.height) + GAP / 2.0;
    let from = main.axis + BOX_WIDTH / 2.0;
    let shapes = html! {
        (main.shapes)
        (fault_wire(&format!("M{from} 16H{axis}V{}", GAP / 2.0 + 12.0)))
        (pill(axis, GAP / 2.0, "on error"))
        (arrow(axis, GAP / 2.0 + PILL_HEIGHT, start))
        (moved(left, start, &fault.shapes))
        (fault_wire(&format!("M{axis} {}V{height}H{}", start + fault.height, main.axis)))
        (wire(&format!("M{} {}V{height}", main.axis, main.height)))
    };
    Drawn { width: left + fault.width, height, axis: main.axis, shapes }
}

fn moved(x: f64, y: f64, shapes: &Markup) -> Markup {
    html! { g transform={ "translate(" (x) " " (y) ")" } { (shapes) } }
}

fn wire(path: &str) -> Markup {
    html! { path.wire d=(path) {} }
}

fn fault_wire(path: &str) -> Markup {
    html! { path.wire.fault d=(path) {} }
}

fn arrow(x: f64, from: f64, to: f64) -> Markup {
    html! {
        path.wire d={ "M" (x) " " (from) "V" (to - 5.0) } {}
        path.tip d={ "M" (x - 4.5) " " (to - 7.0) "h9l-4.5 7z" } {}
    }
}

/// Draws the condition or name of a branch on its wire.
fn pill(axis: f64, y: f64, label: &str) -> Markup {
    let shown = cut(label, 32);
    let width = shown.chars().count() as f64 * 7.0 + 20.0;
    html! {
        g {
            title { (label) }
            rect.box x=(axis - width / 2.0) y=(y) width=(width) height=(PILL_HEIGHT) rx=(PILL_HEIGHT / 2.0) {}
            text.on x=(axis) y=(y + 15.0) text-anchor="middle" { (shown) }
        }
    }
}

#[cfg(test)]
mod tests;
