//! Conversion between form fields (`application/x-www-form-urlencoded`) and objects.

use super::place::{Misfit, Place, Step};
use super::{Grouped, push};
use crate::{Value, reserve, tick};
use forebay_contract::body::{BodyError, Charset, FormFields};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that the WHATWG URL Standard does not encode in a form, besides letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Reads form fields as texts; a repeated field is an array of its values in order.
///
/// # Errors
/// Those of [`FormFields`]: bytes that are not valid in the charset, and an unknown charset.
pub(crate) fn read_form(bytes: &[u8], charset: Option<Charset>) -> Result<Value, BodyError> {
    let mut fields = Grouped::default();
    for field in FormFields::new(bytes, charset)? {
        let (name, value) = field?;
        tick(4);
        reserve(2 * (name.len() + value.len()));
        fields.add(&name, Value::string(value));
    }
    Ok(Value::object(fields.into_members()))
}

/// Writes an object as a form: an array repeats its field, and null leaves it out.
///
/// # Errors
/// A value that is not an object, or a member that is not a text, number, boolean or null.
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
