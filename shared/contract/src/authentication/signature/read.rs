//! Reads `signature`: a known sender, or a scheme that is written out.

use super::{CodeEncoding, HmacAlgorithm, HmacScheme, Sender, Signature, SignatureScheme, TOLERANCE};
use crate::fields::{Fields, Read};
use crate::published::{KindSchema, described};
use serde_json::{Value, json};
use std::time::Duration;

const FIELD: &str = "signature";
const DAY: Duration = Duration::from_secs(24 * 3600);
const ALGORITHMS: [(&str, HmacAlgorithm); 3] =
    [("sha1", HmacAlgorithm::Sha1), ("sha256", HmacAlgorithm::Sha256), ("sha512", HmacAlgorithm::Sha512)];
const ENCODINGS: [(&str, CodeEncoding); 2] = [("hex", CodeEncoding::Hex), ("base64", CodeEncoding::Base64)];

/// Reads the field `signature`.
pub(in crate::authentication) fn read(fields: &Fields<'_>) -> Read<Signature> {
    let scheme = match fields.take(FIELD)? {
        Some(Value::Object(_)) => SignatureScheme::Hmac(hmac(fields.required(FIELD, fields.object(FIELD), "")?)?),
        Some(_) | None => SignatureScheme::Of(fields.required(FIELD, fields.word(FIELD, &Sender::WORDS), "")?),
    };
    Ok(Signature { scheme })
}

/// Returns the schema of the field `signature`.
pub(in crate::authentication) fn schema() -> KindSchema {
    let senders = Sender::WORDS.map(|(word, _)| word);
    let field = json!({
        "description": "As a known sender signs, or as is said here.",
        "oneOf": [{ "enum": senders }, { "$ref": "#/$defs/hmacSignature" }]
    });
    let hmac = json!({
        "description": "A code (HMAC) of the body, or of the timestamp, a dot and the body, in a header.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "header": { "description": "The header that holds the code, such as X-Signature.", "type": "string" },
            "prefix": { "description": "What stands before the code, such as 'sha256='.", "type": "string", "default": "" },
            "algorithm": { "description": "The hash.", "enum": ALGORITHMS.map(|(word, _)| word), "default": "sha256" },
            "encoding": { "description": "How the code is written.", "enum": ENCODINGS.map(|(word, _)| word), "default": "hex" },
            "timestamp": {
                "description": "The header that holds the time of signing, in seconds of Unix time; it is signed too.",
                "type": "string"
            },
            "tolerance": described::duration_with_default("How far the time of signing may be from now, 1s to 1d.", "5m")
        },
        "required": ["header"]
    });
    KindSchema::new(field, json!({ "hmacSignature": hmac }))
}

fn hmac(fields: Fields<'_>) -> Read<HmacScheme> {
    let code_header = fields.required("header", header(&fields, "header"), "the header that holds the code, such as X-Signature");
    let prefix = fields.text_or_blank("prefix");
    let algorithm = fields.word("algorithm", &ALGORITHMS);
    let encoding = fields.word("encoding", &ENCODINGS);
    let timestamp = header(&fields, "timestamp");
    let tolerance = fields.duration("tolerance", Duration::from_secs(1), DAY);
    if let (Ok(Some(_)), Ok(None)) = (&tolerance, &timestamp) {
        fields.problem("tolerance", "is for a scheme with a timestamp: name its header");
    }
    fields.finish();
    Ok(HmacScheme {
        header: code_header?,
        prefix: prefix?.unwrap_or_default(),
        algorithm: algorithm?.unwrap_or(HmacAlgorithm::Sha256),
        encoding: encoding?.unwrap_or(CodeEncoding::Hex),
        timestamp: timestamp?,
        tolerance: tolerance?.unwrap_or(TOLERANCE),
    })
}

fn header(fields: &Fields<'_>, field: &'static str) -> Read<Option<String>> {
    let Some(name) = fields.text(field)? else { return Ok(None) };
    // RFC 9110 allows a single quote, but it would end the quotes of a shell into which an example of a call is pasted.
    if http::HeaderName::try_from(name.as_str()).is_err() || name.contains('\'') {
        return Err(fields.problem(field, format!("is no name of a header: '{name}'")));
    }
    Ok(Some(name))
}
