//! Writes fields of a form into the text of a definition: the lines of a changed field are replaced, and all others stay as their author
//! wrote them, including comments.

use forebay_contract::definition::{Place, Places, documents, to_yaml};
use serde_json::{Map, Value};
use std::ops::Range;

/// The order of top-level fields, by which new ones are inserted.
const ORDER: [&str; 13] = [
    "tenant",
    "name",
    "description",
    "enabled",
    "label",
    "trigger",
    "retry",
    "on_failure",
    "diagnostics",
    "input",
    "steps",
    "respond",
    "connection",
];

/// A text after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The whole new text.
    pub(crate) source: String,
    /// The fields whose comments were lost, because their lines were replaced; empty: none.
    pub(crate) lost: Vec<String>,
}

/// Writes top-level fields: `None` removes one. A field with the same value is not changed, also within a field that changes.
///
/// # Errors
/// The text cannot be changed: it is not one YAML document with fields.
pub(crate) fn with_fields(source: &str, changes: &[(&str, Option<Value>)]) -> Result<Edited, String> {
    let mut edited = Edited { source: source.to_owned(), lost: Vec::new() };
    for (name, value) in changes {
        let before = fields(&edited.source)?;
        let mut after = before.clone();
        set(&mut after, std::slice::from_ref(&(*name).to_owned()), value.as_ref());
        let mut paths = Vec::new();
        differing(&mut vec![(*name).to_owned()], before.get(*name), value.as_ref(), &mut paths);
        for path in paths {
            edited = with_path(edited, &path, &after)?;
        }
    }
    Ok(edited)
}

/// Returns the document of a text; `None` if the text contains none, or several, or is not YAML.
pub(crate) fn document(source: &str) -> Option<Value> {
    let mut read = documents(source).ok()?;
    let only = read.pop()?;
    read.is_empty().then_some(only)
}

fn fields(source: &str) -> Result<Map<String, Value>, String> {
    let mut read = documents(source).map_err(|error| error.to_string())?;
    match (read.len(), read.pop()) {
        (0, _) => Ok(Map::new()),
        (1, Some(Value::Object(fields))) => Ok(fields),
        (1, _) => Err("the text has no fields: begin with tenant, name and trigger".to_owned()),
        _ => Err("the text contains several documents: write one integration, and use a separate page for each".to_owned()),
    }
}

/// Collects the innermost fields that differ. A field that is added or removed counts as one, and so does one that is not an object before
/// or after.
fn differing(path: &mut Vec<String>, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Vec<String>>) {
    if before == after {
        return;
    }
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else { return found.push(path.clone()) };
    if before.is_empty() || after.is_empty() {
        return found.push(path.clone());
    }
    for name in after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))) {
        path.push(name.clone());
        differing(path, before.get(name), after.get(name), found);
        path.pop();
    }
}

fn at<'a>(fields: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(fields.get(first)?, |value, name| value.get(name))
}

fn set(fields: &mut Map<String, Value>, path: &[String], value: Option<&Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    match (rest.is_empty(), value) {
        (true, Some(value)) => {
            fields.insert(first.clone(), value.clone());
        }
        (true, None) => {
            fields.shift_remove(first);
        }
        (false, _) => {
            if let Some(Value::Object(inner)) = fields.get_mut(first) {
                set(inner, rest, value);
            }
        }
    }
}

/// Replaces the lines of the field, if it has lines of its own; otherwise those of a field around it; otherwise the whole text.
fn with_path(before: Edited, path: &[String], after: &Map<String, Value>) -> Result<Edited, String> {
    let document = fields(&before.source)?;
    for depth in (1..=path.len()).rev() {
        let (path, value) = (&path[..depth], at(after, &path[..depth]));
        if at(&document, path) == value {
            return Ok(before);
        }
        if let Some(edited) = with_lines(&before, &document, path, value) {
            return Ok(edited);
        }
    }
    Ok(rewritten(&before, after))
}

