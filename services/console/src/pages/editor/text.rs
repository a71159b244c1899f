//! Puts fields of a form into the text of a definition: the lines of a field that changed are written anew, all others stay as their author
//! wrote them, comments included.

use forebay_contract::definition::{Place, Places, documents, to_yaml};
use serde_json::{Map, Value};

/// The order in which a new field finds its place.
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
    /// The fields whose comments are gone, since they were written anew; empty: nothing is lost.
    pub(crate) lost: Vec<String>,
}

/// Writes top-level fields: `None` takes one away. What has the same value already is not touched.
///
/// # Errors
/// Why the text cannot be changed: it is not one YAML document with fields.
pub(crate) fn with_fields(source: &str, changes: &[(&str, Option<Value>)]) -> Result<Edited, String> {
    let mut edited = Edited { source: source.to_owned(), lost: Vec::new() };
    for (name, value) in changes {
        let fields = fields(&edited.source)?;
        if fields.get(*name) == value.as_ref() {
            continue;
        }
        edited = with_field(&edited, &fields, name, value.as_ref());
    }
    Ok(edited)
}

fn fields(source: &str) -> Result<Map<String, Value>, String> {
    let mut read = documents(source).map_err(|error| error.to_string())?;
    match (read.len(), read.pop()) {
        (0, _) => Ok(Map::new()),
        (1, Some(Value::Object(fields))) => Ok(fields),
        (1, _) => Err("the text is no mapping of fields".to_owned()),
        _ => Err("the text holds more than one document; each integration has a page of its own".to_owned()),
    }
}

fn with_field(before: &Edited, fields: &Map<String, Value>, name: &str, value: Option<&Value>) -> Edited {
    let written = value.map(|value| to_yaml(&Value::Object(Map::from_iter([(name.to_owned(), value.clone())])))).unwrap_or_default();
    let Some(blocks) = blocks(&before.source, fields) else { return written_anew(before, fields, name, value) };
    let lines: Vec<&str> = before.source.lines().collect();
    let known = blocks.iter().find(|block| block.name == name);
    let (from, to) = match known {
        Some(block) => (block.first, block.end),
        None => {
            let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
            let next = blocks.iter().position(|block| rank(&block.name) > rank(name));
            let at = match next {
                None => lines.len(),
                Some(0) => blocks[0].begin,
                Some(next) => blocks[next - 1].end,
            };
            (at, at)
        }
    };
    let mut lost = before.lost.clone();
    if lines[from..to].iter().any(|line| has_comment(line)) && !lost.iter().any(|known| known == name) {
        lost.push(name.to_owned());
    }
    let mut source = String::new();
    for line in lines[..from].iter().copied().chain(written.lines()).chain(lines[to..].iter().copied()) {
        source.push_str(line);
        source.push('\n');
    }
    let means_it = documents(&source).is_ok_and(|read| read.first().is_some_and(|read| read.get(name) == value));
    if means_it { Edited { source, lost } } else { written_anew(before, fields, name, value) }
}

/// For a text whose fields do not stand on lines of their own, such as JSON.
fn written_anew(before: &Edited, fields: &Map<String, Value>, name: &str, value: Option<&Value>) -> Edited {
    let mut fields = fields.clone();
    match value {
        Some(value) => fields.insert(name.to_owned(), value.clone()),
        None => fields.shift_remove(name),
    };
    let mut lost = before.lost.clone();
    if before.source.lines().any(has_comment) {
        lost.push("the whole text".to_owned());
    }
    Edited { source: to_yaml(&Value::Object(fields)), lost }
}

/// Rough on the careful side: a `#` in a text between quotes counts too.
fn has_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') || line.contains(" #")
}

struct Block {
    name: String,
    /// With the comments above the field.
    begin: usize,
    /// The field's own first line.
    first: usize,
    /// After its last line.
    end: usize,
}

