//! Connections to HTTP services.

mod auth;
pub mod client;
pub mod retry_after;
pub mod send;
mod token;

pub use auth::Headers;
pub(crate) use client::OwnClients;
pub(crate) use token::Tokens;

use crate::Target;
use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::target::host_and_port;
use forebay_contract::connection::{ClientCredentials, HttpAuthentication, HttpConnection};
use forebay_contract::definition::Redirects;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Request, Url};
use send::{Called, NotFollowed, Sent, origin, send};

/// All characters except the unreserved ones of RFC 3986, section 2.3: `application/x-www-form-urlencoded` of RFC 6749, appendix B, but
/// with `%20` for blanks, which is equivalent.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Connector for HttpConnection {
    fn address(&self) -> String {
        host_and_port(&self.url, &[])
    }

    fn conceal(&self, concealment: &mut Concealment) {
        concealment.add_url(&self.url);
        self.headers.iter().for_each(|(_, value)| concealment.add_secret(value.expose()));
        match &self.authentication {
            HttpAuthentication::None => {}
            HttpAuthentication::Basic { username, password } => concealment.add_credentials(username, password.expose()),
            HttpAuthentication::ApiKey { header: _, value } => concealment.add_secret(value.expose()),
            HttpAuthentication::Bearer(token) => concealment.add_secret(token.expose()),
            HttpAuthentication::OAuth2(credentials) => {
                let ClientCredentials { token_url, client_id, client_secret, scope: _, parameters: _, in_body: _ } = credentials;
                concealment.add_url(token_url);
                concealment.add_credentials(client_id, client_secret.expose());
                // In the form in which the client sends them: RFC 6749, section 2.3.1.
                concealment.add_credentials(&form_encoded(client_id), &form_encoded(client_secret.expose()));
            }
        }
    }

    fn tls_advice(&self) -> TlsAdvice {
        TlsAdvice { takes_certificate: true, in_clear: "`http://`" }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(check(self, test))
    }
}

/// Sends a GET request to the address itself: only 401 and 403 are significant, since paths of steps are below it.
async fn check(http: &HttpConnection, test: Test<'_>) -> Result<String, ExecutionError> {
    let Test { connectors, client, connection } = test;
    let target = Target(connection);
    let anew = connectors.of_a_test();
    let headers = anew.authorize(client, connection, http).await?;
    let wrong = |code, what: String| ExecutionError::permanent(code, format!("{target}: {what}"));
    let url = Url::parse(&http.url).map_err(|error| wrong(ErrorCode::Connection, format!("url cannot be read: {error}")))?;
    connectors.reach().check_url(&url).map_err(|refused| wrong(ErrorCode::Unreachable, refused.to_string()))?;
    let mut request = Request::new(Method::GET, url.clone());
    request.headers_mut().extend(headers);
    let called = Called::by_connection(&Method::GET, connection, "");
    let client = connectors.client_for(client, connection, http, request.url())?;
    let Sent { response, not_followed } = send(&client, request, Redirects::Error, &called).await.map_err(|error| {
        // The errors of TLS and of addresses that are not permitted contain advice already.
        let advice = if error.transient { "; check url" } else { "" };
        ExecutionError { message: format!("{}{advice}", error.message), ..error }
    })?;
    let status = response.status();
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        return Err(wrong(ErrorCode::Connection, format!("it answered {status}; check authentication")));
    }
    let redirect = not_followed.as_ref().map(|not_followed| not_followed.explain(&Method::GET, "url")).unwrap_or_default();
    if let Some(other) = not_followed.as_ref().and_then(NotFollowed::moved_to) {
        let what = format!("it answered {status}{redirect}: begin it with {other} in place of {}", origin(&url));
        return Err(wrong(ErrorCode::Connection, what));
    }
    // The path may be a secret.
    Ok(format!("HTTP service at {}, answered {status} to a GET{redirect}", http.address()))
}

fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
