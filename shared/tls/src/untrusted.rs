//! Certificates that are not trusted, in words that say what to do.

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, OtherError};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a server's certificate is refused although it may be the right one.
#[derive(Clone, PartialEq, Eq)]
pub struct Untrusted {
    problem: Problem,
    sha256: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    SelfSigned,
    UnknownAuthority,
    AnotherCertificate,
}

impl Untrusted {
    pub(crate) fn of(problem: Problem, certificate: &CertificateDer<'_>) -> Self {
        Self { problem, sha256: sha256_of(certificate) }
    }

    /// The one that made a connection fail, if one did: clients carry it as the cause of their own errors.
    #[must_use]
    pub fn in_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(this) = next {
            let inner = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let tls = this.downcast_ref::<Error>().or_else(|| inner.and_then(|inner| inner.downcast_ref::<Error>()));
            if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) = tls {
                return other.downcast_ref();
            }
            // The source of an I/O error is that of the error inside, and not the error inside.
            next = match inner {
                Some(inner) => Some(inner),
                None => this.source(),
            };
        }
        None
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.problem {
            Problem::SelfSigned => "the server's certificate is self-signed and not trusted",
            Problem::UnknownAuthority => "the server's certificate is from an authority that is not trusted",
            Problem::AnotherCertificate => "the server's certificate is not the one that is named here",
        })?;
        f.write_str("; its fingerprint is sha256:")?;
        self.sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The same words: rustls prints what it does not know itself in this form, and clients print what rustls prints.
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
