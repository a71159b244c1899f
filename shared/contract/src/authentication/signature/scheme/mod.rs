//! Signed calls, which many senders of webhooks use instead of keys: a header has a code (HMAC, RFC 2104) of the body, made with a shared
//! secret.

use crate::duration::format_duration;
use crate::unix_time::UnixMicros;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::time::Duration;

/// Maximum difference between a timestamp and the receiver's clock, including the time on the way, for schemes with a timestamp. Slack,
/// Stripe and Standard Webhooks all recommend this value.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Maximum signatures in one call, more than a sender makes while its secret changes.
const MAX_SIGNATURES: usize = 10;

/// A scheme of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureScheme {
    /// The scheme of a known sender.
    Of(Sender),
    /// A scheme that the definition writes out.
    Hmac(HmacScheme),
}

/// Senders whose scheme is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// `X-Hub-Signature-256: sha256=HEX` of the body
    /// (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).
    GitHub,
    /// `X-Shopify-Hmac-SHA256: BASE64` of the body (<https://shopify.dev/docs/apps/build/webhooks/subscribe/https>).
    Shopify,
    /// `X-Slack-Signature: v0=HEX` of `v0:TIMESTAMP:BODY` (<https://api.slack.com/authentication/verifying-requests-from-slack>).
    Slack,
    /// `Stripe-Signature: t=TIMESTAMP,v1=HEX` of `TIMESTAMP.BODY` (<https://docs.stripe.com/webhooks#verify-manually>).
    Stripe,
    /// `webhook-signature: v1,BASE64` of `ID.TIMESTAMP.BODY`, the secret being `whsec_BASE64` (<https://www.standardwebhooks.com>).
    StandardWebhooks,
}

impl Sender {
    /// All senders, with their words in definitions.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("github", Self::GitHub),
        ("shopify", Self::Shopify),
        ("slack", Self::Slack),
        ("stripe", Self::Stripe),
        ("standard_webhooks", Self::StandardWebhooks),
    ];

    /// Returns the name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::Shopify => "Shopify",
            Self::Slack => "Slack",
            Self::Stripe => "Stripe",
            Self::StandardWebhooks => "Standard Webhooks",
        }
    }
}

/// A code of the body, or of `TIMESTAMP.BODY`, in one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacScheme {
    /// The header's name.
    pub header: String,
    /// The text before the code, such as `sha256=`.
    pub prefix: String,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// The encoding of the code.
    pub encoding: CodeEncoding,
    /// The header with the timestamp, in seconds of Unix time. Absent: there is none, and a recorded call can be sent again.
    pub timestamp: Option<String>,
    /// Maximum difference between a timestamp and the receiver's clock.
    pub tolerance: Duration,
}

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-1: no weakness of it is known for HMAC (RFC 6194, section 3.3).
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The encoding of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeEncoding {
    /// Hexadecimal, in upper or lower case.
    Hex,
    /// Base64 with padding (RFC 4648, section 4).
    Base64,
}

/// A problem of a signature that does not depend on the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing.
    #[error("the header '{0}' is missing")]
    Missing(String),
    /// A header does not have its form.
    #[error("the header '{header}' is not of the form '{form}'")]
    Malformed {
        /// Its name.
        header: String,
        /// The form.
        form: String,
    },
    /// The timestamp differs too much from the clock.
    #[error("the call was signed more than {} from now", format_duration(*.0))]
    Stale(Duration),
}

/// The codes of a call, one of which must be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    codes: Vec<Vec<u8>>,
    /// The text before the body in the signed text.
    before: String,
    algorithm: HmacAlgorithm,
    sender: Option<Sender>,
}

