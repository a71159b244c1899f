//! Access tokens that processes share. Many servers revoke a client's earlier token when they issue a new one: processes that fetch their
//! own tokens would revoke one another's.

use crate::name::Name;
use crate::secret::Secret;
use std::pin::Pin;
use std::time::Duration;

/// An answer of a [`TokenStore`].
pub type TokenFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TokenStoreError>> + Send + 'a>>;

/// The owner of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// The tenant.
    pub tenant: Name,
    /// The connection.
    pub connection: Name,
    /// All settings that the token depends on. A changed connection is another owner, and does not get the earlier token.
    pub settings: Secret,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedToken {
    /// The access token itself.
    pub token: Secret,
    /// The time for which it may still be used.
    pub usable_for: Duration,
}

/// The next action of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenTurn {
    /// Use this token.
    Use(SharedToken),
    /// Fetch a new token and store it, or return the turn; other processes wait meanwhile. The number identifies the turn.
    Fetch(i64),
    /// Ask again soon: another process fetches a token.
    Wait,
}

/// The reason for which the store does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenStoreError(pub String);

/// The store in which processes share tokens.
pub trait TokenStore: Send + Sync {
    /// Returns the owner's token, or the turn to fetch a new one. `refused` is a token that the server has refused; it is not returned
    /// again.
    fn turn<'a>(&'a self, owner: &'a TokenOwner, refused: Option<&'a Secret>) -> TokenFuture<'a, TokenTurn>;

    /// Ends the turn: stores the fetched token, or nothing.
    fn end<'a>(&'a self, owner: &'a TokenOwner, turn: i64, fetched: Option<&'a SharedToken>) -> TokenFuture<'a, ()>;
}
