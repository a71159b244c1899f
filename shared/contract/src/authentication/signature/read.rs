//! Reads `signature`: a known sender, or a scheme that is written out.

use super::{CodeEncoding, HmacAlgorithm, HmacScheme, Sender, Signature, SignatureScheme, TOLERANCE};
use crate::authentication::Authentication;
use crate::fields::{Fields, Read};
use serde_json::Value;
use std::time::Duration;

const FIELD: &str = "signature";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads the field `signature`.
pub(super) fn signature(fields: &Fields<'_>) -> Read<Authentication> {
    let scheme = match fields.take(FIELD)? {
        Some(Value::Object(_)) => SignatureScheme::Hmac(hmac(fields.required(FIELD, fields.object(FIELD), "")?)?),
        Some(_) | None => SignatureScheme::Of(fields.required(FIELD, fields.word(FIELD, &Sender::WORDS), "")?),
    };
    Ok(Authentication::Signature(Signature { scheme }))
}

fn hmac(fields: Fields<'_>) -> Read<HmacScheme> {
    let code_header = fields.required("header", header(&fields, "header"), "the header that holds the code, such as X-Signature");
    let prefix = fields.text_or_blank("prefix");
    let algorithms = [("sha1", HmacAlgorithm::Sha1), ("sha256", HmacAlgorithm::Sha256), ("sha512", HmacAlgorithm::Sha512)];
    let algorithm = fields.word("algorithm", &algorithms);
    let encoding = fields.word("encoding", &[("hex", CodeEncoding::Hex), ("base64", CodeEncoding::Base64)]);
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
    // RFC 9110 allows a quote, which would end the one of a shell where an example of a call is pasted.
    if http::HeaderName::try_from(name.as_str()).is_err() || name.contains('\'') {
        return Err(fields.problem(field, format!("is no name of a header: '{name}'")));
    }
    Ok(Some(name))
}
