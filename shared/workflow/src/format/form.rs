//! Form fields (`application/x-www-form-urlencoded`) as an object, and back.

use super::place::{Misfit, Place, Step};
use super::{Grouped, push};
use crate::mapping::{Value, reserve, tick};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What the WHATWG URL Standard leaves as it is in a form, beside letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Form fields as texts; a repeated field is an array of its values in order. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn read_form(text: &str) -> Value {
    let mut fields = Grouped::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        tick(4);
        reserve(2 * pair.len());
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        fields.add(&decoded(name), Value::string(decoded(value)));
    }
    Value::object(fields.into_members())
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The form of an object: an array repeats its field, and null leaves it out.
///
/// # Errors
/// No object, or a value that is no text, number, boolean or null.
pub(crate) fn write_form(value: &Value) -> Result<String, Misfit> {
    let mut place = Place::default();
    let members = value.entries().ok_or_else(|| place.misfit(format!("a form takes an object of fields, not {value}")))?;
    let mut out = String::new();
    for (name, member) in members {
        place.enter(Step::Name(name));
        let values = member.as_array().unwrap_or(std::slice::from_ref(member));
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_null()) {
            if member.as_array().is_some() {
                place.enter(Step::Index(index));
            }
            let text = value.scalar_text().ok_or_else(|| place.misfit(format!("a field is a text, number or boolean, not {value}")))?;
            if !out.is_empty() {
                push(&mut out, "&");
            }
            encode(name, &mut out);
            push(&mut out, "=");
            encode(&text, &mut out);
            if member.as_array().is_some() {
                place.leave();
            }
        }
        place.leave();
    }
    Ok(out)
}

fn encode(text: &str, out: &mut String) {
    for (index, word) in text.split(' ').enumerate() {
        push(out, if index > 0 { "+" } else { "" });
        utf8_percent_encode(word, ENCODED).for_each(|part| push(out, part));
    }
}
