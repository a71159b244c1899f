//! Access tokens that processes share. Many servers end a client's earlier token when they give a new one: processes that each fetch
//! their own would end one another's.

use crate::name::Name;
use crate::secret::Secret;
use std::pin::Pin;
use std::time::Duration;

/// An answer of a [`TokenStore`].
pub type TokenFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TokenStoreError>> + Send + 'a>>;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// The tenant.
    pub tenant: Name,
    /// The connection.
    pub connection: Name,
    /// Everything that the token depends on. A connection that is changed has another owner, and does not get the earlier token.
    pub settings: Secret,
}

/// A token that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedToken {
    /// The access token itself.
    pub token: Secret,
    /// How long it may still be used.
    pub usable_for: Duration,
}

/// What a process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenTurn {
    /// Use this one.
    Use(SharedToken),
    /// Fetch a new one and keep it, or give the turn back; others wait meanwhile. The number names the turn.
    Fetch(i64),
    /// Another process fetches one: ask again soon.
    Wait,
}

/// Why the store cannot be asked now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenStoreError(pub String);

/// Where processes share tokens.
pub trait TokenStore: Send + Sync {
    /// The owner's token, or the turn to fetch a new one. `refused`: a token that the server has refused, which is not given again.
    fn turn<'a>(&'a self, owner: &'a TokenOwner, refused: Option<&'a Secret>) -> TokenFuture<'a, TokenTurn>;

    /// Ends the turn: keeps the token that was fetched, or nothing.
    fn end<'a>(&'a self, owner: &'a TokenOwner, turn: i64, fetched: Option<&'a SharedToken>) -> TokenFuture<'a, ()>;
}
