//! Differences between two texts or two values, line by line.

use maud::{Markup, html};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;
/// Maximum bytes of a comparison; longer texts are shown one after the other.
const MAX_BYTES: usize = 400_000;

/// Draws two texts compared by lines; unchanged lines far from a change are left out.
#[must_use]
pub(crate) fn texts(before: &str, after: &str) -> Markup {
    if before == after {
        return html! { p.muted { "No changes." } };
    }
    if before.len() + after.len() > MAX_BYTES {
        return html! { p.muted { "The texts differ. They are too long to compare." } };
    }
    let compared = TextDiff::from_lines(before, after);
    let groups = compared.grouped_ops(AROUND);
    html! {
        div.diff.box tabindex="0" role="group" aria-label="Differences" {
            @for (index, group) in groups.iter().enumerate() {
                @if index > 0 { div.line.gap { span { "⋯" } span {} } }
                @for change in group.iter().flat_map(|op| compared.iter_changes(op)) { (line(change.tag(), change.value())) }
            }
        }
    }
}

/// Draws two values compared as they are shown. An absent value is empty.
#[must_use]
pub(crate) fn values(before: Option<&Value>, after: Option<&Value>) -> Markup {
    let text = |value: Option<&Value>| value.map(|value| format!("{value:#}\n")).unwrap_or_default();
    texts(&text(before), &text(after))
}

fn line(tag: ChangeTag, text: &str) -> Markup {
    let (class, sign, word) = match tag {
        ChangeTag::Equal => ("", " ", ""),
        ChangeTag::Delete => ("cut", "-", "removed: "),
        ChangeTag::Insert => ("add", "+", "added: "),
    };
    html! {
        div.line.(class) {
            span aria-hidden="true" { (sign) }
            span { @if !word.is_empty() { span.unseen { (word) } } (text.trim_end_matches('\n')) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_lines_are_marked_and_distant_lines_are_left_out() {
        let before: String = (0..20).map(|line| format!("line {line}\n")).collect();
        let after = before.replace("line 10\n", "line ten\n");
        let html = texts(&before, &after).into_string();
        assert!(html.contains("removed: </span>line 10<"), "{html}");
        assert!(html.contains("added: </span>line ten<"), "{html}");
        assert!(html.contains("line 7<") && !html.contains("line 6<") && !html.contains("line 14<"), "{html}");
        assert!(texts("a", "a").into_string().contains("No changes"));
    }

    #[test]
    fn values_are_compared_field_by_field() {
        let html = values(Some(&json!({"a": 1, "b": "<x>"})), Some(&json!({"a": 2, "b": "<x>"}))).into_string();
        assert!(html.contains("&quot;a&quot;: 1,") && html.contains("&quot;a&quot;: 2,"), "{html}");
        assert!(!html.contains("<x>"));
        assert!(values(None, Some(&json!(1))).into_string().contains("added: </span>1"));
    }
}
