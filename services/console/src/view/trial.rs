//! The result of a definition for an example: input, steps, response, or the fault with its place.

use super::badge::{Tone, badge, tag};
use super::json::json;
use super::notice::notice;
use forebay_contract::definition::Places;
use forebay_workflow::trial::{Fault, StepOutcome, Tried, TriedStep};
use maud::{Markup, html};

/// Draws the result.
#[must_use]
pub(crate) fn trial(tried: &Tried, places: Option<&Places>) -> Markup {
    html! {
        @if let Some(fault) = &tried.fault { (error(fault, places)) }
        @if let Some(input) = &tried.input { h3 { ".input" } (json(input)) }
        @for one in &tried.steps { (step(one)) }
        @if let Some(response) = &tried.answer { h3 { "Response" } (json(response)) }
    }
}

fn step(step: &TriedStep) -> Markup {
    let tone = match step.outcome {
        StepOutcome::Ran => Tone::Good,
        StepOutcome::Skipped => Tone::Idle,
        StepOutcome::Given | StepOutcome::NotRun => Tone::Warn,
    };
    html! {
        details.fold id={ "tried-" (step.path) } {
            summary { span.row { (badge(tone, step.outcome.as_str())) strong { (step.path) } (tag(step.kind)) } }
            div.body {
                @if let Some(request) = &step.request { h3 { "Request, not sent" } (json(request)) }
                h3 { "Output" } (json(&step.output))
            }
        }
    }
}

/// Draws a fault, with the part of the program that is wrong and the value that did not fit.
fn error(fault: &Fault, places: Option<&Places>) -> Markup {
    let line = places.and_then(|places| places.find(&fault.part)).map(|place| place.line);
    let title = if fault.part.is_empty() { "Error".to_owned() } else { format!("Error in {}", fault.part) };
    notice(
        Tone::Bad,
        &title,
        html! {
            div.stack.tight {
                p {
                    (fault.message)
                    @if let Some(line) = line { " " a href="#source" data-line=(line) { "Line " (line) } }
                }
                @if let Some(at) = &fault.place {
                    @if let Some(text) = fault.source.lines().nth(at.line.saturating_sub(1)) {
                        pre.still tabindex="0" { (text) "\n" (caret(text, at.column, &at.snippet)) }
                    }
                    p.small { "Line " (at.line) ", column " (at.column) " of the mapping" @if let Some(value) = &at.value { ", on " code.break { (value) } } }
                }
            }
        },
    )
}

/// Returns the line of the caret. A tab stays a tab, so that the caret is below the fault at any width of tabs.
fn caret(line: &str, column: usize, snippet: &str) -> String {
    let before: String = line.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    before + &"^".repeat(snippet.chars().count().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_is_below_the_snippet() {
        assert_eq!(caret("{ n: .a }", 6, ".a"), "     ^^");
        assert_eq!(caret("\t.a", 2, ""), "\t^");
    }
}
