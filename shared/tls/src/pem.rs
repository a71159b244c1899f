//! Certificates and keys in PEM files (RFC 7468).

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// The reason for which a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{file} cannot be read as a PEM {what}: {reason}")]
    Read {
        /// The file.
        file: PathBuf,
        /// `certificate chain` or `private key`.
        what: &'static str,
        /// The cause.
        reason: String,
    },
    /// The two do not fit, or are of a kind that is not supported.
    #[error("the certificate and the private key cannot be used together")]
    Use(#[source] rustls::Error),
    /// No certificate in a file is that of an authority.
    #[error("{file} has no certificate of an authority that can be used: {reason}")]
    Authorities {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
}

pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| unreadable(file, "certificate chain", &error))
}

pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, "private key", &error))
}

fn unreadable(file: &Path, what: &'static str, error: &Error) -> TlsError {
    TlsError::Read { file: file.to_owned(), what, reason: error.to_string() }
}