impl SignatureScheme {
    /// Returns the header of the code.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Of(Sender::GitHub) => "X-Hub-Signature-256",
            Self::Of(Sender::Shopify) => "X-Shopify-Hmac-SHA256",
            Self::Of(Sender::Slack) => "X-Slack-Signature",
            Self::Of(Sender::Stripe) => "Stripe-Signature",
            Self::Of(Sender::StandardWebhooks) => "webhook-signature",
            Self::Hmac(scheme) => &scheme.header,
        }
    }

    /// Returns the sender's name for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if let Self::Of(sender) = self { sender.name() } else { "HMAC" }
    }

    /// Reads the codes of a call. `header` returns the value of a header; the case of its name is ignored.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn claim<'h>(&self, header: impl Fn(&str) -> Option<&'h str>, now: UnixMicros) -> Result<Claim, SignatureError> {
        let of = |name: &str| header(name).map(str::trim).filter(|value| !value.is_empty()).ok_or(SignatureError::Missing(name.to_owned()));
        let value = of(self.header())?;
        let malformed = |form: &str| SignatureError::Malformed { header: self.header().to_owned(), form: form.to_owned() };
        let fresh = |name: &str, tolerance: Duration| {
            let timestamp = of(name)?;
            check_time(timestamp, tolerance, now, || SignatureError::Malformed { header: name.to_owned(), form: "SECONDS".to_owned() })?;
            Ok(timestamp)
        };
        let (codes, before) = match self {
            Self::Of(Sender::GitHub) => (vec![value.strip_prefix("sha256=").and_then(hex)], String::new()),
            Self::Of(Sender::Shopify) => (vec![base64(value)], String::new()),
            Self::Of(Sender::Slack) => {
                let timestamp = fresh("X-Slack-Request-Timestamp", TOLERANCE)?;
                (vec![value.strip_prefix("v0=").and_then(hex)], format!("v0:{timestamp}:"))
            }
            Self::Of(Sender::Stripe) => {
                let parts = || value.split(',').filter_map(|part| part.trim().split_once('='));
                let timestamp = parts().find(|(name, _)| *name == "t").ok_or_else(|| malformed(self.form()))?.1;
                check_time(timestamp, TOLERANCE, now, || malformed(self.form()))?;
                let codes = parts().filter(|(name, _)| *name == "v1").map(|(_, code)| hex(code)).collect();
                (codes, format!("{timestamp}."))
            }
            Self::Of(Sender::StandardWebhooks) => {
                let (id, timestamp) = (of("webhook-id")?, fresh("webhook-timestamp", TOLERANCE)?);
                // Other versions are made with other kinds of keys.
                let codes = value.split(' ').filter_map(|part| part.strip_prefix("v1,")).map(base64).collect();
                (codes, format!("{id}.{timestamp}."))
            }
            Self::Hmac(scheme) => {
                let before = match &scheme.timestamp {
                    Some(name) => format!("{}.", fresh(name, scheme.tolerance)?),
                    None => String::new(),
                };
                let code = value.strip_prefix(scheme.prefix.as_str());
                (vec![code.and_then(if scheme.encoding == CodeEncoding::Hex { hex } else { base64 })], before)
            }
        };
        let codes: Option<Vec<Vec<u8>>> = codes.into_iter().take(MAX_SIGNATURES).collect();
        let codes = codes.filter(|codes| !codes.is_empty()).ok_or_else(|| malformed(self.form()))?;
        Ok(Claim { codes, before, algorithm: self.algorithm(), sender: self.sender() })
    }

    /// Returns the headers that sign a body, as the sender makes them. `id` is the id of the call, if the scheme has one.
    #[must_use]
    pub fn sign(&self, secret: &str, id: &str, body: &[u8], now: UnixMicros) -> Vec<(String, String)> {
        let seconds = (now.get() / 1_000_000).to_string();
        let (before, mut headers) = match self {
            Self::Of(Sender::GitHub | Sender::Shopify) | Self::Hmac(HmacScheme { timestamp: None, .. }) => (String::new(), Vec::new()),
            Self::Of(Sender::Slack) => (format!("v0:{seconds}:"), vec![("X-Slack-Request-Timestamp".to_owned(), seconds.clone())]),
            Self::Of(Sender::Stripe) => (format!("{seconds}."), Vec::new()),
            Self::Of(Sender::StandardWebhooks) => {
                let headers = vec![("webhook-id".to_owned(), id.to_owned()), ("webhook-timestamp".to_owned(), seconds.clone())];
                (format!("{id}.{seconds}."), headers)
            }
            Self::Hmac(HmacScheme { timestamp: Some(name), .. }) => (format!("{seconds}."), vec![(name.clone(), seconds.clone())]),
        };
        let claim = Claim { codes: Vec::new(), before, algorithm: self.algorithm(), sender: self.sender() };
        let code = claim.code(secret, body);
        let value = match self {
            Self::Of(Sender::GitHub) => format!("sha256={}", HEXLOWER.encode(&code)),
            Self::Of(Sender::Shopify) => BASE64.encode(&code),
            Self::Of(Sender::Slack) => format!("v0={}", HEXLOWER.encode(&code)),
            Self::Of(Sender::Stripe) => format!("t={seconds},v1={}", HEXLOWER.encode(&code)),
            Self::Of(Sender::StandardWebhooks) => format!("v1,{}", BASE64.encode(&code)),
            Self::Hmac(HmacScheme { prefix, encoding: CodeEncoding::Hex, .. }) => format!("{prefix}{}", HEXLOWER.encode(&code)),
            Self::Hmac(HmacScheme { prefix, encoding: CodeEncoding::Base64, .. }) => format!("{prefix}{}", BASE64.encode(&code)),
        };
        headers.push((self.header().to_owned(), value));
        headers
    }

    /// Returns the form of the header.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Self::Of(Sender::GitHub) => "sha256=HEX",
            Self::Of(Sender::Shopify) => "BASE64",
            Self::Of(Sender::Slack) => "v0=HEX",
            Self::Of(Sender::Stripe) => "t=SECONDS,v1=HEX",
            Self::Of(Sender::StandardWebhooks) => "v1,BASE64",
            Self::Hmac(HmacScheme { encoding: CodeEncoding::Hex, .. }) => "PREFIX and HEX",
            Self::Hmac(HmacScheme { encoding: CodeEncoding::Base64, .. }) => "PREFIX and BASE64",
        }
    }

    fn algorithm(&self) -> HmacAlgorithm {
        if let Self::Hmac(scheme) = self { scheme.algorithm } else { HmacAlgorithm::Sha256 }
    }

    fn sender(&self) -> Option<Sender> {
        if let Self::Of(sender) = self { Some(*sender) } else { None }
    }
}

