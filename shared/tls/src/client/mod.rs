//! The servers that a client trusts.

use crate::pem::{TlsError, certificates, private_key};
use crate::untrusted::{Problem, Untrusted, sha256_of};
use data_encoding::BASE64;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// The certificates of the system, so that a company's own authority is trusted; without any, those of Mozilla. Read once: it takes some
/// milliseconds.
static AUTHORITIES: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let native = rustls_native_certs::load_native_certs().certs;
    let parses = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let native: Vec<_> = native.into_iter().filter(parses).collect();
    if native.is_empty() { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { native }
});

/// The authorities whose signature makes a certificate valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// The authorities that this machine trusts, or those of the file that `SSL_CERT_FILE` names.
    #[default]
    Machine,
    /// The authorities of a PEM file.
    File(PathBuf),
}

/// The checks of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// None: protects against listening, not against a server in between.
    Nothing,
    /// An authority signed it, for any name.
    Authority,
    /// An authority signed it for the requested name.
    AuthorityAndName,
}

/// The certificate that a server must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted<'a> {
    /// A certificate of an authority that this machine trusts, for the server's name.
    ByMachine,
    /// A certificate of one of these authorities (DER) and no other, for the server's name.
    ByAuthorities(&'a [Vec<u8>]),
    /// A certificate of an authority that this machine trusts or of one of these (DER), for the server's name.
    ByMachineOrAuthorities(&'a [Vec<u8>]),
    /// The certificate with this SHA-256, with any name, dates and authority.
    Certificate(&'a [u8; 32]),
}

/// Returns the configuration of a client that checks the server's certificate by the authorities that this machine trusts.
#[must_use]
pub fn client_config() -> ClientConfig {
    let verifier = by_authorities(AUTHORITIES.clone()).map(|by_authorities| Verifier {
        wanted: Wanted::Signed { by_authorities, authorities: AUTHORITIES.clone(), check_name: true },
        provider: provider(),
    });
    match verifier {
        Ok(verifier) => verifying(verifier).with_no_client_auth(),
        // This fails only without any root: then no server is trusted.
        Err(_) => builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    }
}

impl Trusted<'_> {
    /// Returns the configuration of a client that connects to servers with such a certificate.
    ///
    /// # Errors
    /// [`TlsError::Authorities`].
    pub fn client_config(self) -> Result<ClientConfig, TlsError> {
        let named = |authorities: &[Vec<u8>]| authorities.iter().map(|der| CertificateDer::from(der.clone())).collect::<Vec<_>>();
        let signed = |authorities: Vec<CertificateDer<'static>>| {
            let unusable = |reason| TlsError::Authorities { file: PathBuf::from("tls.authority"), reason };
            let by_authorities = by_authorities(authorities.clone()).map_err(unusable)?;
            Ok(Wanted::Signed { by_authorities, authorities, check_name: true })
        };
        let wanted = match self {
            Self::ByMachine => return Ok(client_config()),
            Self::ByAuthorities(authorities) => signed(named(authorities))?,
            Self::ByMachineOrAuthorities(authorities) => signed([AUTHORITIES.clone(), named(authorities)].concat())?,
            Self::Certificate(sha256) => Wanted::Certificate(*sha256),
        };
        Ok(verifying(Verifier { wanted, provider: provider() }).with_no_client_auth())
    }
}

fn verifying(verifier: Verifier) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier))
}

fn by_authorities(authorities: Vec<CertificateDer<'static>>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(|error| error.to_string())
}

impl Check {
    /// Returns the configuration of a client with these checks. It shows the `identity`, a certificate chain and its key in PEM files, to a
    /// server that requests it.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn client_config(self, trust: &Trust, identity: Option<(&Path, &Path)>) -> Result<ClientConfig, TlsError> {
        let builder = verifying(Verifier { wanted: self.wanted(trust)?, provider: provider() });
        match identity {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(TlsError::Use),
        }
    }

    fn wanted(self, trust: &Trust) -> Result<Wanted, TlsError> {
        let check_name = match self {
            Self::Nothing => return Ok(Wanted::Anything),
            Self::Authority => false,
            Self::AuthorityAndName => true,
        };
        let (authorities, file) = match trust {
            Trust::Machine => (AUTHORITIES.clone(), Path::new("the machine's store")),
            Trust::File(file) => (certificates(file)?, file.as_path()),
        };
        let unusable = |reason| TlsError::Authorities { file: file.to_owned(), reason };
        Ok(Wanted::Signed { by_authorities: by_authorities(authorities.clone()).map_err(unusable)?, authorities, check_name })
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

/// Returns the authorities of [`client_config`] as PEM (RFC 7468), for clients that need text.
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

/// Verifies with rustls' own verifier, and explains refusals in plain words.
#[derive(Debug)]
struct Verifier {
    wanted: Wanted,
    provider: Arc<CryptoProvider>,
}

/// The rule for a certificate.
#[derive(Debug)]
enum Wanted {
    Anything,
    /// Signed by one of the authorities, or one of them itself: a server with a self-signed certificate is its own authority.
    Signed {
        by_authorities: Arc<WebPkiServerVerifier>,
        authorities: Vec<CertificateDer<'static>>,
        check_name: bool,
    },
    /// It has this SHA-256. The handshake proves that the server has its key.
    Certificate([u8; 32]),
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
        let (by_authorities, authorities, check_name) = match &self.wanted {
            Wanted::Anything => return Ok(ServerCertVerified::assertion()),
            Wanted::Certificate(sha256) if sha256_of(end_entity) == *sha256 => return Ok(ServerCertVerified::assertion()),
            Wanted::Certificate(_) => return Err(Untrusted::of(Problem::AnotherCertificate, end_entity).into()),
            Wanted::Signed { by_authorities, authorities, check_name } => (by_authorities, authorities, *check_name),
        };
        let in_words = |error: Error| match &error {
            Error::InvalidCertificate(refused) => Untrusted::from_rustls(refused, Some(end_entity)).into(),
            _ => error,
        };
        let error = match by_authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        match &error {
            // The name is checked last.
            Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
                if !check_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            // Its dates are valid: they were checked before.
            _ if is_authority_itself(&error) => {
                if !authorities.iter().any(|authority| authority.as_ref() == end_entity.as_ref()) {
                    return Err(Untrusted::of(Problem::SelfSigned, end_entity).into());
                }
                if check_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name).map_err(in_words)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                let problem = if is_self_signed(end_entity, server_name, now) { Problem::SelfSigned } else { Problem::UnknownAuthority };
                Err(Untrusted::of(problem, end_entity).into())
            }
            _ => Err(in_words(error)),
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

/// Returns true if a certificate was refused only because it is that of an authority, as `openssl req -x509` makes them.
fn is_authority_itself(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else { return false };
    matches!(other.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Returns true if the certificate is self-signed.
fn is_self_signed(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>, now: UnixTime) -> bool {
    let Ok(by_itself) = by_authorities(vec![certificate.clone().into_owned()]) else { return false };
    match by_itself.verify_server_cert(certificate, &[], server_name, &[], now) {
        Ok(_) => true,
        Err(Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => true,
        Err(error) => is_authority_itself(&error),
    }
}

#[cfg(test)]
mod tests;
