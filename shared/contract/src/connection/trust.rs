//! Which certificate a remote system must show.

use crate::fields::{Fields, Read};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};

/// Which certificate a server must show.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum ServerTrust {
    /// One of an authority that the machine trusts, for the server's name.
    #[default]
    Machine,
    /// One of these authorities (DER) and no other, for the server's name.
    Authority(Vec<Vec<u8>>),
    /// The one with this SHA-256, whatever its name, its dates and its authority are.
    Certificate([u8; 32]),
}

impl std::fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Machine => f.write_str("Machine"),
            Self::Authority(authorities) => write!(f, "Authority({})", authorities.len()),
            Self::Certificate(sha256) => write!(f, "Certificate(sha256:{})", HEXLOWER_PERMISSIVE.encode(sha256)),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Authority,
    Certificate,
}

/// Reads `authority` or `certificate`; the object may have other fields.
pub(super) fn trust(fields: &Fields<'_>) -> Read<ServerTrust> {
    let kinds = [("authority", Kind::Authority), ("certificate", Kind::Certificate)];
    match fields.exactly_one_of(&kinds, "an authority signs certificates, a certificate is the server's own")? {
        Kind::Authority => {
            let hint = "the authority's certificate as PEM, or { file: PATH }";
            let text = fields.required("authority", fields.text("authority"), hint)?;
            let read = certificates(&text).map_err(|problem| fields.problem("authority", format!("{problem}: give {hint}")))?;
            Ok(ServerTrust::Authority(read))
        }
        Kind::Certificate => {
            let hint = "the server's own certificate as PEM, { file: PATH }, or its fingerprint such as sha256:1f2e...";
            let text = fields.required("certificate", fields.text("certificate"), hint)?;
            let read = fingerprint(&text).map_err(|problem| fields.problem("certificate", format!("{problem}: give {hint}")))?;
            Ok(ServerTrust::Certificate(read))
        }
    }
}

/// The fingerprint as `sha256:HEX`, as `openssl x509 -fingerprint -sha256` prints it, or that of a certificate.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    if text.contains("-----BEGIN") {
        let read = certificates(text)?;
        return match read.as_slice() {
            [certificate] => Ok(Sha256::digest(certificate).into()),
            _ => Err(format!("has {} certificates, and the server's own is one", read.len())),
        };
    }
    let lower = text.trim().to_ascii_lowercase();
    let hex = ["sha256 fingerprint=", "sha256:"].iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.replace(':', "").as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "is no certificate and no SHA-256 of one (64 hexadecimal digits)".to_owned())
}

/// The certificates of a PEM text (RFC 7468), in order.
fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (content, after) = after.split_once(END).ok_or("is a certificate without its end")?;
        let content: String = content.split_whitespace().collect();
        // Every certificate is a sequence (X.690, section 8.9).
        let der = BASE64.decode(content.as_bytes()).ok().filter(|der| der.first() == Some(&0x30));
        found.push(der.ok_or("is a certificate that cannot be read")?);
        rest = after;
    }
    if text.contains("PRIVATE KEY-----") {
        return Err("holds a private key, which stays at its server".to_owned());
    }
    if found.is_empty() { Err("has no certificate".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
    }

    #[test]
    fn a_certificate_is_named_by_its_text_or_its_fingerprint_in_every_usual_form() {
        let der = [0x30, 1, 2, 3];
        let sha256: [u8; 32] = Sha256::digest(der).into();
        let hex = HEXLOWER_PERMISSIVE.encode(&sha256);
        let pairs: Vec<String> = sha256.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [
            pem(&der),
            hex.clone(),
            format!("sha256:{hex}"),
            format!("SHA256:{}", pairs.join(":")),
            format!("sha256 Fingerprint={}\n", pairs.join(":")),
        ] {
            assert_eq!(fingerprint(&text), Ok(sha256), "{text}");
        }
        for (text, expected) in [
            ("sha256:1f2e".to_owned(), "64 hexadecimal digits"),
            (format!("{}{}", pem(&der), pem(&der)), "has 2 certificates"),
            (pem(&[1, 2]), "cannot be read"),
            ("-----BEGIN CERTIFICATE-----\nAAAA".to_owned(), "without its end"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(), "private key"),
        ] {
            let problem = fingerprint(&text).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(certificates(&format!("a\n{}b\n{}", pem(&der), pem(&[0x30]))).unwrap(), [der.to_vec(), vec![0x30]]);
        assert_eq!(certificates("x").unwrap_err(), "has no certificate");
    }
}
