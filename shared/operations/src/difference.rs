//! Differences between two documents, field by field, for people and programs.

use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};

/// Maximum characters of a value on one line.
const MAX_SHOWN_LENGTH: usize = 100;
/// Prefix of each line of a text that is compared.
const INDENT: &str = "    ";
/// Maximum lines of texts that are compared line by line: the cost is the product of their lengths.
const MAX_COMPARED_LINES: usize = 1000;

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Such as `trigger.webhook.methods`; a step is named by its id: `steps[price].set`.
    pub path: String,
    /// `None`: the field is new.
    pub before: Option<Value>,
    /// `None`: the field is removed.
    pub after: Option<Value>,
}

/// Returns every innermost field that differs, in the order of `after`, then the removed ones.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

impl Difference {
    /// Returns `path`, `before` and `after`, for programs.
    #[must_use]
    pub fn object(&self) -> Value {
        let mut object = Map::from_iter([("path".to_owned(), json!(self.path))]);
        object.extend(self.before.clone().map(|value| ("before".to_owned(), value)));
        object.extend(self.after.clone().map(|value| ("after".to_owned(), value)));
        Value::Object(object)
    }

    /// Reads the form of [`Self::object`].
    #[must_use]
    pub fn of_object(object: &Value) -> Self {
        let path = object["path"].as_str().unwrap_or_default().to_owned();
        Self { path, before: object.get("before").cloned(), after: object.get("after").cloned() }
    }

    /// Returns `path`, `+ path` or `- path`.
    pub fn short(&self) -> String {
        match (&self.before, &self.after) {
            (None, _) => format!("+ {}", self.path),
            (_, None) => format!("- {}", self.path),
            _ => self.path.clone(),
        }
    }

    /// Returns lines for people; texts of several lines are compared line by line.
    pub fn lines(&self) -> Vec<String> {
        match (&self.before, &self.after) {
            (None, Some(after)) => shown_whole('+', &self.path, after),
            (Some(before), None) => shown_whole('-', &self.path, before),
            (Some(Value::String(before)), Some(Value::String(after)))
                if before.trim_end().contains('\n') || after.trim_end().contains('\n') =>
            {
                let mut lines = vec![format!("~ {}:", self.path)];
                lines.extend(compare_lines(before, after));
                lines
            }
            (Some(before), Some(after)) => vec![format!("~ {}: {} -> {}", self.path, shown(before), shown(after))],
            (None, None) => Vec::new(),
        }
    }
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for name in after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, before.get(name), after.get(name), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => compare_lists(path, before, after, found),
        _ => found.push(Difference { path: path.to_owned(), before: before.cloned(), after: after.cloned() }),
    }
}

/// Compares lists. Steps are matched by their id, so that an inserted step is one difference and not a change of all steps after it.
fn compare_lists(path: &str, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let (Some(old), Some(new)) = (ids(before), ids(after)) else {
        if before.len() == after.len() && before.iter().chain(after).all(|item| item.is_object() || item.is_array()) {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}[{index}]"), Some(before), Some(after), found);
            }
        } else {
            let list = |items: &[Value]| Some(Value::Array(items.to_vec()));
            found.push(Difference { path: path.to_owned(), before: list(before), after: list(after) });
        }
        return;
    };
    let item = |list: &[&str], items: &[Value], id: &str| list.iter().position(|one| *one == id).map(|index| items[index].clone());
    for id in new.iter().chain(old.iter().filter(|id| !new.contains(*id))) {
        compare(&format!("{path}[{id}]"), item(&old, before, id).as_ref(), item(&new, after, id).as_ref(), found);
    }
    let common = |list: &[&str], other: &[&str]| list.iter().filter(|id| other.contains(*id)).map(|id| json!(id)).collect::<Vec<_>>();
    let (old_order, new_order) = (common(&old, &new), common(&new, &old));
    if old_order != new_order {
        let path = format!("{path} (order)");
        found.push(Difference { path, before: Some(old_order.into()), after: Some(new_order.into()) });
    }
}