fn with_lines(before: &Edited, document: &Map<String, Value>, path: &[String], value: Option<&Value>) -> Option<Edited> {
    let (name, around) = path.split_last()?;
    let lines: Vec<&str> = before.source.lines().collect();
    let blocks = Blocks::find(&before.source, &lines, document, around)?;
    let existing = blocks.fields.iter().find(|block| block.name == *name);
    let (from, to) = existing.map_or_else(|| blocks.place_of(name, around.is_empty(), lines.len()), |block| (block.first, block.end));
    let mut written = value.map(|value| to_yaml(&Value::Object(Map::from_iter([(name.clone(), value.clone())])))).unwrap_or_default();
    let mut lost = before.lost.clone();
    match (&lines[from..to], written.trim_end().contains('\n')) {
        ([line], false) if value.is_some() && has_comment(line) && comment(line, blocks.column).is_some() => {
            written = format!("{} {}\n", written.trim_end(), comment(line, blocks.column).unwrap_or_default());
        }
        (lines, _) if lines.iter().any(|line| has_comment(line)) => {
            let path = path.join(".");
            if !lost.contains(&path) {
                lost.push(path);
            }
        }
        _ => {}
    }
    let indent = " ".repeat(blocks.column - 1);
    let mut source = String::new();
    let indented = written.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    let unchanged = |range: Range<usize>| lines[range].iter().map(|line| (*line).to_owned());
    for line in unchanged(0..from).chain(indented).chain(unchanged(to..lines.len())) {
        source.push_str(&line);
        source.push('\n');
    }
    let mut expected = document.clone();
    set(&mut expected, path, value);
    (fields(&source).ok()? == expected).then_some(Edited { source, lost })
}

/// Replaces a text whose fields do not have lines of their own, such as JSON.
fn rewritten(before: &Edited, after: &Map<String, Value>) -> Edited {
    let mut lost = before.lost.clone();
    if before.source.lines().any(has_comment) {
        lost.push("the whole text".to_owned());
    }
    Edited { source: to_yaml(&Value::Object(after.clone())), lost }
}

/// Returns true if a line may have a comment: a `#` within quotes counts too.
fn has_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') || line.contains(" #")
}

/// Returns the comment at the end of a field's only line: it can be removed without a change of the value.
fn comment(line: &str, column: usize) -> Option<&str> {
    let line = line.get(column - 1..)?;
    let whole = fields(line).ok()?;
    line.match_indices(" #")
        .map(|(place, _)| line.split_at(place))
        .find(|(field, _)| fields(field).is_ok_and(|read| read == whole))
        .map(|(_, comment)| comment.trim_start())
}

struct Block {
    name: String,
    /// The first line, including the comments above the field.
    begin: usize,
    /// The first line without comments.
    first: usize,
    /// The line after its last one.
    end: usize,
}

/// The fields of a mapping, each with lines of its own.
struct Blocks {
    fields: Vec<Block>,
    /// The column of the fields, from 1.
    column: usize,
}

impl Blocks {
    /// Finds the fields of the mapping at the path `around`. Returns `None` if fields share lines.
    fn find(source: &str, lines: &[&str], document: &Map<String, Value>, around: &[String]) -> Option<Self> {
        let places = Places::of_documents(source).into_iter().next().unwrap_or_default();
        let (mut mapping, mut prefix) = (document, String::new());
        let mut found = Self::of(&places, lines, mapping, &prefix, 0..lines.len())?;
        for name in around {
            let block = found.fields.iter().find(|block| block.name == *name)?;
            mapping = mapping.get(name)?.as_object().filter(|inner| !inner.is_empty())?;
            prefix.push_str(name);
            prefix.push('.');
            found = Self::of(&places, lines, mapping, &prefix, block.first + 1..block.end)?;
        }
        Some(found)
    }

