//! The field `tls` of a connection: whether TLS is used, and the certificate that the server must present.

use super::trust::{self, ServerTrust};
use crate::fields::{Fields, Read};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Transport security of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte; the certificate is checked.
    Require,
    /// TLS after a start in clear text (SMTP STARTTLS).
    StartTls,
    /// No TLS.
    Disable,
}

/// Reads `tls` of a connection whose URL determines whether TLS is used.
pub(super) fn url_trust(fields: &Fields<'_>, has_tls: bool, scheme: &str) -> Read<ServerTrust> {
    let Some(tls) = fields.object("tls")? else { return Ok(ServerTrust::Machine) };
    let read = trust::trust(&tls);
    tls.finish();
    match has_tls {
        true => read,
        false => Err(fields.problem("tls", format!("is for an address that begins with {scheme}"))),
    }
}

/// Reads `tls` as a word, or as an object with the trusted certificate and, if there is a choice, the word as its `mode`.
pub(super) fn tls(
    fields: &Fields<'_>,
    words: &[(&'static str, Tls)],
    default: Tls,
    modes: &[(&'static str, Tls)],
) -> Read<(Tls, ServerTrust)> {
    if !matches!(fields.take("tls")?, Some(Value::Object(_))) {
        return Ok((fields.word("tls", words)?.unwrap_or(default), ServerTrust::Machine));
    }
    let object = fields.required("tls", fields.object("tls"), "")?;
    let mode = if modes.is_empty() { Ok(None) } else { object.word("mode", modes) };
    let read = trust::trust(&object);
    object.finish();
    Ok((mode?.unwrap_or(default), read?))
}

/// Returns the text of `tls` in a destination.
pub(super) fn secured(tls: Tls, trust: &ServerTrust) -> String {
    format!("{tls:?} {}", trusted(trust))
}

/// Returns the text of [`secured`] if the URL determines whether TLS is used.
pub(super) fn trusted(trust: &ServerTrust) -> String {
    match trust {
        ServerTrust::Machine => "machine".to_owned(),
        ServerTrust::Authority(authorities) => {
            let digests = authorities.iter().map(|authority| HEXLOWER.encode(&Sha256::digest(authority)));
            format!("authority {}", digests.collect::<Vec<_>>().join(" "))
        }
        ServerTrust::Certificate(sha256) => format!("certificate {}", HEXLOWER.encode(sha256)),
    }
}
