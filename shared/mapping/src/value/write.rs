//! Writes values as JSON text.

use std::borrow::Cow;

use super::order::is_nan;
use super::{Num, Repr, Value};
use crate::meter::{reserve, tick};

/// Maximum bytes of a value in a message, approximately.
const SHORTENED_BYTES: usize = 120;

/// Bytes of a string that are written, or read, between two checks of the meter.
pub(super) const CHUNK_BYTES: usize = 4096;

/// Returns `value` as compact JSON in UTF-8.
///
/// It is always valid JSON: nan is written as `null` and the infinities as the largest float, as in jq. A float without a fraction is
/// written as an integer up to 1e17, as in jq: `10 / 2` is `5`. A number that was not used in arithmetic keeps its digits.
pub fn to_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write(value, &mut out, usize::MAX);
    out
}

/// Returns the result of `tostring`: a string unchanged, everything else as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => String::from_utf8(to_json(value)).unwrap_or_default(),
    }
}

/// Returns the beginning of `value` as JSON, for messages: a value may be large, and a shared value enormous.
pub(crate) fn shortened(value: &Value) -> String {
    let mut out = Vec::new();
    if write(value, &mut out, SHORTENED_BYTES) {
        return String::from_utf8_lossy(&out).into_owned();
    }
    let text = String::from_utf8_lossy(&out);
    let end = text.char_indices().map(|(start, _)| start).take_while(|start| *start <= SHORTENED_BYTES).last().unwrap_or(0);
    format!("{}...", &text[..end])
}

/// Writes `value`, and stops soon after `most` bytes. Returns false if it was cut.
fn write(value: &Value, out: &mut Vec<u8>, max: usize) -> bool {
    tick(1);
    match &value.repr {
        Repr::Null => out.extend_from_slice(b"null"),
        Repr::Bool(true) => out.extend_from_slice(b"true"),
        Repr::Bool(false) => out.extend_from_slice(b"false"),
        Repr::Num(number) => write_number(number, out),
        Repr::Str(text) => return write_string(text, out, max),
        Repr::Arr(array) => {
            out.push(b'[');
            for (index, item) in array.items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write(item, out, max) || out.len() > max {
                    return false;
                }
            }
            out.push(b']');
        }
        Repr::Obj(object) => {
            out.push(b'{');
            for (index, (name, value)) in object.members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write_string(name, out, max) {
                    return false;
                }
                out.push(b':');
                if !write(value, out, max) || out.len() > max {
                    return false;
                }
            }
            out.push(b'}');
        }
    }
    if out.len() * 2 > out.capacity() && out.capacity() > 1 << 16 {
        // The text is about to double: ask the meter before.
        reserve(out.capacity() * 2);
    }
    true
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>, max: usize) -> bool {
    let whole = text.len() <= max;
    let text = if whole { text } else { &text[..floor_char_boundary(text, max)] };
    out.push(b'"');
    for chunk in text.as_bytes().chunks(CHUNK_BYTES) {
        if out.capacity() - out.len() < 6 * chunk.len() && text.len() > CHUNK_BYTES {
            reserve(2 * out.capacity());
        }
        tick(chunk.len() / 64);
        write_escaped(chunk, out);
    }
    if whole {
        out.push(b'"');
    }
    whole
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut written = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if !matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f) {
            continue;
        }
        out.extend_from_slice(&bytes[written..index]);
        written = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(*control)]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

fn floor_char_boundary(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

fn write_number(number: &Num, out: &mut Vec<u8>) {
    match number {
        Num::Dec(text) => out.extend_from_slice(text.as_bytes()),
        _ => out.extend_from_slice(number_text(number).as_deref().unwrap_or("null").as_bytes()),
    }
}

/// Returns `number` in the form of JSON; `None` for nan, which is written as null.
pub(super) fn number_text(number: &Num) -> Option<Cow<'_, str>> {
    Some(match number {
        Num::Dec(text) => Cow::Borrowed(text),
        Num::Float(_) if is_nan(number) => return None,
        Num::Float(float) => {
            let float = finite(*float).unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 1e17 {
                Cow::Owned((float as i64).to_string())
            } else {
                // The shortest digits that read back as the same float.
                Cow::Owned(serde_json::Number::from_f64(float).map(|number| number.to_string()).unwrap_or_default())
            }
        }
        Num::Int(_) | Num::BigInt(_) => Cow::Owned(number.to_string()),
    })
}

/// Returns `float` as JSON can represent it; `None` for nan.
fn finite(float: f64) -> Option<f64> {
    if float.is_nan() { None } else { Some(float.clamp(f64::MIN, f64::MAX)) }
}

/// Returns the bytes of `value` as JSON, without creating the text; it calls the meter and stops beyond `most`.
pub(crate) fn json_size(value: &Value, max: usize) -> usize {
    tick(1);
    match &value.repr {
        Repr::Null | Repr::Bool(_) => 5,
        Repr::Num(Num::Dec(text)) => text.len(),
        Repr::Num(Num::BigInt(integer)) => (integer.bits() / 3) as usize + 2,
        Repr::Num(_) => 20,
        Repr::Str(text) => text.len() + 2,
        Repr::Arr(array) => sum(array.items.iter(), max),
        Repr::Obj(object) => {
            let names: usize = object.members.keys().map(|name| name.len() + 4).sum();
            names + sum(object.members.values(), max)
        }
    }
}

fn sum<'v>(values: impl Iterator<Item = &'v Value>, max: usize) -> usize {
    let mut size: usize = 2;
    for value in values {
        size = size.saturating_add(json_size(value, max) + 1);
        if size > max {
            break;
        }
    }
    size
}
