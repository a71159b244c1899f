//! XML as JSON. The rule, in both directions:
//!
//! - A document is an object with one member, named as the root element: `<Order/>` is `{ "Order": null }`.
//! - An element with text only is a string; an empty one (`<a/>`, `<a></a>`) is null.
//! - An element with attributes or children is an object. An attribute is the member `@name`; text beside attributes or children is
//!   `#text`; a child is a member with its name. Several children of one name are an array.
//! - If the members in their order do not determine the order of the document (`a b a`, text around children), `#order` has the names of
//!   the children and texts one by one, `["a", "b", "a"]`. So the form of the other members never depends on the order.
//! - Names keep their prefixes, and `xmlns` is an attribute like others. All values are strings: XML has no numbers.
//! - Blank text between children is dropped; in an element with other text besides its children, it is kept. CDATA is text. Comments,
//!   processing instructions and the XML declaration are dropped.
//!
//! Reading a written document returns the same value, and writing a read value returns the same document except for dropped parts. When
//! writing, numbers and booleans become text, a null attribute is left out, an empty array is no element, `#cdata` is a CDATA section,
//! names in `#order` without a remaining value are skipped, and values that `#order` does not list follow at the end.

use super::{Grouped, push};
use crate::{Value, tick};
use forebay_contract::body::{XmlError, XmlEvents, read_xml};
use std::borrow::Cow;

/// Returns the value of an XML document.
///
/// # Errors
/// Text that is not well-formed, a DOCTYPE with declarations, or elements deeper than
/// [`MAX_XML_DEPTH`](forebay_contract::body::MAX_XML_DEPTH).
pub(crate) fn xml_value(text: &str) -> Result<Value, XmlError> {
    let mut tree = Tree { open: Vec::new(), root: Value::NULL };
    read_xml(text, &mut tree)?;
    Ok(tree.root)
}

/// The open elements, the outermost first.
struct Tree {
    open: Vec<Element>,
    root: Value,
}

#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<(String, Value)>,
    children: Grouped,
    /// The children and texts one by one.
    sequence: Vec<Piece>,
}

enum Piece {
    /// A child, by the index of its name in the group of children.
    Child(usize),
    Text(String),
}

impl XmlEvents for Tree {
    fn start(&mut self, name: &str) {
        tick(4);
        self.open.push(Element { name: name.to_owned(), ..Element::default() });
    }

    fn attribute(&mut self, name: &str, value: Cow<'_, str>) {
        tick(2 + value.len() / 64);
        if let Some(element) = self.open.last_mut() {
            element.attributes.push((format!("@{name}"), Value::string(value)));
        }
    }

    fn text(&mut self, text: &str) {
        let Some(element) = self.open.last_mut() else { return };
        // References and CDATA sections arrive as separate pieces.
        if let Some(Piece::Text(before)) = element.sequence.last_mut() {
            push(before, text);
        } else if !text.is_empty() {
            let mut piece = String::new();
            push(&mut piece, text);
            element.sequence.push(Piece::Text(piece));
        }
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        let name = element.name.clone();
        let value = element.into_value();
        match self.open.last_mut() {
            Some(parent) => {
                let place = parent.children.add(&name, value);
                parent.sequence.push(Piece::Child(place));
            }
            None => self.root = Value::object([(name, value)]),
        }
    }
}

impl Element {
    fn into_value(self) -> Value {
        tick(self.sequence.len());
        if self.children.groups.is_empty() {
            let text = self.sequence.into_iter().find_map(|piece| if let Piece::Text(text) = piece { Some(text) } else { None });
            let text = text.map(Value::string);
            if self.attributes.is_empty() {
                return text.unwrap_or(Value::NULL);
            }
            return Value::object(self.attributes.into_iter().chain(text.map(|text| ("#text".to_owned(), text))));
        }
        let is_mixed = self.sequence.iter().any(|piece| matches!(piece, Piece::Text(text) if !is_blank(text)));
        if is_mixed {
            return mixed_value(self.attributes, self.children, self.sequence);
        }
        let places: Vec<usize> =
            self.sequence.iter().filter_map(|piece| if let Piece::Child(place) = piece { Some(*place) } else { None }).collect();
        // Indexes follow the first occurrence, so equal names are adjacent exactly if indexes never decrease.
        let order = (!places.is_sorted()).then(|| order_of(&self.children, &places));
        members(self.attributes, self.children, order)
    }
}

/// Returns the value of an element with text, where `#text` is one of the names; otherwise the same as [`Element::into_value`].
fn mixed_value(attributes: Vec<(String, Value)>, children: Grouped, sequence: Vec<Piece>) -> Value {
    let mut values: Vec<_> = children.groups.into_iter().map(|(name, values)| (name, values.into_iter())).collect();
    let mut all = Grouped::default();
    let mut places = Vec::with_capacity(sequence.len());
    for piece in sequence {
        tick(1);
        places.push(match piece {
            Piece::Text(text) => all.add("#text", Value::string(text)),
            Piece::Child(place) => {
                let (name, values) = &mut values[place];
                all.add(name, values.next().unwrap_or_default())
            }
        });
    }
    let order = (!places.is_sorted()).then(|| order_of(&all, &places));
    members(attributes, all, order)
}

fn order_of(children: &Grouped, places: &[usize]) -> Value {
    let names: Vec<Value> = children.groups.iter().map(|(name, _)| Value::string(name.as_str())).collect();
    places.iter().map(|place| names[*place].clone()).collect()
}

fn members(attributes: Vec<(String, Value)>, children: Grouped, order: Option<Value>) -> Value {
    let order = order.map(|order| ("#order".to_owned(), order));
    Value::object(attributes.into_iter().chain(children.into_members()).chain(order))
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}