/// The lines of each top-level field; `None` where fields share lines.
fn blocks(source: &str, fields: &Map<String, Value>) -> Option<Vec<Block>> {
    let places = Places::of_documents(source).into_iter().next().unwrap_or_default();
    let lines: Vec<&str> = source.lines().collect();
    let mut blocks: Vec<Block> = Vec::with_capacity(fields.len());
    for name in fields.keys() {
        let Place { line, column } = places.find(name)?;
        let first = usize::try_from(line).ok()?.checked_sub(1)?;
        if column != 1 || blocks.last().is_some_and(|block| block.first >= first) {
            return None;
        }
        let begin = first - lines[..first].iter().rev().take_while(|line| line.starts_with('#')).count();
        blocks.push(Block { name: name.clone(), begin, first, end: lines.len() });
    }
    for index in 1..blocks.len() {
        blocks[index - 1].end = blocks[index].begin;
    }
    for block in &mut blocks {
        // Empty lines, and the comments after them, stand between fields.
        while block.end > block.first + 1 && lines[block.end - 1].trim().is_empty() {
            block.end -= 1;
        }
    }
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "# Orders of ACME\ntenant: t1\nname: Orders  # as in the contract\n\n# What starts it\ntrigger:\n  webhook:\n    methods: [POST]\n\n# The mapping\ninput: |\n  { a: .body.a } # jq\n\nsteps:\n  - id: a\n    set: '1' # one\n";

    fn edit(text: &str, changes: &[(&str, Option<Value>)]) -> Edited {
        with_fields(text, changes).unwrap()
    }

    #[test]
    fn only_the_lines_of_what_changed_are_written_anew() {
        let edited = edit(TEXT, &[("trigger", Some(json!({"webhook": {"methods": ["POST"], "ordered": true}})))]);
        assert!(
            edited.source.starts_with("# Orders of ACME\ntenant: t1\nname: Orders  # as in the contract\n\n# What starts it\ntrigger:\n")
        );
        assert!(edited.source.ends_with("\n\n# The mapping\ninput: |\n  { a: .body.a } # jq\n\nsteps:\n  - id: a\n    set: '1' # one\n"));
        assert_eq!(documents(&edited.source).unwrap()[0]["trigger"]["webhook"]["ordered"], json!(true));
        assert_eq!(edited.lost, [] as [&str; 0]);
    }

    #[test]
    fn nothing_is_touched_where_the_value_is_the_same() {
        assert_eq!(edit(TEXT, &[("trigger", Some(json!({"webhook": {"methods": ["POST"]}}))), ("enabled", None)]).source, TEXT);
    }

    #[test]
    fn a_new_field_finds_its_place_and_one_that_goes_leaves_the_rest() {
        let edited = edit(TEXT, &[("description", Some(json!("Orders"))), ("on_failure", Some(json!("halt"))), ("input", None)]);
        let lines: Vec<&str> = edited.source.lines().collect();
        assert_eq!(lines[3], "description: Orders", "{}", edited.source);
        let read = documents(&edited.source).unwrap().remove(0);
        assert_eq!((read["on_failure"].as_str(), read.get("input")), (Some("halt"), None));
        assert!(edited.source.contains("set: '1' # one"), "{}", edited.source);
    }

    #[test]
    fn what_is_lost_is_said() {
        let text = "tenant: t\nname: n\ntrigger:\n  # for the portal\n  webhook: {}\n";
        let edited = edit(text, &[("trigger", Some(json!({"schedule": {"every": "15m"}})))]);
        assert_eq!(edited.lost, ["trigger"]);
        let edited = edit("{\"tenant\": \"t\", \"name\": \"n\"}", &[("enabled", Some(json!(false)))]);
        assert_eq!(documents(&edited.source).unwrap()[0], json!({"tenant": "t", "name": "n", "enabled": false}));
    }

    #[test]
    fn a_program_of_several_lines_stays_readable() {
        let edited = edit(TEXT, &[("input", Some(json!("{\n  a: .body.a,\n  b: 1\n}\n")))]);
        assert!(edited.source.contains("input: |\n"), "{}", edited.source);
        assert!(with_fields("a: [", &[("b", Some(json!(1)))]).is_err());
        assert!(with_fields("a: 1\n---\nb: 1\n", &[("b", Some(json!(1)))]).is_err());
    }
}
