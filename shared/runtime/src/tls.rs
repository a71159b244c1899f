//! TLS by rustls, from a certificate chain and a key in PEM files.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a certificate or key cannot be used.
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
}

/// TLS 1.2 and 1.3 with the given identity.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn server_config(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(|error| unreadable(cert, "certificate chain", &error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, "private key", &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(TlsError::Use)
}

fn unreadable(file: &Path, what: &'static str, error: &rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Read { file: file.to_owned(), what, reason: error.to_string() }
}
