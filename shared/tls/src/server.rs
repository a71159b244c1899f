//! The configuration of a server.

use crate::pem::{TlsError, certificates, private_key};
use rustls::ServerConfig;
use std::path::Path;
use std::sync::Arc;

/// Returns the configuration of a server with this identity: a certificate chain and a key in PEM files.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn server_config(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let (chain, key) = (certificates(cert)?, private_key(key)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Use)
}
