//! Transport security for servers of the tests: an authority of the test's own, and servers that begin with TLS.

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Signs certificates; trusted by clients that have its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Creates an authority with a new key.
    #[must_use]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(parameters, key) }
    }

    /// Returns its certificate as PEM, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns an acceptor with a certificate of `name`.
    #[must_use]
    pub fn server(&self, name: &str) -> TlsAcceptor {
        self.acceptor(name, WebPkiClientVerifier::no_client_auth())
    }

    /// Returns an acceptor that also requires a certificate of this authority from its clients.
    #[must_use]
    pub fn server_for_identified(&self, name: &str) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        self.acceptor(name, WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
    }

    fn acceptor(&self, name: &str, clients: Arc<dyn ClientCertVerifier>) -> TlsAcceptor {
        let (certificate, key) = self.identity(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_client_cert_verifier(clients);
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
    }

    /// A certificate of `name` and its key, both as PEM.
    #[must_use]
    pub fn identity_pem(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.identity(name);
        (certificate.pem(), key.serialize_pem())
    }

    fn identity(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A server that signed its own certificate, as `openssl req -x509` makes one: it is marked as an authority's.
pub struct SelfSigned {
    certificate: Certificate,
    key: KeyPair,
}

impl SelfSigned {
    /// A certificate of `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// Creates an expired certificate of `name`.
    #[must_use]
    pub fn expired(name: &str) -> Self {
        Self::with(name, |parameters| {
            (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1))
        })
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut parameters);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { certificate: parameters.self_signed(&key).unwrap(), key }
    }

    /// The certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The certificate's fingerprint, `sha256:HEX`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.certificate.der());
        format!("sha256:{}", data_encoding::HEXLOWER.encode(digest.as_ref()))
    }

    /// Returns an acceptor with the certificate.
    #[must_use]
    pub fn server(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![self.certificate.der().clone()], key).unwrap()))
    }
}

/// Terminates TLS and forwards to a server in clear; ends with the test.
pub struct TlsFront {
    port: u16,
}

impl TlsFront {
    /// Listens on a free port of 127.0.0.1; `behind` is where the server is, such as `127.0.0.1:5672`.
    pub async fn start(acceptor: TlsAcceptor, behind: &str) -> Self {
        Self::begin(acceptor, behind, false).await
    }

    /// Starts a front for PostgreSQL, whose clients first ask in clear if TLS is supported.
    pub async fn start_before_postgres(acceptor: TlsAcceptor, behind: &str) -> Self {
        Self::begin(acceptor, behind, true).await
    }

    async fn begin(acceptor: TlsAcceptor, behind: &str, is_postgres: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, behind) = (listener.local_addr().unwrap().port(), behind.to_owned());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                // A client that refuses the certificate, or goes away, ends its own connection only.
                tokio::spawn(async move {
                    if is_postgres {
                        // SSLRequest: its length and its code.
                        let mut question = [0; 8];
                        stream.read_exact(&mut question).await.ok().filter(|_| question == [0, 0, 0, 8, 4, 210, 22, 47])?;
                        stream.write_all(b"S").await.ok()?;
                    }
                    let mut outside = acceptor.accept(stream).await.ok()?;
                    let mut inside = TcpStream::connect(behind).await.ok()?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
                });
            }
        });
        Self { port }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
