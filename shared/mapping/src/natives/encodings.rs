//! Texts and bytes in Base64, hexadecimal, URLs and charsets.
//!
//! Bytes are the UTF-8 of a string, or an object with `base64`, the form of `.body` and of files in forms.

use std::borrow::Cow;

use data_encoding::{BASE32, BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use forebay_contract::body::Charset;
use jaq_core::native::v;
use jaq_core::{Error, ValR};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Function;
use super::arguments::{failed, misfit, nullary, text, unary};
use crate::meter::{foresee, reserve};
use crate::value::{Value, described};

/// All characters except the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("to_base64", v(0), |cv| nullary(cv, |value| encoded(&BASE64, &bytes_of("to_base64", value)?))),
        ("to_base64", v(1), |cv| unary(cv, |value, charset| to_charset("to_base64", value, charset))),
        ("from_base64", v(0), |cv| nullary(cv, |value| from_charset("from_base64", value, &Value::from("utf-8")))),
        ("from_base64", v(1), |cv| unary(cv, |value, charset| from_charset("from_base64", value, charset))),
        ("to_base64url", v(0), |cv| nullary(cv, |value| encoded(&BASE64URL_NOPAD, &bytes_of("to_base64url", value)?))),
        ("from_base64url", v(0), |cv| nullary(cv, from_base64url)),
        ("to_base32", v(0), |cv| nullary(cv, |value| encoded(&BASE32, &bytes_of("@base32", value)?))),
        ("base32_text", v(0), |cv| nullary(cv, base32_text)),
        ("base64_text", v(0), |cv| nullary(cv, |value| utf8("@base64d", base64_bytes("@base64d", text("@base64d", "a string", value)?)?))),
        ("to_hex", v(0), |cv| nullary(cv, |value| encoded(&HEXLOWER, &bytes_of("to_hex", value)?))),
        ("from_hex", v(0), |cv| nullary(cv, from_hex)),
        ("url_encode", v(0), |cv| nullary(cv, url_encode)),
        ("url_decode", v(0), |cv| nullary(cv, url_decode)),
        ("uri_text", v(0), |cv| nullary(cv, uri_text)),
        ("implode", v(0), |cv| nullary(cv, implode)),
        ("encode_charset", v(1), |cv| unary(cv, |value, charset| to_charset("encode_charset", value, charset))),
        ("decode_charset", v(1), |cv| unary(cv, |value, charset| from_charset("decode_charset", value, charset))),
    ]
}

/// Returns the bytes of a value.
pub(super) fn bytes_of<'v>(function: &str, value: &'v Value) -> Result<Cow<'v, [u8]>, Error<Value>> {
    if let Some(text) = value.as_str() {
        foresee(text.len());
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    match value.get("base64").and_then(Value::as_str) {
        Some(base64) => base64_bytes(function, base64).map(Cow::Owned),
        None => Err(misfit(function, "a string or an object with `base64`", value)),
    }
}

/// Decodes Base64 with or without padding; line breaks, as in emails, are skipped.
fn base64_bytes(function: &str, base64: &str) -> Result<Vec<u8>, Error<Value>> {
    foresee(base64.len());
    reserve(2 * base64.len());
    let compact: Cow<'_, str> = if base64.bytes().any(|byte| byte.is_ascii_whitespace()) {
        base64.split_ascii_whitespace().collect::<String>().into()
    } else {
        base64.into()
    };
    BASE64_NOPAD.decode(compact.trim_end_matches('=').as_bytes()).map_err(|error| failed(function, format_args!("no Base64: {error}")))
}

pub(super) fn encoded(encoding: &Encoding, bytes: &[u8]) -> ValR<Value> {
    foresee(bytes.len());
    reserve(2 * bytes.len());
    Ok(Value::string(encoding.encode(bytes)))
}

pub(super) fn charset(function: &str, name: &Value) -> Result<Charset, Error<Value>> {
    Charset::named(text(function, "the name of a charset", name)?).map_err(|error| failed(function, error))
}

/// Returns the Base64 of a text in a charset.
fn to_charset(function: &str, value: &Value, name: &Value) -> ValR<Value> {
    let text = text(function, "a string", value)?;
    let charset = charset(function, name)?;
    foresee(text.len());
    reserve(2 * text.len());
    let bytes = charset.encode(text);
    let bytes = bytes.map_err(|character| failed(function, format_args!("the character '{character}' is not in {}", charset.name())))?;
    encoded(&BASE64, &bytes)
}

