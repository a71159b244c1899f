//! Refused certificates, in plain words.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, OtherError};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The reason for which a server's certificate is refused although it may be the right one.
#[derive(Clone, PartialEq, Eq)]
pub struct Untrusted {
    problem: Problem,
    /// The certificate; absent: the error does not name it.
    sha256: Option<[u8; 32]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    SelfSigned,
    UnknownAuthority,
    AnotherCertificate,
    Expired(Option<UnixTime>),
    NotYetValid(Option<UnixTime>),
    /// The requested name, and those of the certificate; absent: not known.
    OtherName(Option<(String, Vec<String>)>),
    /// Another reason, as the end of a sentence.
    Unusable(&'static str),
}

/// The remedy for a certificate that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Trust it, or its authority.
    Trust,
    /// Connect to the server by a name of the certificate.
    Name,
    /// A certificate that is valid today; the clock of this machine may be wrong too.
    Renew,
    /// Another certificate at the server.
    Replace,
}

impl Untrusted {
    pub(crate) fn of(problem: Problem, certificate: &CertificateDer<'_>) -> Self {
        Self { problem, sha256: Some(sha256_of(certificate)) }
    }

    /// Returns the reason of an error of rustls; `certificate`: the refused one, if it is known.
    pub(crate) fn from_rustls(error: &CertificateError, certificate: Option<&CertificateDer<'_>>) -> Self {
        if let CertificateError::Other(OtherError(other)) = error
            && let Some(untrusted) = other.downcast_ref::<Self>()
        {
            return untrusted.clone();
        }
        Self { problem: Problem::of(error), sha256: certificate.map(sha256_of) }
    }

    /// Returns the remedy.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self.problem {
            Problem::SelfSigned | Problem::UnknownAuthority | Problem::AnotherCertificate => Remedy::Trust,
            Problem::OtherName(_) => Remedy::Name,
            Problem::Expired(_) | Problem::NotYetValid(_) => Remedy::Renew,
            Problem::Unusable(_) => Remedy::Replace,
        }
    }
}

impl Problem {
    fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(Some(*not_after)),
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(Some(*not_before)),
            CertificateError::NotValidForName => Self::OtherName(None),
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::OtherName(Some((asked_for(expected), presented.iter().map(|name| plain(name)).collect())))
            }
            CertificateError::Revoked => Self::Unusable("was revoked by its authority"),
            CertificateError::BadEncoding => Self::Unusable("is damaged: it cannot be read"),
            CertificateError::BadSignature => Self::Unusable("is not what its authority signed: the signature is wrong"),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Unusable("is not made for servers (extended key usage)")
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::Unusable("is signed in a way that is not supported, such as SHA-1 or a short key")
            }
            CertificateError::UnhandledCriticalExtension => Self::Unusable("has a critical extension that is not supported"),
            CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => Self::SelfSigned,
                _ => Self::Unusable("is not acceptable"),
            },
            // The next version of rustls may have more reasons.
            _ => Self::Unusable("is not acceptable"),
        }
    }
}

fn asked_for(name: &ServerName<'_>) -> String {
    plain(&name.to_str())
}

/// rustls writes the names of a certificate as `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').chars().map(|c| if c.is_control() { ' ' } else { c }).take(253).collect()
}

/// Returns ` on 2026-01-31`, or nothing.
fn day(word: &str, time: Option<UnixTime>) -> String {
    let time = time.and_then(|time| Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok());
    time.map(|time| format!(" {word} {}", time.strftime("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default()
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's certificate ")?;
        match &self.problem {
            Problem::SelfSigned => f.write_str("is self-signed and not trusted"),
            Problem::UnknownAuthority => f.write_str("is from an authority that is not trusted"),
            Problem::AnotherCertificate => f.write_str("is not the one that is named here"),
            Problem::Expired(at) => write!(f, "has expired{}", day("at", *at)),
            Problem::NotYetValid(from) => write!(f, "is not valid yet{}", day("but from", *from)),
            Problem::OtherName(None) => f.write_str("is not for the name by which the server was asked for"),
            Problem::OtherName(Some((asked, names))) if names.is_empty() => write!(f, "is for no name, and not for '{asked}'"),
            Problem::OtherName(Some((asked, names))) => write!(f, "is for '{}' and not for '{asked}'", names.join("', '")),
            Problem::Unusable(why) => f.write_str(why),
        }?;
        let Some(sha256) = &self.sha256 else { return Ok(()) };
        f.write_str("; its fingerprint is sha256:")?;
        sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the same words: rustls prints an unknown reason in this form, and clients print the text of rustls.
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Untrusted {}

impl From<Untrusted> for Error {
    fn from(untrusted: Untrusted) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(untrusted))))
    }
}

pub(crate) fn sha256_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, certificate).as_ref());
    sha256
}
