//! The access of the person at the host.

use forebay_contract::Secret;
use sha2::{Digest, Sha256};
use std::fmt;

/// Gives the holder of a token the rights of the person at this machine, who could change the database directly. The command starts the API
/// with such a token.
#[derive(Clone)]
pub struct HostAccess {
    name: String,
    digest: [u8; 32],
}

impl HostAccess {
    /// Creates the access; `name` is the name in the audit log.
    #[must_use]
    pub fn new(token: &Secret, name: String) -> Self {
        Self { digest: Sha256::digest(token.expose()).into(), name }
    }

    /// Returns true for the token.
    pub(crate) fn is_token(&self, token: &Secret) -> bool {
        self.digest == <[u8; 32]>::from(Sha256::digest(token.expose()))
    }

    /// Returns the name in the audit log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for HostAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostAccess").field("name", &self.name).finish_non_exhaustive()
    }
}