/// Decodes Base64, or an object with it, as text in a charset.
fn from_charset(function: &str, value: &Value, name: &Value) -> ValR<Value> {
    let charset = charset(function, name)?;
    let base64 = value.as_str().or_else(|| value.get("base64").and_then(Value::as_str));
    let base64 = base64.ok_or_else(|| misfit(function, "a string or an object with `base64`", value))?;
    let bytes = base64_bytes(function, base64)?;
    foresee(bytes.len());
    reserve(2 * bytes.len());
    let text = charset.decode("text", &bytes).map_err(|_| {
        let hint = format_args!("name the right one, as in {function}(\"windows-1252\")");
        failed(function, format_args!("the bytes are not {}; {hint}", charset.name()))
    })?;
    Ok(Value::string(text))
}

fn from_base64url(value: &Value) -> ValR<Value> {
    let base64 = text("from_base64url", "a string", value)?.trim_end_matches('=');
    foresee(base64.len());
    reserve(base64.len());
    let bytes =
        BASE64URL_NOPAD.decode(base64.as_bytes()).map_err(|error| failed("from_base64url", format_args!("no base64url: {error}")))?;
    utf8("from_base64url", bytes)
}

/// Decodes Base32 with or without padding (RFC 4648, section 6).
fn base32_text(value: &Value) -> ValR<Value> {
    let base32 = text("@base32d", "a string", value)?.trim_end_matches('=');
    foresee(base32.len());
    reserve(base32.len());
    let bytes = BASE32_NOPAD.decode(base32.as_bytes()).map_err(|error| failed("@base32d", format_args!("no Base32: {error}")))?;
    utf8("@base32d", bytes)
}

fn from_hex(value: &Value) -> ValR<Value> {
    let hex = text("from_hex", "a string", value)?;
    foresee(hex.len());
    reserve(hex.len());
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|error| failed("from_hex", format_args!("no hexadecimal: {error}")))?;
    utf8("from_hex", bytes)
}

fn url_encode(value: &Value) -> ValR<Value> {
    let text = value.scalar_text().ok_or_else(|| misfit("url_encode", "a string, number or boolean", value))?;
    foresee(text.len());
    reserve(3 * text.len());
    Ok(Value::string(utf8_percent_encode(&text, ENCODED).to_string()))
}

/// Decodes percent-encoding. A `+` is unchanged: it is a blank only in forms, see `from_form`.
fn url_decode(value: &Value) -> ValR<Value> {
    let text = text("url_decode", "a string", value)?;
    foresee(text.len());
    reserve(text.len());
    utf8("url_decode", percent_decode_str(text).collect())
}

/// Decodes percent-encoding as [`url_decode`] does, but a `%` that begins no byte is an error.
fn uri_text(value: &Value) -> ValR<Value> {
    let written = text("@urid", "a string", value)?;
    foresee(written.len());
    let is_byte = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if let Some(place) = written.match_indices('%').map(|(at, _)| at).find(|at| !is_byte(&written[at + 1..])) {
        return Err(failed("@urid", format_args!("the `%` at byte {place} is not followed by two hexadecimal digits")));
    }
    reserve(written.len());
    utf8("@urid", percent_decode_str(written).collect())
}

/// Returns the text of code points. jaq treats negative ones as bytes, which may not be text, and jq writes U+FFFD for invalid ones.
fn implode(value: &Value) -> ValR<Value> {
    let points = value.as_array().ok_or_else(|| misfit("implode", "an array of code points", value))?;
    foresee(4 * points.len());
    reserve(4 * points.len());
    let character = |point: &Value| {
        let character = point.as_i64().and_then(|point| u32::try_from(point).ok()).and_then(char::from_u32);
        character.ok_or_else(|| failed("implode", format_args!("{} is no code point of a character", described(point))))
    };
    points.iter().map(character).collect::<Result<String, _>>().map(Value::string)
}

fn utf8(function: &str, bytes: Vec<u8>) -> ValR<Value> {
    String::from_utf8(bytes).map(Value::string).map_err(|_| failed(function, "the bytes are not UTF-8"))
}
