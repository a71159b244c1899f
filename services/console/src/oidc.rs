//! Single sign-on by OpenID Connect: the authorization code flow with PKCE, state and nonce. Users are invited first, by an address that
//! the provider has verified: an account at the provider alone gives no access.

use forebay_contract::{Secret, exposed_secret, with_causes};
use forebay_runtime::settings::Oidc;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Time after which the metadata and keys of the provider are fetched again, because keys change.
const METADATA_LIFETIME: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum bytes of a response of the provider.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// The reason for which a sign-in failed. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// The provider does not respond, or its response is invalid.
    #[error("The request to the provider of single sign-on failed: {0}.")]
    Provider(String),
    /// The callback does not belong to a sign-in that this browser began.
    #[error("The sign-in began in another browser, or has expired. Sign in again.")]
    Foreign,
    /// The provider's response does not prove the identity.
    #[error("The response of the provider of single sign-on is not valid: {0}.")]
    Unverified(String),
}

/// The state of a sign-in in the browser, in a cookie that scripts cannot read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PendingSignIn {
    state: String,
    #[serde(with = "exposed_secret")]
    nonce: Secret,
    #[serde(with = "exposed_secret")]
    verifier: Secret,
    /// The address to which the browser goes after it.
    pub(crate) next: String,
}

/// The identity that the provider has confirmed.
pub(crate) struct Identity {
    /// Issuer and subject, with a space between them.
    pub(crate) subject: String,
    /// An address that the provider has verified.
    pub(crate) email: Option<String>,
}

/// The provider of single sign-on.
pub(crate) struct Provider {
    settings: Oidc,
    redirect: String,
    http: reqwest::Client,
    metadata: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

impl Provider {
    /// Creates the client; nothing is fetched yet. `console` is the public address of the console.
    pub(crate) fn new(settings: Oidc, console: &str) -> Result<Self, reqwest::Error> {
        // No redirects: the token endpoint itself must respond.
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { settings, redirect: format!("{console}/sign-in/oidc/callback"), http, metadata: Mutex::new(None) })
    }

    /// Returns the name of the provider for the sign-in page.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Returns the address of the provider to go to, and the state for the cookie.
    pub(crate) async fn begin(&self, next: &str) -> Result<(String, PendingSignIn), OidcError> {
        let metadata = self.metadata().await?;
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), None)
            .set_redirect_uri(self.redirect_url()?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let pending = PendingSignIn {
            state: state.secret().clone(),
            nonce: nonce.secret().clone().into(),
            verifier: verifier.secret().clone().into(),
            next: next.to_owned(),
        };
        Ok((url.to_string(), pending))
    }

    /// Returns the identity for the code that the provider sent back.
    pub(crate) async fn finish(&self, pending: &PendingSignIn, state: &str, code: &Secret) -> Result<Identity, OidcError> {
        if pending.state != state {
            return Err(OidcError::Foreign);
        }
        let metadata = self.metadata().await?;
        // Allows any algorithm with a signature that only the provider can create: no shared secret, and not `none`.
        let is_asymmetric = |algorithm: &&CoreJwsSigningAlgorithm| {
            use CoreJwsSigningAlgorithm::{HmacSha256, HmacSha384, HmacSha512, None};
            !matches!(algorithm, HmacSha256 | HmacSha384 | HmacSha512 | None)
        };
        let algorithms: Vec<_> = metadata.id_token_signing_alg_values_supported().iter().filter(is_asymmetric).cloned().collect();
        let secret = self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), secret)
            .set_redirect_uri(self.redirect_url()?);
        let request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .map_err(|error| OidcError::Provider(error.to_string()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.expose().to_owned()));
        let http = |request| self.send(request);
        let token = request.request_async(&http).await.map_err(|error| OidcError::Provider(with_causes(&error)))?;
        let id_token = token.id_token().ok_or_else(|| OidcError::Unverified("it has no ID token".to_owned()))?;
        let claims: &CoreIdTokenClaims = id_token
            .claims(&client.id_token_verifier().set_allowed_algs(algorithms), &Nonce::new(pending.nonce.expose().to_owned()))
            .map_err(|error| OidcError::Unverified(error.to_string()))?;
        let is_verified = claims.email_verified() == Some(true);
        let email = claims.email().filter(|_| is_verified).map(|email| email.as_str().to_owned());
        Ok(Identity { subject: format!("{} {}", claims.issuer().as_str(), claims.subject().as_str()), email })
    }

    fn redirect_url(&self) -> Result<RedirectUrl, OidcError> {
        RedirectUrl::new(self.redirect.clone()).map_err(|error| OidcError::Provider(format!("FOREBAY_CONSOLE_URL: {error}")))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, OidcError> {
        let mut cached = self.metadata.lock().await;
        if let Some((at, metadata)) = &*cached
            && at.elapsed() < METADATA_LIFETIME
        {
            return Ok(metadata.clone());
        }
        let issuer = IssuerUrl::new(self.settings.issuer.expose().to_owned());
        let issuer = issuer.map_err(|error| OidcError::Provider(format!("FOREBAY_OIDC_ISSUER: {error}")))?;
        let http = |request| self.send(request);
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| OidcError::Provider(with_causes(&error)))?;
        *cached = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    /// Sends a request with our client, because the library uses another version of reqwest.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let (parts, body) = request.into_parts();
        let sent = self.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await;
        let mut received = sent.map_err(SendError::Http)?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = received.status();
        *response.headers_mut() = received.headers().clone();
        while let Some(chunk) = received.chunk().await.map_err(SendError::Http)? {
            if response.body().len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(SendError::TooLarge);
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

/// The reason for which a request to the provider failed.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no response")]
    Http(#[source] reqwest::Error),
    #[error("the response is larger than 1 MiB")]
    TooLarge,
}
