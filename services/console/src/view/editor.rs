//! The editor of an integration: as a form, as text, as a diagram, and with an example.

use super::badge::{Tone, badge};
use super::field::{Field, asking};
use super::notice::notice;
use super::page::card;
use forebay_contract::definition::Problem;
use maud::{Markup, html};

/// A problem of a text, with its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Located {
    /// The line, from 1; 0: unknown.
    pub(crate) line: u64,
    /// The column, from 1; 0: unknown.
    pub(crate) column: u64,
    /// The field; empty: the document.
    pub(crate) path: String,
    /// The problem, and the remedy.
    pub(crate) message: String,
}

impl Located {
    /// Returns a problem of a field, with the place of that field.
    #[must_use]
    pub(crate) fn new(problem: &Problem, place: Option<forebay_contract::definition::Place>) -> Self {
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        Self { line, column, path: problem.path.clone(), message: problem.message.clone() }
    }
}

/// An example call, with which the definition is tried while it is edited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Example {
    /// The body.
    pub(crate) body: String,
    /// Its content type; empty: JSON if it is JSON.
    pub(crate) content_type: String,
    /// The text after the `?`.
    pub(crate) query: String,
    /// The outputs of steps that call remote systems, by their ids, as JSON.
    pub(crate) steps: String,
}

/// The parts of the page. Those that change during editing are drawn already.
pub(crate) struct Editor<'a> {
    /// `tenant/name`; absent: a new one.
    pub(crate) path: Option<&'a str>,
    /// The text.
    pub(crate) source: &'a str,
    /// The version that the text was made from; 0: a new one.
    pub(crate) version: i32,
    /// The reason for which the last save failed, which stays until the text is saved; absent: no save failed.
    pub(crate) refused: Option<Markup>,
    /// The person and the object that a draft belongs to.
    pub(crate) draft: String,
    /// The problems of the text.
    pub(crate) problems: &'a [Located],
    /// A message about the last action; empty: none.
    pub(crate) notice: &'a str,
    /// The form; absent if the text has problems.
    pub(crate) form: Option<Markup>,
    /// The diagram; absent if the text has problems.
    pub(crate) diagram: Option<Markup>,
    /// The example.
    pub(crate) example: &'a Example,
    /// The result of the example.
    pub(crate) trial: Markup,
    /// True if the text is saved.
    pub(crate) is_saved: bool,
    /// True if the reader may save.
    pub(crate) may_save: bool,
}

/// Draws the content of the page.
#[must_use]
pub(crate) fn editor(editor: &Editor<'_>) -> Markup {
    html! {
        form.stack method="post" action="/editor" data-check="/editor/check" data-saved=[(!editor.is_saved).then_some("no")] data-draft=(editor.draft) {
            input type="hidden" name="path" value=(editor.path.unwrap_or_default());
            input type="hidden" name="version" value=(editor.version);
            div.stack id="said" { @if !editor.notice.is_empty() { (notice(Tone::Warn, "The text was changed", editor.notice)) } }
            div.stack id="refused" { @if let Some(refused) = &editor.refused { (refused) } }
            div.stack id="drafts" {}
            div id="problems" { (problems(editor.problems)) }
            div.halves {
                (card("Form", &html! {}, &html! {
                    div.stack id="trigger-form" { (form_or_reason(editor.form.as_ref())) }
                    noscript { div.actions { button.button type="submit" name="action" value="write" { "Apply the form to the text" } } }
                }))
                div.stack {
                    (card("Definition", &html! { span.muted.small id="editor-state" role="status" {} }, &html! {
                        div.field {
                            label for="source" { "Text (YAML)" }
                            textarea id="source" name="source" rows="28" spellcheck="false" required data-editor="yaml"
                                data-schema=(crate::pages::assets::address("definition.json")) { "\n" (editor.source) }
                        }
                    }))
                    (card("Diagram", &html! {}, &html! { div id="drawing" { (diagram_or_reason(editor.diagram.as_ref())) } }))
                }
            }
            (card("Example", &html! { span.muted.small { "Nothing is sent. Steps that call other systems show their requests." } }, &html! {
                div.halves {
                    div.stack id="example" {
                        (Field { name: "example_body", label: "Body", value: &editor.example.body, example: "{ \"workOrder\": { \"id\": \"WO-1\" } }", ..Field::default() }.text(10))
                        div.fields {
                            (Field { name: "example_query", label: "Query", value: &editor.example.query, example: "customerid=42", ..Field::default() }.line("text"))
                            (Field { name: "example_type", label: "Content type", value: &editor.example.content_type, example: "application/json", ..Field::default() }.line("text"))
                        }
                        (Field { name: "example_steps", label: "Outputs of other systems", value: &editor.example.steps, hint: "A JSON object with step ids as fields and outputs as values.", example: "{ \"price\": { \"status\": 200, \"body\": { \"price\": 12 } } }", ..Field::default() }.text(3))
                        noscript { div.actions { button.button type="submit" name="action" value="try" { "Run the example" } } }
                    }
                    div.stack id="trial" aria-live="polite" { (editor.trial) }
                }
            }))
            div.stuck {
                span.row { @if editor.version > 0 { (badge(Tone::Idle, &format!("from version {}", editor.version))) } @else { (badge(Tone::Accent, "new")) } }
                div.actions {
                    @if editor.may_save { button.button.main type="submit" name="action" value="save" { "Save" } }
                    @else { span.muted { "Your role does not allow changes of definitions." } }
                }
            }
        }
    }
}

/// Draws the list of problems, each linked to its line.
#[must_use]
pub(crate) fn problems(problems: &[Located]) -> Markup {
    if problems.is_empty() {
        return html! {};
    }
    let title = if problems.len() == 1 { "One problem".to_owned() } else { format!("{} problems", problems.len()) };
    notice(
        Tone::Bad,
        &title,
        html! {
            ul.problems {
                @for problem in problems {
                    li {
                        @if problem.line > 0 { a href="#source" data-line=(problem.line) { "Line " (problem.line) } " " }
                        @if !problem.path.is_empty() { code { (problem.path) } ": " }
                        (problem.message)
                    }
                }
            }
        },
    )
}

/// Draws the form, or the reason for which there is none.
#[must_use]
pub(crate) fn form_or_reason(form: Option<&Markup>) -> Markup {
    match form {
        Some(form) => form.clone(),
        None => html! { p.muted { "The text has problems. Fix them to see the form." } },
    }
}

/// Draws the diagram, or the reason for which there is none.
#[must_use]
pub(crate) fn diagram_or_reason(diagram: Option<&Markup>) -> Markup {
    match diagram {
        Some(diagram) => diagram.clone(),
        None => html! { p.muted { "The text has problems. Fix them to see the diagram." } },
    }
}

/// Draws the button that enables or disables an integration.
#[must_use]
pub(crate) fn switch(path: &str, enabled: bool) -> Markup {
    html! {
        form method="post" action={ "/integrations/" (path) "/" (if enabled { "disable" } else { "enable" }) } {
            @if enabled { (asking("", "Disable", &format!("Disable {path}? Callers will get 404 until you enable it again."))) }
            @else { button.button type="submit" { "Enable" } }
        }
    }
}
