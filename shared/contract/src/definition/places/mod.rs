//! The places of fields in the text of a file, so that problems contain line numbers.

mod place;
mod scalar;

pub use place::Place;

use super::document::{Node, parse};
use serde_saphyr::Spanned;
use std::collections::HashMap;

/// The places of one document's fields, by the paths in problems, such as `steps[0].http.url`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    fields: HashMap<String, Place>,
    values: HashMap<String, Place>,
}

impl Places {
    /// Returns the places of every document of a text, in the order of [`documents`](super::documents). Empty for a text that is not YAML.
    #[must_use]
    pub fn of_documents(text: &str) -> Vec<Self> {
        let mut places = Vec::new();
        for tree in parse(text).unwrap_or_default() {
            let mut found = Self::default();
            put(&mut found.fields, "", &tree);
            put(&mut found.values, "", &tree);
            found.collect("", tree.value);
            places.push(found);
        }
        places
    }

    /// Returns the place of the field at `path`, or of the innermost existing field around it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Place> {
        innermost(&self.fields, path)
    }

    /// Returns the place in the file of `line` and `column` of the text `scalar`, which is the value at `path` (or of the innermost
    /// existing field around it) of the document in `file`. Both count from 1, in characters. `None` if it is unknown, as for an alias.
    #[must_use]
    pub fn inside(&self, file: &str, path: &str, scalar: &str, line: usize, column: usize) -> Option<Place> {
        scalar::place_of(file, innermost(&self.values, path)?, scalar, line, column)
    }

    fn collect(&mut self, path: &str, node: Node) {
        match node {
            Node::Null | Node::Bool(_) | Node::Number | Node::Text(_) => {}
            Node::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    put(&mut self.fields, &path, &item);
                    put(&mut self.values, &path, &item);
                    self.collect(&path, item.value);
                }
            }
            Node::Object(entries) => {
                for (name, value) in entries {
                    let path = if path.is_empty() { name.value.clone() } else { format!("{path}.{}", name.value) };
                    put(&mut self.fields, &path, &name);
                    put(&mut self.values, &path, &value);
                    self.collect(&path, value.value);
                }
            }
        }
    }
}

fn put<T>(places: &mut HashMap<String, Place>, path: &str, spanned: &Spanned<T>) {
    let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
    if line > 0 {
        places.insert(path.to_owned(), Place { line, column });
    }
}

fn innermost(places: &HashMap<String, Place>, path: &str) -> Option<Place> {
    let mut path = path;
    loop {
        if let Some(place) = places.get(path) {
            return Some(*place);
        }
        if path.is_empty() {
            return None;
        }
        path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &Places, path: &str) -> u64 {
        places.find(path).unwrap().line
    }

    #[test]
    fn a_field_is_found_in_its_document_and_an_absent_one_in_what_is_around_it() {
        let text = "# one\ntenant: t\nsteps:\n  - id: a\n    set: '1'\n  - { id: b,\n      http: { url: x } }\n---\n---\ntenant: u\ninput: |\n  .a\n  .b\nlast: ~\n";
        let places = Places::of_documents(text);
        assert_eq!(places.len(), 2);
        let cases =
            [("tenant", 2), ("steps", 3), ("steps[0]", 4), ("steps[0].set", 5), ("steps[1].http.url", 7), ("steps[1].http.body", 7)];
        for (path, expected) in cases {
            assert_eq!(line(&places[0], path), expected, "{path}");
        }
        assert_eq!(line(&places[0], "name"), 2, "the document begins there");
        assert_eq!((line(&places[1], "tenant"), line(&places[1], "input"), line(&places[1], "last")), (10, 11, 14));
        assert_eq!(Places::of_documents("a: [").len(), 0);
        assert_eq!(line(&Places::of_documents("{\n\"a\": {\n\"b\": 1}}")[0], "a.b"), 3);
    }
}
