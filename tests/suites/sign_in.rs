//! Signing in to the console with a provider of OpenID Connect.

use forebay_tests::{IdentityProvider, Process, Stack};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response};

/// A browser that follows redirects by hand, with one cookie jar.
struct Browser {
    http: Client,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new() -> Self {
        Self { http: Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(), cookies: Vec::new() }
    }

    fn take(&mut self, response: &Response) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert!(text.contains("HttpOnly") && text.contains("SameSite=Lax") && text.contains("Path=/"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(cookie, _)| cookie != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    async fn get(&mut self, url: &str) -> Response {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = self.http.get(url).header(COOKIE, cookies.join("; ")).send().await.unwrap();
        self.take(&response);
        response
    }

    /// Goes to the provider and back; returns the last response.
    async fn sign_in(&mut self, console: &str) -> Response {
        let begun = self.get(&format!("{console}/sign-in/oidc?next=%2Fexecutions")).await;
        let back = self.get(begun.headers()[LOCATION].to_str().unwrap()).await;
        let callback = back.headers()[LOCATION].to_str().unwrap().to_owned();
        self.get(&callback).await
    }
}

async fn set_up(stack: &Stack, dev: &Process) -> Browser {
    let log = stack.log_of("dev");
    let code = log.split("/setup?code=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let mut browser = Browser::new();
    let form = format!("code={code}&name=ada&password=correct+horse+battery");
    let answer = browser.http.post(format!("{}/setup", dev.console)).header(ORIGIN, &dev.console).body(form).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    browser.take(&answer);
    browser
}

async fn invite(browser: &Browser, console: &str, name: &str) {
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let form = format!("name={name}&password=&tenant=acme&role=viewer");
    let request = browser.http.post(format!("{console}/users")).header(ORIGIN, console).header(COOKIE, cookies.join("; ")).body(form);
    assert_eq!(request.send().await.unwrap().status(), 303);
}

#[tokio::test]
async fn who_was_invited_signs_in_by_the_provider_and_nobody_else_does() {
    let provider = IdentityProvider::start().await;
    let stack = Stack::new().await;
    let dev = stack.start_with("dev", &[("FOREBAY_OIDC_ISSUER", provider.issuer()), ("FOREBAY_OIDC_CLIENT_ID", "forebay")]).await;
    let administrator = set_up(&stack, &dev).await;
    invite(&administrator, &dev.console, "vera%40example.com").await;

    provider.set_claims("sub-9", "stranger@example.com", true, None);
    let answer = Browser::new().sign_in(&dev.console).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("Ask an administrator to add a user with this name"));

    provider.set_claims("sub-1", "vera@example.com", false, None);
    assert_eq!(Browser::new().sign_in(&dev.console).await.status(), 403, "an address that the provider does not vouch for is nobody's");

    provider.set_claims("sub-1", "vera@example.com", true, Some("another"));
    let answer = Browser::new().sign_in(&dev.console).await;
    assert_eq!(answer.status(), 403, "a token that was made for another sign-in");
    assert!(answer.text().await.unwrap().contains("is not valid"));

    provider.set_claims("sub-1", "Vera@Example.com", true, None);
    let mut vera = Browser::new();
    let answer = vera.sign_in(&dev.console).await;
    assert_eq!((answer.status().as_u16(), answer.headers()[LOCATION].to_str().unwrap()), (303, "/executions"));
    let page = vera.get(&format!("{}/executions", dev.console)).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("vera@example.com"));

    // The user is recognized by the subject from now on, at any address; and the address is in use.
    provider.set_claims("sub-1", "vera.married@example.com", true, None);
    assert_eq!(Browser::new().sign_in(&dev.console).await.status(), 303);
    provider.set_claims("sub-2", "vera@example.com", true, None);
    assert_eq!(Browser::new().sign_in(&dev.console).await.status(), 403, "another subject with the address of somebody who has signed in");

    // Begun in one browser and ended in another: the state of the other one does not match.
    provider.set_claims("sub-1", "vera@example.com", true, None);
    let (mut one, mut other) = (Browser::new(), Browser::new());
    let begun = one.get(&format!("{}/sign-in/oidc", dev.console)).await;
    other.get(&format!("{}/sign-in/oidc", dev.console)).await;
    let back = one.get(begun.headers()[LOCATION].to_str().unwrap()).await;
    let callback = back.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(other.get(&callback).await.status(), 403);
    assert_eq!(one.get(&callback).await.status(), 303);
    assert_eq!(one.get(&callback).await.status(), 403, "a code works once");
}
