//! Passwords: what is stored of one, and whether a text is it.

use crate::error::OperationError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::LazyLock;

/// NIST SP 800-63B-4: at least 15 characters where a password is the only factor, at least 8 where it is one of two. Twelve is between.
const SHORTEST: usize = 12;
const LONGEST: usize = 200;

/// The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// Against which a name that does not exist is checked, so that it takes as long as one that does.
static OF_NOBODY: LazyLock<Option<String>> = LazyLock::new(|| argon2().hash_password(b"nobody has this").ok().map(|hash| hash.to_string()));

/// What is stored of a password, in the PHC form. Takes tens of milliseconds of a core, beside the runtime's own threads.
///
/// # Errors
/// [`OperationError::Invalid`]: too short or too long.
pub(crate) async fn digest(password: String) -> Result<String, OperationError> {
    let length = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(OperationError::Invalid(format!("a password has {SHORTEST} to {LONGEST} characters; this one has {length}")));
    }
    let hashed = tokio::task::spawn_blocking(move || argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string())).await;
    match hashed {
        Ok(Ok(digest)) => Ok(digest),
        _ => Err(OperationError::Failed("the password could not be digested".to_owned())),
    }
}

/// Whether a password is the one of a digest; `None`: of nobody, which takes as long and is never right.
pub(crate) async fn is_right(password: String, digest: Option<String>) -> bool {
    if password.chars().count() > LONGEST {
        return false;
    }
    let is_somebody = digest.is_some();
    let checked = tokio::task::spawn_blocking(move || {
        let Some(digest) = digest.or_else(|| OF_NOBODY.clone()) else { return false };
        let Ok(hash) = PasswordHash::new(&digest) else { return false };
        argon2().verify_password(password.as_bytes(), &hash).is_ok()
    });
    checked.await.unwrap_or(false) && is_somebody
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let digest = digest("correct horse".to_owned()).await.unwrap();
        assert!(digest.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{digest}");
        assert!(is_right("correct horse".to_owned(), Some(digest.clone())).await);
        assert!(!is_right("correct horsf".to_owned(), Some(digest)).await);
        assert!(!is_right("nobody has this".to_owned(), None).await, "nobody is not signed in as");
        assert!(super::digest("short".to_owned()).await.is_err());
    }
}