/// Returns the ids of a list of objects that all have a unique one.
fn ids(items: &[Value]) -> Option<Vec<&str>> {
    let ids: Vec<&str> = items.iter().map(|item| item.get("id")?.as_str()).collect::<Option<_>>()?;
    let is_unique = ids.iter().enumerate().all(|(index, id)| !ids[..index].contains(id));
    is_unique.then_some(ids)
}

fn shown_whole(sign: char, path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.trim_end().contains('\n') => {
            let mut lines = vec![format!("{sign} {path}:")];
            lines.extend(text.lines().map(|line| format!("    {sign} {line}")));
            lines
        }
        Value::Object(fields) if !fields.is_empty() && shown(value).ends_with("...") => {
            let mut lines = vec![format!("{sign} {path}:")];
            for (name, value) in fields {
                lines.extend(shown_whole(sign, name, value).into_iter().map(|line| format!("    {line}")));
            }
            lines
        }
        value => vec![format!("{sign} {path}: {}", shown(value))],
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN_LENGTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns the lines in which two texts differ, with `- ` before removed and `+ ` before added ones: for texts that differ in comments
/// only.
#[must_use]
pub fn text_differences(before: &str, after: &str) -> Vec<String> {
    let lines = compare_lines(before.trim_end(), after.trim_end());
    let signed = lines.iter().filter_map(|line| line.get(INDENT.len()..)).filter(|line| line.starts_with(['-', '+']));
    signed.map(str::to_owned).collect()
}

/// Returns the lines of both texts: `-` removed, `+` added, and unchanged ones.
fn compare_lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let line = |sign: char, text: &str| format!("{INDENT}{sign} {text}");
    if old.len() > MAX_COMPARED_LINES || new.len() > MAX_COMPARED_LINES {
        return old.iter().map(|text| line('-', text)).chain(new.iter().map(|text| line('+', text))).collect();
    }
    let mut lines = Vec::new();
    for change in TextDiff::from_slices(&old, &new).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        lines.push(line(sign, change.value()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(before: Value, after: Value) -> Vec<String> {
        differences(&before, &after).iter().flat_map(Difference::lines).collect()
    }

    #[test]
    fn fields_are_added_changed_and_removed_by_their_path() {
        let before = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x", "same": {"e": 1}});
        let after = json!({"a": {"b": 2, "c": [1]}, "same": {"e": 1}, "f": {"g": true}});
        assert_eq!(lines(before, after), ["~ a.b: 1 -> 2", "~ a.c: [1,2] -> [1]", "+ f: {\"g\":true}", "- d: \"x\""]);
        assert_eq!(differences(&json!({"a": 1}), &json!({"a": 1})), []);
    }

    #[test]
    fn a_step_put_in_between_is_one_difference_and_a_new_order_is_told() {
        let step = |id: &str, set: &str| json!({"id": id, "set": set});
        let before = json!({"steps": [step("a", "1"), step("b", "2"), step("c", "3")]});
        let after = json!({"steps": [step("a", "1"), step("new", "9"), step("c", "3"), step("b", "4")]});
        let expected = [
            "+ steps[new]: {\"id\":\"new\",\"set\":\"9\"}",
            "~ steps[b].set: \"2\" -> \"4\"",
            "~ steps (order): [\"a\",\"b\",\"c\"] -> [\"a\",\"c\",\"b\"]",
        ];
        assert_eq!(lines(before, after), expected);
    }

    #[test]
    fn of_two_texts_only_the_lines_are_told_that_differ() {
        let text = "# one\nsteps:\n  - id: a\n";
        assert_eq!(text_differences(text, &text.replace("one", "two")), ["- # one", "+ # two"]);
        assert_eq!(text_differences(text, text.trim_end()), [] as [&str; 0]);
    }

    #[test]
    fn a_program_of_several_lines_is_compared_line_by_line() {
        let before = json!({"input": "{\n  a: .a,\n  b: .b\n}\n"});
        let after = json!({"input": "{\n  a: .a,\n  b: .c\n}\n"});
        assert_eq!(lines(before, after), ["~ input:", "      {", "        a: .a,", "    -   b: .b", "    +   b: .c", "      }"]);
    }
}
