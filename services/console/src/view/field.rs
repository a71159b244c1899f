//! Fields of forms, each with its label, a hint, and its problem.

use maud::{Markup, html};

/// One field of a form. Its name is also its id, unless another one is given.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// Name in the form.
    pub(crate) name: &'a str,
    /// Id on the page; empty: the name.
    pub(crate) id: &'a str,
    /// The label.
    pub(crate) label: &'a str,
    /// The purpose.
    pub(crate) hint: &'a str,
    /// The present value.
    pub(crate) value: &'a str,
    /// The problem of the value; empty: none.
    pub(crate) wrong: &'a str,
    /// An example, shown while it is empty.
    pub(crate) example: &'a str,
    /// True if it must be filled in.
    pub(crate) required: bool,
}

impl Field<'_> {
    fn id(&self) -> &str {
        if self.id.is_empty() { self.name } else { self.id }
    }

    fn described_by(&self) -> Option<String> {
        let mut ids = Vec::new();
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.id()));
        }
        if !self.wrong.is_empty() {
            ids.push(format!("{}-wrong", self.id()));
        }
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn around(&self, control: &Markup) -> Markup {
        html! {
            div.field {
                label for=(self.id()) { (self.label) }
                (control)
                @if !self.hint.is_empty() { span.hint id={ (self.id()) "-hint" } { (self.hint) } }
                @if !self.wrong.is_empty() { span.wrong id={ (self.id()) "-wrong" } role="alert" { (self.wrong) } }
            }
        }
    }

    fn is_wrong(&self) -> Option<&'static str> {
        (!self.wrong.is_empty()).then_some("true")
    }

    /// Draws a line of text. `kind` is the type of the input, such as `text`, `password`, `search`, `number`, `datetime-local`.
    #[must_use]
    pub(crate) fn line(&self, kind: &str) -> Markup {
        let complete = if kind == "password" { Some("off") } else { None };
        self.around(&html! {
            input id=(self.id()) name=(self.name) type=(kind) value=(self.value) placeholder=[shown(self.example)] required[self.required]
                autocomplete=[complete] aria-invalid=[self.is_wrong()] aria-describedby=[self.described_by()] spellcheck="false";
        })
    }

    /// Draws a line of text that the browser completes from stored names and passwords: `username`, `current-password`, `new-password`.
    #[must_use]
    pub(crate) fn credential(&self, kind: &str, autocomplete: &str) -> Markup {
        self.around(&html! {
            input id=(self.id()) name=(self.name) type=(kind) value=(self.value) required[self.required] autocomplete=(autocomplete)
                aria-invalid=[self.is_wrong()] aria-describedby=[self.described_by()] spellcheck="false" autocapitalize="none";
        })
    }

    /// Draws a text of several lines.
    #[must_use]
    pub(crate) fn text(&self, rows: u32) -> Markup {
        self.around(&html! {
            textarea id=(self.id()) name=(self.name) rows=(rows) placeholder=[shown(self.example)] required[self.required] spellcheck="false"
                aria-invalid=[self.is_wrong()] aria-describedby=[self.described_by()] { "\n" (self.value) }
        })
    }

    /// Draws a choice of one; each option has a value and a label.
    #[must_use]
    pub(crate) fn choice(&self, options: &[(&str, &str)]) -> Markup {
        self.around(&html! {
            select id=(self.id()) name=(self.name) aria-invalid=[self.is_wrong()] aria-describedby=[self.described_by()] {
                @for (value, words) in options { option value=(value) selected[*value == self.value] { (words) } }
            }
        })
    }
}

fn shown(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Draws a checkbox with its explanation.
#[must_use]
pub(crate) fn tick(name: &str, value: &str, is_ticked: bool, words: &str, hint: &str) -> Markup {
    mark("checkbox", name, value, is_ticked, words, hint)
}

/// Draws a radio button.
#[must_use]
pub(crate) fn option(name: &str, value: &str, is_chosen: bool, words: &str, hint: &str) -> Markup {
    mark("radio", name, value, is_chosen, words, hint)
}

fn mark(kind: &str, name: &str, value: &str, is_on: bool, words: &str, hint: &str) -> Markup {
    html! {
        label.check {
            input type=(kind) name=(name) value=(value) checked[is_on];
            @if hint.is_empty() { span { (words) } } @else { span { strong { (words) } span.hint { (hint) } } }
        }
    }
}

/// Draws a button that asks for confirmation.
#[must_use]
pub(crate) fn asking(class: &str, words: &str, question: &str) -> Markup {
    html! { button class={ "button " (class) } type="submit" data-confirm=(question) { (words) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_beside_its_field_and_announced_to_a_screen_reader() {
        let field = Field { name: "label", label: "Label", value: "\"><script>", wrong: "is taken", ..Field::default() };
        let html = field.line("text").into_string();
        assert!(html.contains(r#"aria-invalid="true" aria-describedby="label-wrong""#), "{html}");
        assert!(html.contains(r#"id="label-wrong" role="alert">is taken"#), "{html}");
        assert!(!html.contains("<script>"), "{html}");
    }
}
