//! Digests and identifiers.

use data_encoding::{BASE64, BASE64URL_NOPAD, Encoding, HEXLOWER};
use hmac::{Hmac, Mac};
use jaq_core::native::v;
use jaq_core::{Error, ValR};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::Function;
use super::arguments::{binary, failed, misfit, nullary, text, unary};
use super::encodings::{bytes_of, encoded};
use crate::meter::tick;
use crate::program::Metered;
use crate::value::{Value, described};

/// Bytes that are digested between two checks of the meter.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("md5", v(0), |cv| nullary(cv, |value| digest::<Md5>("md5", value, &Value::NULL))),
        ("md5", v(1), |cv| unary(cv, |value, encoding| digest::<Md5>("md5", value, encoding))),
        ("sha1", v(0), |cv| nullary(cv, |value| digest::<Sha1>("sha1", value, &Value::NULL))),
        ("sha1", v(1), |cv| unary(cv, |value, encoding| digest::<Sha1>("sha1", value, encoding))),
        ("sha256", v(0), |cv| nullary(cv, |value| digest::<Sha256>("sha256", value, &Value::NULL))),
        ("sha256", v(1), |cv| unary(cv, |value, encoding| digest::<Sha256>("sha256", value, encoding))),
        ("sha512", v(0), |cv| nullary(cv, |value| digest::<Sha512>("sha512", value, &Value::NULL))),
        ("sha512", v(1), |cv| unary(cv, |value, encoding| digest::<Sha512>("sha512", value, encoding))),
        ("hmac", v(2), |cv| binary(cv, |value, algorithm, key| hmac(value, algorithm, key, &Value::NULL))),
        ("hmac", v(3), hmac_encoded),
        ("uuid", v(0), |cv| nullary(cv, |_| Ok(Value::string(Uuid::new_v4().to_string())))),
        ("uuid_v5", v(1), |cv| unary(cv, |name, namespace| uuid_v5(namespace, name))),
        ("uuid_v5", v(2), |cv| binary(cv, |_, namespace, name| uuid_v5(namespace, name))),
    ]
}

/// Reads the encoding of a digest; null is hexadecimal.
fn encoding(function: &str, name: &Value) -> Result<Encoding, Error<Value>> {
    match (name.is_null(), name.as_str()) {
        (true, _) | (_, Some("hex")) => Ok(HEXLOWER),
        (_, Some("base64")) => Ok(BASE64),
        (_, Some("base64url")) => Ok(BASE64URL_NOPAD),
        _ => Err(failed(function, format_args!("a digest is written as \"hex\", \"base64\" or \"base64url\", not {}", described(name)))),
    }
}

fn digest<D: Digest>(function: &str, value: &Value, name: &Value) -> ValR<Value> {
    let encoding = encoding(function, name)?;
    let mut digest = D::new();
    for chunk in bytes_of(function, value)?.chunks(CHUNK_BYTES) {
        tick(1 + chunk.len() / 64);
        digest.update(chunk);
    }
    encoded(&encoding, &digest.finalize())
}

fn hmac_encoded<'a>(mut cv: jaq_core::Cv<'a, Metered>) -> jaq_core::ValXs<'a, Value> {
    let encoding = cv.0.pop_var();
    binary(cv, move |value, algorithm, key| hmac(value, algorithm, key, &encoding))
}

fn hmac(value: &Value, algorithm: &Value, key: &Value, name: &Value) -> ValR<Value> {
    let encoding = encoding("hmac", name)?;
    let message = bytes_of("hmac", value)?;
    let key = bytes_of("hmac", key)?;
    let tag = match algorithm.as_str() {
        Some("md5") => tag::<Hmac<Md5>>(&key, &message),
        Some("sha1") => tag::<Hmac<Sha1>>(&key, &message),
        Some("sha256") => tag::<Hmac<Sha256>>(&key, &message),
        Some("sha512") => tag::<Hmac<Sha512>>(&key, &message),
        _ => return Err(misfit("hmac", "\"md5\", \"sha1\", \"sha256\" or \"sha512\"", algorithm)),
    };
    encoded(&encoding, &tag)
}

fn tag<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    tick(key.len() / 64);
    // HMAC accepts a key of any length.
    let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Vec::new() };
    for chunk in message.chunks(CHUNK_BYTES) {
        tick(1 + chunk.len() / 64);
        mac.update(chunk);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Returns an id that is always the same for the same namespace and name (RFC 9562, section 5.5).
fn uuid_v5(namespace: &Value, name: &Value) -> ValR<Value> {
    let takes = "\"dns\", \"url\", \"oid\", \"x500\" or a UUID as the namespace";
    let namespace = match text("uuid_v5", takes, namespace)? {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        other => Uuid::parse_str(other).map_err(|_| misfit("uuid_v5", takes, namespace))?,
    };
    let name = name.scalar_text().ok_or_else(|| misfit("uuid_v5", "a string, number or boolean as the name", name))?;
    tick(name.len() / 64);
    Ok(Value::string(Uuid::new_v5(&namespace, name.as_bytes()).to_string()))
}
