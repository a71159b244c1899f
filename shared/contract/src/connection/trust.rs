//! The certificate that a remote system must present.

use crate::fields::{Fields, Read};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// The certificate that a server must present.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum ServerTrust {
    /// A certificate of an authority that the machine trusts, for the server's name.
    #[default]
    Machine,
    /// A certificate of one of these authorities (DER), for the server's name.
    Authority(Vec<Vec<u8>>),
    /// The certificate with this SHA-256, whatever its name, its dates and its authority.
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
    // A stored certificate is used as far as it is valid.
    let read_whole = !fields.is_stored();
    let kinds = [("authority", Kind::Authority), ("certificate", Kind::Certificate)];
    match fields.exactly_one_of(&kinds, "an authority signs certificates, a certificate is the server's own")? {
        Kind::Authority => {
            let hint = "the authority's certificate as PEM, or { file: PATH }";
            let text = fields.required("authority", fields.text("authority"), hint)?;
            let read = certificates(&text, read_whole).map_err(|problem| fields.problem("authority", format!("{problem}: give {hint}")))?;
            Ok(ServerTrust::Authority(read))
        }
        Kind::Certificate => {
            let hint = "the server's own certificate as PEM, { file: PATH }, or its fingerprint such as sha256:1f2e...";
            let text = fields.required("certificate", fields.text("certificate"), hint)?;
            let read =
                fingerprint(&text, read_whole).map_err(|problem| fields.problem("certificate", format!("{problem}: give {hint}")))?;
            Ok(ServerTrust::Certificate(read))
        }
    }
}

/// Reads a fingerprint: `sha256:HEX`, or the output of `openssl x509 -fingerprint -sha256`, or that of a certificate.
fn fingerprint(text: &str, read_whole: bool) -> Result<[u8; 32], String> {
    if text.contains("-----BEGIN") {
        let read = certificates(text, read_whole)?;
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

/// Returns the certificates of a PEM text (RFC 7468), in order. `read_whole`: each certificate is parsed to its end.
fn certificates(text: &str, read_whole: bool) -> Result<Vec<Vec<u8>>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (content, after) = after.split_once(END).ok_or("is a certificate without its end")?;
        let content: String = content.split_whitespace().collect();
        // A certificate is a sequence (X.690, section 8.9).
        let der = BASE64.decode(content.as_bytes()).ok().filter(|der| der.first() == Some(&0x30));
        let der = der.filter(|der| !read_whole || is_certificate(der));
        let place = found.len() + 1;
        found.push(
            der.ok_or_else(|| format!("has a certificate that is damaged, cut off or of another kind (number {place} of the text)"))?,
        );
        rest = after;
    }
    if text.contains("PRIVATE KEY-----") {
        return Err("holds a private key, which stays at its server".to_owned());
    }
    if found.is_empty() { Err("has no certificate".to_owned()) } else { Ok(found) }
}

/// Returns true if the bytes are exactly one X.509 certificate.
fn is_certificate(der: &[u8]) -> bool {
    webpki::anchor_from_trusted_cert(&CertificateDer::from(der)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate, made by `openssl req -x509 -newkey ed25519`.
    const CERTIFICATE: &str = "MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI";

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
    }

    #[test]
    fn a_certificate_is_named_by_its_text_or_its_fingerprint_in_every_usual_form() {
        let der = BASE64.decode(CERTIFICATE.as_bytes()).unwrap();
        let sha256: [u8; 32] = Sha256::digest(&der).into();
        let hex = HEXLOWER_PERMISSIVE.encode(&sha256);
        let pairs: Vec<String> = sha256.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [
            pem(&der),
            hex.clone(),
            format!("sha256:{hex}"),
            format!("SHA256:{}", pairs.join(":")),
            format!("sha256 Fingerprint={}\n", pairs.join(":")),
        ] {
            assert_eq!(fingerprint(&text, true), Ok(sha256), "{text}");
        }
        for (text, expected) in [
            ("sha256:1f2e".to_owned(), "64 hexadecimal digits"),
            (format!("{}{}", pem(&der), pem(&der)), "has 2 certificates"),
            (pem(&[1, 2]), "damaged, cut off or of another kind (number 1"),
            ("-----BEGIN CERTIFICATE-----\nAAAA".to_owned(), "without its end"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(), "private key"),
        ] {
            let problem = fingerprint(&text, true).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(certificates(&format!("a\n{}b\n{}", pem(&der), pem(&der)), true).unwrap(), [der.clone(), der]);
        assert_eq!(certificates("x", true).unwrap_err(), "has no certificate");
    }

    #[test]
    fn a_certificate_is_read_to_its_end_unless_it_is_stored_already() {
        let whole = BASE64.decode(CERTIFICATE.as_bytes()).unwrap();
        let more = [&whole[..], &[0]].concat();
        let cut = (1..whole.len()).map(|length| &whole[..length]);
        for der in cut.chain([&more[..], &[0x30, 0]]) {
            let text = format!("{}{}", pem(&whole), pem(der));
            assert!(certificates(&text, true).unwrap_err().contains("number 2 of the text"), "{}", der.len());
            assert_eq!(certificates(&text, false).unwrap().len(), 2);
        }
    }
}
