//! The editor of a connection or an alert, as text.

use super::badge::Tone;
use super::notice::notice;
use maud::{Markup, html};

/// The text, and the other data of the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextEditor<'a> {
    /// The address where it is saved, and listed.
    pub(crate) address: &'a str,
    /// The kind of the document, such as `Connection`.
    pub(crate) label: &'a str,
    /// Help for the user.
    pub(crate) hint: &'a str,
    /// `tenant/name`; empty: a new one.
    pub(crate) path: &'a str,
    /// The text.
    pub(crate) source: &'a str,
    /// The text that the user opened; empty: a new one.
    pub(crate) base: &'a str,
    /// The revision of `base`; 0: a new one.
    pub(crate) revision: i32,
    /// The reason for which it was not saved.
    pub(crate) refused: Option<Markup>,
    /// A message about the last action; empty: none.
    pub(crate) notice: &'a str,
    /// True if the reader may save.
    pub(crate) may_save: bool,
}

impl TextEditor<'_> {
    /// Draws the content of the page.
    #[must_use]
    pub(crate) fn draw(&self) -> Markup {
        html! {
            form.stack method="post" action=(self.address) data-check-session {
                div.stack id="refused" { @if let Some(refused) = &self.refused { (refused) } }
                @if !self.notice.is_empty() { (notice(Tone::Warn, "The text was changed", self.notice)) }
                section.card {
                    div.body.stack {
                        input type="hidden" name="revision" value=(self.revision);
                        input type="hidden" name="path" value=(self.path);
                        input type="hidden" name="base" value=(self.base);
                        div.field {
                            label for="source" { (self.label) }
                            span.hint id="source-hint" { (self.hint) " Comments are not stored." }
                            textarea id="source" name="source" rows="18" spellcheck="false" data-editor="yaml" aria-describedby="source-hint" { "\n" (self.source) }
                        }
                        div.actions {
                            @if self.may_save { button.button.main type="submit" { "Save" } }
                            a.button.quiet href=(self.address) { (if self.may_save { "Cancel" } else { "Back" }) }
                            span.small role="status" data-check-session-state {}
                        }
                    }
                }
            }
        }
    }
}

/// Draws the reasons for which a text was not saved, line by line.
#[must_use]
pub(crate) fn refused(reasons: &str) -> Markup {
    notice(Tone::Bad, "Could not save", html! { @for reason in reasons.lines() { div { (reason) } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_escaped_and_the_text_is_unchanged() {
        let editor = TextEditor { source: "a: <x>\n", refused: Some(refused("<b>")), ..TextEditor::default() };
        let html = editor.draw().into_string();
        assert!(html.contains("&lt;b&gt;") && html.contains("a: &lt;x&gt;\n</textarea>"), "{html}");
    }
}
