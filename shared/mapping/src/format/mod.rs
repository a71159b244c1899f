//! Conversion between values and texts in the formats of partners, for bodies and mappings.
//!
//! All functions call the meter of a mapping, so they run within [`metered`](crate::metered) if the text or the value comes from outside.

mod csv;
mod form;
mod multipart;
mod place;
mod xml;
mod xml_write;

#[cfg(test)]
mod tests;

pub(crate) use csv::{CsvWrite, Header, read_csv, write_csv};
pub(crate) use form::{read_form, write_form};
pub(crate) use multipart::{read_multipart, write_multipart};
pub(crate) use place::Misfit;
pub(crate) use xml::xml_value;
pub(crate) use xml_write::{XmlWrite, write_xml};

use crate::{Value, reserve, tick};

/// Appends to a text; the meter is asked before the text grows.
fn push(out: &mut String, part: &str) {
    tick(1 + part.len() / 64);
    if out.len() + part.len() > out.capacity() {
        reserve(2 * out.len() + part.len());
    }
    out.push_str(part);
}

/// Values by name, in the order of the first occurrence of a name; several values of one name become an array.
#[derive(Default)]
struct Grouped {
    groups: Vec<(String, Vec<Value>)>,
    /// Filled only if there are many names.
    places: std::collections::HashMap<String, usize>,
}

/// Maximum names that are searched one by one.
const FEW_NAMES: usize = 16;

impl Grouped {
    /// Adds a value, and returns the index of its name.
    fn add(&mut self, name: &str, value: Value) -> usize {
        if let Some(place) = self.place_of(name) {
            self.groups[place].1.push(value);
            return place;
        }
        let place = self.groups.len();
        self.groups.push((name.to_owned(), vec![value]));
        if self.groups.len() > FEW_NAMES {
            if self.places.is_empty() {
                self.places.extend(self.groups.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)));
            } else {
                self.places.insert(name.to_owned(), place);
            }
        }
        place
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        if self.places.is_empty() {
            return self.groups.iter().position(|(known, _)| known == name);
        }
        self.places.get(name).copied()
    }

    /// Returns the names with their values: a single value unchanged, several as an array.
    fn into_members(self) -> impl Iterator<Item = (String, Value)> {
        self.groups.into_iter().map(|(name, mut values)| match values.len() {
            1 => (name, values.remove(0)),
            _ => (name, Value::array(values)),
        })
    }
}
