//! A client of the admin API: a method for each route, with the types of its request and response.

mod credentials;
mod definitions;
mod error;
mod history;
mod monitor;
mod people;

pub use error::ClientError;

use crate::paging::{MAX_PAGE, Page, PageQuery, Paged};
use crate::problem::Problem;
use forebay_contract::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Client, Method, Request, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// No parameters.
const NO_QUERY: &[(); 0] = &[];
/// No body.
const NO_BODY: Option<&()> = None;

/// An admin API and the token of the caller.
#[derive(Debug)]
pub struct AdminClient {
    http: Client,
    root: Url,
    authorization: HeaderValue,
}

impl AdminClient {
    /// The admin API of the console at `url`, such as `https://forebay.example`. Nothing is sent yet.
    ///
    /// # Errors
    /// `url` is not the address of a server, or the token has characters that no token has.
    pub fn new(http: Client, url: &str, token: &Secret) -> Result<Self, ClientError> {
        let root = format!("{}/api/v1/", url.trim_end_matches('/')).parse::<Url>().ok().filter(Url::has_host);
        let root = root.ok_or_else(|| ClientError::Url(url.to_owned()))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| ClientError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self { http, root, authorization })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(Method::GET, path, NO_QUERY, NO_BODY).await
    }

    async fn get_with<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.read(Method::GET, path, query, NO_BODY).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(Method::POST, path, NO_QUERY, Some(body)).await
    }

    /// A POST that needs no body.
    async fn trigger<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(Method::POST, path, NO_QUERY, NO_BODY).await
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(Method::PUT, path, NO_QUERY, Some(body)).await
    }

    async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(Method::PATCH, path, NO_QUERY, Some(body)).await
    }

    async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(Method::DELETE, path, NO_QUERY, NO_BODY).await
    }

    /// The first `max` rows of a listing, read page by page.
    async fn list<Q: Paged + Serialize, T: DeserializeOwned>(&self, path: &str, mut query: Q, max: u32) -> Result<Vec<T>, ClientError> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let left = max.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            if left == 0 {
                return Ok(items);
            }
            query.set_page(PageQuery { limit: Some(left.min(MAX_PAGE)), cursor: cursor.take() });
            let page: Page<T> = self.get_with(path, &query).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(items),
            }
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &impl Serialize,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let response = self.send(self.request(method, path, query, body)?).await?;
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&body).map_err(|source| self.unreadable(path, source))
    }

    /// Sends a request whose response is a stream.
    async fn follow(&self, path: &str, query: &impl Serialize) -> Result<Response, ClientError> {
        self.send(self.request(Method::GET, path, query, NO_BODY)?).await
    }

    async fn send(&self, request: Request) -> Result<Response, ClientError> {
        let response = self.http.execute(request).await.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    fn request(&self, method: Method, path: &str, query: &impl Serialize, body: Option<&impl Serialize>) -> Result<Request, ClientError> {
        let mut url = self.root.join(path).map_err(|_| ClientError::Url(path.to_owned()))?;
        for (name, value) in parameters(query)? {
            url.query_pairs_mut().append_pair(&name, &value);
        }
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(IF_MATCH, HeaderValue::from_static("*"));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(serde_json::to_vec(body).map_err(ClientError::Body)?.into());
        }
        Ok(request)
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.root.to_string(), source: source.without_url() }
    }

    fn unreadable(&self, path: &str, source: serde_json::Error) -> ClientError {
        ClientError::Unreadable { url: format!("{}{path}", self.root), source }
    }

    async fn refused(&self, response: Response) -> ClientError {
        let status = response.status();
        let problem: Option<Problem> = response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok());
        ClientError::Refused { url: self.root.to_string(), status: status.as_u16(), problem }
    }
}

/// The parameters of a query by their names; those without a value are left out.
fn parameters(query: &impl Serialize) -> Result<Vec<(String, String)>, ClientError> {
    let Value::Object(fields) = serde_json::to_value(query).map_err(ClientError::Body)? else { return Ok(Vec::new()) };
    let given = fields.into_iter().filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    });
    Ok(given.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executions::ExecutionQuery;
    use crate::text::NameText;

    #[test]
    fn a_query_has_what_is_given_only() {
        let query = ExecutionQuery { tenant: Some(NameText::new("t1")), limit: Some(5), ..ExecutionQuery::default() };
        let expected = [("tenant".to_owned(), "t1".to_owned()), ("limit".to_owned(), "5".to_owned())];
        assert_eq!(parameters(&query).unwrap(), expected);
        assert_eq!(parameters(NO_QUERY).unwrap(), []);
    }
}
