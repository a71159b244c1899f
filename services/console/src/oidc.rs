//! Single sign-on by OpenID Connect: the authorization code flow with PKCE, state and nonce. People are invited first, by the address that
//! the provider vouches for: nobody gets in because a provider knows them.

use forebay_contract::with_causes;
use forebay_runtime::settings::Oidc;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What the provider says of itself, its keys included, is asked for again after this time: keys are changed.
const KNOWN_FOR: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer of a provider.
const LARGEST_ANSWER: usize = 1 << 20;

/// Why somebody was not signed in. The text is for the person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// The provider does not answer, or not as it should.
    #[error("the provider of single sign-on could not be asked: {0}")]
    Provider(String),
    /// What came back is not what was begun here.
    #[error("the sign-in was begun somewhere else, or too long ago: begin it again")]
    Foreign,
    /// The provider's answer proves nothing.
    #[error("the provider's answer could not be verified: {0}")]
    Unverified(String),
}

/// What the browser keeps from the beginning of a sign-in to its end, in a cookie that no script reads.
#[derive(Serialize, Deserialize)]
pub(crate) struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Where the person goes then.
    pub(crate) next: String,
}

/// Whom the provider has named.
pub(crate) struct Named {
    /// Issuer and subject, with a space between them.
    pub(crate) subject: String,
    /// An address that the provider has verified.
    pub(crate) email: Option<String>,
}

/// A provider.
pub(crate) struct Provider {
    settings: Oidc,
    redirect: String,
    http: reqwest::Client,
    known: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

impl Provider {
    /// Nothing is asked yet. `console`: where people reach the console.
    pub(crate) fn new(settings: Oidc, console: &str) -> Result<Self, reqwest::Error> {
        // No redirects: the token endpoint is where it says it is.
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { settings, redirect: format!("{console}/sign-in/oidc/callback"), http, known: Mutex::new(None) })
    }

    /// What people read.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where the person goes, and what the browser keeps meanwhile.
    pub(crate) async fn begin(&self, next: &str) -> Result<(String, Begun), OidcError> {
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
        let begun = Begun {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            next: next.to_owned(),
        };
        Ok((url.to_string(), begun))
    }

    /// Whom the provider has named, by the code with which the person came back.
    pub(crate) async fn finish(&self, begun: &Begun, state: &str, code: String) -> Result<Named, OidcError> {
        if begun.state != state {
            return Err(OidcError::Foreign);
        }
        let metadata = self.metadata().await?;
        // Whatever the provider signs with, as long as only it can: not a secret that both know, and not nothing.
        let is_its_own = |algorithm: &&CoreJwsSigningAlgorithm| {
            use CoreJwsSigningAlgorithm::{HmacSha256, HmacSha384, HmacSha512, None};
            !matches!(algorithm, HmacSha256 | HmacSha384 | HmacSha512 | None)
        };
        let algorithms: Vec<_> = metadata.id_token_signing_alg_values_supported().iter().filter(is_its_own).cloned().collect();
        let secret = self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), secret)
            .set_redirect_uri(self.redirect_url()?);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| OidcError::Provider(error.to_string()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()));
        let http = |request| self.send(request);
        let token = request.request_async(&http).await.map_err(|error| OidcError::Provider(with_causes(&error)))?;
        let id_token = token.id_token().ok_or_else(|| OidcError::Unverified("it holds no ID token".to_owned()))?;
        let claims: &CoreIdTokenClaims = id_token
            .claims(&client.id_token_verifier().set_allowed_algs(algorithms), &Nonce::new(begun.nonce.clone()))
            .map_err(|error| OidcError::Unverified(error.to_string()))?;
        let is_verified = claims.email_verified() == Some(true);
        let email = claims.email().filter(|_| is_verified).map(|email| email.as_str().to_owned());
        Ok(Named { subject: format!("{} {}", claims.issuer().as_str(), claims.subject().as_str()), email })
    }

    fn redirect_url(&self) -> Result<RedirectUrl, OidcError> {
        RedirectUrl::new(self.redirect.clone()).map_err(|error| OidcError::Provider(format!("FOREBAY_CONSOLE_URL: {error}")))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, OidcError> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &*known
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(metadata.clone());
        }
        let issuer = IssuerUrl::new(self.settings.issuer.expose().to_owned());
        let issuer = issuer.map_err(|error| OidcError::Provider(format!("FOREBAY_OIDC_ISSUER: {error}")))?;
        let http = |request| self.send(request);
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| OidcError::Provider(with_causes(&error)))?;
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    /// The library's own client is of another version of reqwest than ours.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let (parts, body) = request.into_parts();
        let sent = self.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await;
        let mut answer = sent.map_err(SendError::Http)?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        while let Some(chunk) = answer.chunk().await.map_err(SendError::Http)? {
            if response.body().len() + chunk.len() > LARGEST_ANSWER {
                return Err(SendError::TooLarge);
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

/// Why a request to the provider failed.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    #[error("its answer is over 1 MiB")]
    TooLarge,
}
