//! Transport security of connectors: TLS 1.2 and 1.3 with ring, and the authorities that this machine trusts.

use super::Target;
use crate::failure::permanent;
use data_encoding::BASE64;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::sync::{Arc, LazyLock};

/// The system's certificates, so that a company's own authority works; an image without any gets Mozilla's. Read once: it takes
/// some milliseconds.
static AUTHORITIES: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let native = rustls_native_certs::load_native_certs().certs;
    let parses = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let native: Vec<_> = native.into_iter().filter(parses).collect();
    if native.is_empty() { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { native }
});

/// For a client that checks the server's certificate.
pub(crate) fn client_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(AUTHORITIES.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring knows both versions of TLS"))
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The authorities as PEM (RFC 7468), for clients that want text.
pub(super) fn authorities_as_pem() -> Vec<u8> {
    let mut pem = String::new();
    for certificate in AUTHORITIES.iter() {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in BASE64.encode(certificate).as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem.into_bytes()
}

/// The server's certificate is not right, or it speaks no TLS there: `in_clear` is what a connection says then.
pub(super) fn refused(target: &Target<'_>, why: &str, in_clear: &str) -> ExecutionError {
    let advice = if why.starts_with("invalid peer certificate") {
        "it must be of the connection's host, and from an authority that this machine trusts".to_owned()
    } else {
        format!("where the port begins in clear text, write {in_clear}")
    };
    permanent(ErrorCode::Unreachable, format!("{target}: TLS could not be begun: {why}; {advice}"))
}

/// Whether TLS itself went wrong and not what is below it.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(cause) = error {
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        error = cause.source();
    }
    false
}
