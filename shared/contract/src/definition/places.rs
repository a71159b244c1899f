//! Where in the text of a file each field stands, so that a problem can name its line.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::collections::HashMap;
use std::fmt;

mod scalar;

/// The places of one document's fields, by the paths that problems name, such as `steps[0].http.url`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    fields: HashMap<String, Place>,
    values: HashMap<String, Place>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
}

impl Places {
    /// The places of every document of a text, as [`documents`](super::documents) counts them. Empty for a text that is no YAML.
    #[must_use]
    pub fn of_documents(text: &str) -> Vec<Self> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let trees = serde_saphyr::from_multiple_with_options::<Spanned<Tree>>(text, options).unwrap_or_default();
        let mut places = Vec::with_capacity(trees.len());
        for tree in trees {
            if matches!(tree.value, Tree::Null) {
                continue;
            }
            let mut found = Self::default();
            put(&mut found.fields, "", &tree);
            put(&mut found.values, "", &tree);
            found.collect("", tree.value);
            places.push(found);
        }
        places
    }

    /// The place of the field at `path`, or of the innermost one around it that is written.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Place> {
        innermost(&self.fields, path)
    }

    /// The place in the file of what stands at `line` and `column` of the text `scalar`, which is the value at `path` (or of the innermost
    /// field around it that is written) of the document in `file`. Both count from 1, in characters. `None` where it cannot be told, as for
    /// an alias.
    #[must_use]
    pub fn inside(&self, file: &str, path: &str, scalar: &str, line: usize, column: usize) -> Option<Place> {
        scalar::place_of(file, innermost(&self.values, path)?, scalar, line, column)
    }

    fn collect(&mut self, path: &str, tree: Tree) {
        match tree {
            Tree::Null | Tree::Scalar => {}
            Tree::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    put(&mut self.fields, &path, &item);
                    put(&mut self.values, &path, &item);
                    self.collect(&path, item.value);
                }
            }
            Tree::Object(entries) => {
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

/// What matters of a document's shape.
enum Tree {
    Null,
    Scalar,
    List(Vec<Spanned<Tree>>),
    Object(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element()? {
            read.push(item);
        }
        Ok(Tree::List(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut read = Vec::new();
        while let Some(name) = entries.next_key::<Spanned<String>>()? {
            read.push((name, entries.next_value()?));
        }
        // Drives the access to its end where a reader counts on it.
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tree::Object(read))
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