    fn of(places: &Places, lines: &[&str], mapping: &Map<String, Value>, prefix: &str, region: Range<usize>) -> Option<Self> {
        let mut blocks: Vec<Block> = Vec::with_capacity(mapping.len());
        let mut column = 1;
        for name in mapping.keys() {
            let place: Place = places.find(&format!("{prefix}{name}"))?;
            let first = usize::try_from(place.line).ok()?.checked_sub(1).filter(|first| region.contains(first))?;
            let at = usize::try_from(place.column).ok()?;
            let is_first = blocks.is_empty();
            column = if is_first && !prefix.is_empty() { at } else { column };
            let stands_alone = lines[first].chars().take(at - 1).all(|letter| letter == ' ');
            if at != column || !stands_alone || blocks.last().is_some_and(|block| block.first >= first) {
                return None;
            }
            // The lines of a field must not overlap those of the field before: YAML also ends a line at a lone CR, so line numbers may
            // differ.
            let after = blocks.last().map_or(region.start, |block| block.first + 1);
            let above = lines[after..first].iter().rev().take_while(|line| is_comment(line, column)).count();
            blocks.push(Block { name: name.clone(), begin: first - above, first, end: region.end });
        }
        for index in 1..blocks.len() {
            blocks[index - 1].end = blocks[index].begin;
        }
        for block in &mut blocks {
            // Empty lines, and comments after them, belong to no field.
            while block.end > block.first + 1 && (lines[block.end - 1].trim().is_empty() || is_comment(lines[block.end - 1], column)) {
                block.end -= 1;
            }
        }
        Some(Self { fields: blocks, column })
    }

    /// Returns the lines between which a new field is inserted.
    fn place_of(&self, name: &str, is_top: bool, lines: usize) -> (usize, usize) {
        let rank = |name: &str| ORDER.iter().position(|field| *field == name).unwrap_or(ORDER.len());
        let next = self.fields.iter().position(|block| is_top && rank(&block.name) > rank(name));
        let place = match (next, self.fields.last()) {
            (Some(0), _) => self.fields[0].begin,
            (Some(next), _) => self.fields[next - 1].end,
            (None, Some(last)) if !is_top => last.end,
            (None, _) => lines,
        };
        (place, place)
    }
}

