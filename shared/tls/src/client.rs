//! Which servers a client trusts.

use crate::pem::{TlsError, certificates, private_key};
use data_encoding::BASE64;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// The system's certificates, so that a company's own authority works; an image without any gets Mozilla's. Read once: it takes
/// some milliseconds.
static AUTHORITIES: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let native = rustls_native_certs::load_native_certs().certs;
    let parses = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let native: Vec<_> = native.into_iter().filter(parses).collect();
    if native.is_empty() { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { native }
});

/// Whose signature makes a certificate good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// The authorities that this machine trusts, or those of the file that `SSL_CERT_FILE` names.
    #[default]
    Machine,
    /// Those of a PEM file.
    File(PathBuf),
}

/// What is looked at of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: who listens on the way sees nothing, who stands in it does.
    Nothing,
    /// That an authority signed it, for whatever name.
    Authority,
    /// That an authority signed it for the name under which the server was asked for.
    AuthorityAndName,
}

/// For a client that checks the server's certificate, by the authorities that this machine trusts.
#[must_use]
pub fn client_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(AUTHORITIES.iter().cloned());
    builder().with_root_certificates(roots).with_no_client_auth()
}

impl Check {
    /// For a client that checks as much, and shows the `identity`, a certificate chain and its key in PEM files, to a server that asks.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn client_config(self, trust: &Trust, identity: Option<(&Path, &Path)>) -> Result<ClientConfig, TlsError> {
        let verifier = Verifier { check: self, by_authorities: self.by_authorities(trust)?, provider: provider() };
        let builder = builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        match identity {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(TlsError::Use),
        }
    }

    fn by_authorities(self, trust: &Trust) -> Result<Option<Arc<WebPkiServerVerifier>>, TlsError> {
        if self == Self::Nothing {
            return Ok(None);
        }
        let (authorities, file) = match trust {
            Trust::Machine => (AUTHORITIES.clone(), Path::new("the machine's store")),
            Trust::File(file) => (certificates(file)?, file.as_path()),
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        built.map(Some).map_err(|error| TlsError::Authorities { file: file.to_owned(), reason: error.to_string() })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring knows both versions of TLS"))
}

/// The authorities of [`client_config`] as PEM (RFC 7468), for clients that want text.
#[must_use]
pub fn authorities_as_pem() -> String {
    let mut pem = String::new();
    for certificate in AUTHORITIES.iter() {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in BASE64.encode(certificate).as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

/// Asks rustls' own verifier, and forgives what the [`Check`] does not ask for.
#[derive(Debug)]
struct Verifier {
    check: Check,
    by_authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(by_authorities) = &self.by_authorities else { return Ok(ServerCertVerified::assertion()) };
        match by_authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }))
                if self.check == Check::Authority =>
            {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
