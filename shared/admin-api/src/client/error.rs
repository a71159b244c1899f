//! Errors of the client.

use crate::problem::Problem;

/// A request that was not done. Display never repeats the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the console is not one.
    #[error("'{0}' is not a URL such as https://forebay.example")]
    Url(String),
    /// The token has characters that no token has.
    #[error("the token has invalid characters; copy it again")]
    Token,
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON")]
    Body(#[source] serde_json::Error),
    /// No response.
    #[error("{url} does not respond: check that it is the URL of a console, and that the console runs")]
    Unreachable {
        /// The root of the API.
        url: String,
        /// The error of the HTTP client.
        source: reqwest::Error,
    },
    /// The console refused the request.
    #[error("{}", refused(url, *status, problem.as_ref()))]
    Refused {
        /// The root of the API.
        url: String,
        /// The status of its response.
        status: u16,
        /// Its problem; `None`: the response holds none, so it may not be a console's.
        problem: Option<Problem>,
    },
    /// The response is not the one of this route.
    #[error("this version cannot read the response of {url}: check that it is the URL of a console of the same version")]
    Unreadable {
        /// The address of the request.
        url: String,
        /// The problem of the response.
        source: serde_json::Error,
    },
}

fn refused(url: &str, status: u16, problem: Option<&Problem>) -> String {
    match problem {
        Some(problem) => problem.detail.clone(),
        None => format!("{url} responds with {status}: check that it is the URL of a console"),
    }
}