impl Claim {
    /// Returns true if the body was signed with this secret. The time that it takes reveals nothing about the right code.
    #[must_use]
    pub fn is_by(&self, secret: &str, body: &[u8]) -> bool {
        let key = self.key(secret);
        match self.algorithm {
            HmacAlgorithm::Sha1 => self.is_any::<Hmac<Sha1>>(&key, body),
            HmacAlgorithm::Sha256 => self.is_any::<Hmac<Sha256>>(&key, body),
            HmacAlgorithm::Sha512 => self.is_any::<Hmac<Sha512>>(&key, body),
        }
    }

    fn code(&self, secret: &str, body: &[u8]) -> Vec<u8> {
        let key = self.key(secret);
        match self.algorithm {
            HmacAlgorithm::Sha1 => self.mac::<Hmac<Sha1>>(&key, body).map(finished),
            HmacAlgorithm::Sha256 => self.mac::<Hmac<Sha256>>(&key, body).map(finished),
            HmacAlgorithm::Sha512 => self.mac::<Hmac<Sha512>>(&key, body).map(finished),
        }
        .unwrap_or_default()
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        let bytes = match self.sender {
            // A secret that is not base64 is used unchanged.
            Some(Sender::StandardWebhooks) => base64(secret.strip_prefix("whsec_").unwrap_or(secret)),
            _ => None,
        };
        bytes.unwrap_or_else(|| secret.as_bytes().to_vec())
    }

    fn is_any<M: Mac + KeyInit + Clone>(&self, key: &[u8], body: &[u8]) -> bool {
        self.mac::<M>(key, body).is_some_and(|mac| self.codes.iter().any(|code| mac.clone().verify_slice(code).is_ok()))
    }

    /// Makes the HMAC, which accepts a key of any length.
    fn mac<M: Mac + KeyInit>(&self, key: &[u8], body: &[u8]) -> Option<M> {
        let mut mac = <M as Mac>::new_from_slice(key).ok()?;
        mac.update(self.before.as_bytes());
        mac.update(body);
        Some(mac)
    }
}

fn finished<M: Mac>(mac: M) -> Vec<u8> {
    mac.finalize().into_bytes().to_vec()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

fn check_time(seconds: &str, tolerance: Duration, now: UnixMicros, malformed: impl Fn() -> SignatureError) -> Result<(), SignatureError> {
    let signed: i64 = seconds.parse().map_err(|_| malformed())?;
    let difference = (now.get() / 1_000_000).abs_diff(signed);
    if difference > tolerance.as_secs() { Err(SignatureError::Stale(tolerance)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