/// Returns true for a comment that is not part of a field in this column, such as a program of several lines.
fn is_comment(line: &str, column: usize) -> bool {
    let text = line.trim_start();
    text.starts_with('#') && line.len() - text.len() < column
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TEXT: &str = "# Orders of ACME\ntenant: t1\nname: Orders  # as in the contract\n\n# What starts it\ntrigger:\n  webhook:\n    methods: [POST]\n\n# The mapping\ninput: |\n  { a: .body.a } # jq\n\nsteps:\n  - id: a\n    set: '1' # one\n";

    fn edit(text: &str, changes: &[(&str, Option<Value>)]) -> Edited {
        with_fields(text, changes).unwrap()
    }

    #[test]
    fn only_the_lines_of_a_changed_field_are_replaced() {
        let edited = edit(TEXT, &[("trigger", Some(json!({"webhook": {"methods": ["POST"], "ordered": true}})))]);
        assert!(
            edited.source.starts_with("# Orders of ACME\ntenant: t1\nname: Orders  # as in the contract\n\n# What starts it\ntrigger:\n")
        );
        assert!(edited.source.ends_with("\n\n# The mapping\ninput: |\n  { a: .body.a } # jq\n\nsteps:\n  - id: a\n    set: '1' # one\n"));
        assert_eq!(documents(&edited.source).unwrap()[0]["trigger"]["webhook"]["ordered"], json!(true));
        assert_eq!(edited.lost, [] as [&str; 0]);
    }

    #[test]
    fn an_unchanged_value_does_not_change_the_text() {
        assert_eq!(edit(TEXT, &[("trigger", Some(json!({"webhook": {"methods": ["POST"]}}))), ("enabled", None)]).source, TEXT);
    }

    #[test]
    fn a_new_field_is_inserted_in_order_and_a_removed_field_leaves_the_rest() {
        let edited = edit(TEXT, &[("description", Some(json!("Orders"))), ("on_failure", Some(json!("halt"))), ("input", None)]);
        let lines: Vec<&str> = edited.source.lines().collect();
        assert_eq!(lines[3], "description: Orders", "{}", edited.source);
        let read = documents(&edited.source).unwrap().remove(0);
        assert_eq!((read["on_failure"].as_str(), read.get("input")), (Some("halt"), None));
        assert!(edited.source.contains("set: '1' # one"), "{}", edited.source);
    }

    #[test]
    fn fields_with_lost_comments_are_reported() {
        let text = "tenant: t\nname: n\ntrigger: { # for the portal\n  webhook: {} }\n";
        let edited = edit(text, &[("trigger", Some(json!({"schedule": {"every": "15m"}})))]);
        assert_eq!(edited.lost, ["trigger"]);
        let edited = edit("{\"tenant\": \"t\", \"name\": \"n\"}", &[("enabled", Some(json!(false)))]);
        assert_eq!(documents(&edited.source).unwrap()[0], json!({"tenant": "t", "name": "n", "enabled": false}));
    }

    #[test]
    fn comments_inside_of_a_field_stay_where_another_part_of_it_changes() {
        let text = "tenant: t\nname: n\ntrigger:\n  # for the portal\n  webhook:\n    methods: [POST]  # no GET\n    # only theirs\n    query:\n      # the site\n      site: { type: integer } # of ours\n\n# The rest\nsteps: []\n";
        let changed = json!({"webhook": {"methods": ["POST", "PUT"], "query": {"site": {"type": "integer"}}, "ordered": true}});
        let edited = edit(text, &[("trigger", Some(changed))]);
        let expected = text
            .replace("    methods: [POST]  # no GET\n", "    methods:\n    - POST\n    - PUT\n")
            .replace("# of ours\n", "# of ours\n    ordered: true\n");
        assert_eq!((edited.source, edited.lost), (expected, vec!["trigger.webhook.methods".to_owned()]));
        let edited = edit(text, &[("name", Some(json!("m"))), ("trigger", Some(json!({"webhook": {"methods": ["POST"]}})))]);
        assert_eq!(
            edited.source,
            "tenant: t\nname: m\ntrigger:\n  # for the portal\n  webhook:\n    methods: [POST]  # no GET\n    # only theirs\n\n# The rest\nsteps: []\n"
        );
        let edited = edit(TEXT, &[("name", Some(json!("Orders2")))]);
        assert!(edited.source.contains("name: Orders2 # as in the contract\n") && edited.lost.is_empty(), "{edited:?}");
    }

    #[test]
    fn a_program_of_several_lines_stays_readable() {
        let edited = edit(TEXT, &[("input", Some(json!("{\n  a: .body.a,\n  b: 1\n}\n")))]);
        assert!(edited.source.contains("input: |\n"), "{}", edited.source);
        assert!(with_fields("a: [", &[("b", Some(json!(1)))]).is_err());
        assert!(with_fields("a: 1\n---\nb: 1\n", &[("b", Some(json!(1)))]).is_err());
    }

    /// YAML also ends a line at a CR, so its line numbers differ from those of the text.
    #[test]
    fn a_text_with_other_ends_of_lines_is_changed_as_others() {
        for text in [
            "a: 1\rb: 2\r\n# c\n# d\n# e\n",
            "# a\r# b\ra: 1\n# c\nb: 2\n# d\n# e\n",
            "# y\r# z\r# w\ra: 1\nb: 2\n# c\n# d\n# e\n",
            "a: 1\r\r# x\nb:\n  c: 1\r  d: 2\n# y\n# z\n",
        ] {
            for name in ["a", "b", "e"] {
                for value in [None, Some(json!(3)), Some(json!({"c": 2}))] {
                    let mut expected = fields(text).unwrap();
                    set(&mut expected, &[name.to_owned()], value.as_ref());
                    assert_eq!(fields(&edit(text, &[(name, value)]).source).unwrap(), expected, "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_in_a_panic(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "tenant: t", "trigger:", "a:", "b: 1", "c: {d: 1}", "- 1", "#", " # ö", "\n", "\n", "\n", "\r", "\r\n", "  ", " ", "\t", "\u{85}", "\u{2028}", "# c\n", "# c\n# d\n# e\n", "# y\r# z\r",
                "? ", ": ", "|", "'", "ö", "\u{feff}", "&x ", "*x", "---",
            ]), 0..24),
            name in "(tenant|trigger|a|b|c)",
        ) {
            let text = pieces.concat();
            for value in [None, Some(json!(2)), Some(json!({"d": 2, "a": {"b": 1}}))] {
                let Ok(before) = fields(&text) else { continue };
                let mut expected = before.clone();
                set(&mut expected, std::slice::from_ref(&name), value.as_ref());
                let edited = with_fields(&text, &[(&name, value)]);
                let read = edited.map(|edited| fields(&edited.source));
                prop_assert_eq!(read, Ok(Ok(expected)), "{:?}", text);
            }
        }
    }
}
