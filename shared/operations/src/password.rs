//! Passwords: what is stored of one, and whether a text is it.
//!
//! Each takes 19 MiB and tens of milliseconds of a core, and anybody may ask for it: few are checked at once, few more wait, and the rest is
//! refused.

use crate::error::OperationError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// NIST SP 800-63B-4: at least 15 characters where a password is the only factor, at least 8 where it is one of two. Twelve is between.
const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 200;
/// Beyond a million guesses, by words, names, passwords of others, patterns of keys, repetitions and dates.
const WEAKEST: zxcvbn::Score = zxcvbn::Score::Two;

/// The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// Against which a name that does not exist is checked, so that it takes as long as one that does.
static OF_NOBODY: LazyLock<Option<String>> = LazyLock::new(|| argon2().hash_password(b"nobody has this").ok().map(|hash| hash.to_string()));

/// The line in which a check of a password waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Anybody.
    Anybody,
    /// Somebody who is signed in, or at a device that has signed in before: not refused because of the others.
    Known,
}

impl Waiting {
    /// Returns the number of checks that may wait for one more to be admitted.
    fn line(self) -> usize {
        match self {
            Self::Anybody => 32,
            Self::Known => 64,
        }
    }
}

/// Bounds how many passwords are checked at once.
pub(crate) struct Passwords {
    places: Semaphore,
    waiting: AtomicUsize,
}

/// The right to check one password now.
pub(crate) struct Turn<'p> {
    _place: SemaphorePermit<'p>,
}

/// Leaves the line, also where the caller has hung up.
struct InLine<'p>(&'p AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Passwords {
    /// As many at once as there are cores, 2 to 4.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { places: Semaphore::new(cores.clamp(2, 4)), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`OperationError::Busy`]: too many wait already.
    pub(crate) async fn turn(&self, waiting: Waiting) -> Result<Turn<'_>, OperationError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(Turn { _place: place });
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _in_line = InLine(&self.waiting);
        if before >= waiting.line() {
            return Err(OperationError::Busy);
        }
        let place = self.places.acquire().await.map_err(|_| OperationError::Busy)?;
        Ok(Turn { _place: place })
    }

    /// The digest to store of a new password of somebody who is known.
    ///
    /// `words`: what stands about the person elsewhere, such as the name, and is guessed first.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: it may not be a password; [`OperationError::Busy`].
    pub(crate) async fn digest(&self, password: String, words: &[&str]) -> Result<String, OperationError> {
        check(&password, words)?;
        let turn = self.turn(Waiting::Known).await?;
        digest(password, &turn).await
    }
}

/// Checks that a text may be a password.
///
/// # Errors
/// [`OperationError::Invalid`]: too short, too long, or one of those that are guessed first.
fn check(password: &str, words: &[&str]) -> Result<(), OperationError> {
    let length = password.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        return Err(OperationError::Invalid(format!("a password has {MIN_LENGTH} to {MAX_LENGTH} characters; this one has {length}")));
    }
    let words: Vec<&str> = words.iter().copied().chain(["forebay"]).collect();
    if zxcvbn::zxcvbn(password, &words).score() < WEAKEST {
        let why =
            "this password is one of those that are guessed first: use several words that do not belong together and are not your name";
        return Err(OperationError::Invalid(why.to_owned()));
    }
    Ok(())
}

/// The digest to store of a password, in the PHC form. Takes tens of milliseconds of a core, beside the runtime's own threads.
///
/// # Errors
/// [`OperationError::Failed`].
async fn digest(password: String, _: &Turn<'_>) -> Result<String, OperationError> {
    let hashed = tokio::task::spawn_blocking(move || argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string())).await;
    match hashed {
        Ok(Ok(digest)) => Ok(digest),
        _ => Err(OperationError::Failed("the password could not be digested".to_owned())),
    }
}

/// Returns true if a password is the one of a digest; `None`: of nobody, which takes as long and is never right.
pub(crate) async fn is_right(password: String, digest: Option<String>, _: &Turn<'_>) -> bool {
    if password.chars().count() > MAX_LENGTH {
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

    fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
        std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::new();
        let digest = passwords.digest("correct horse".to_owned(), &[]).await.unwrap();
        assert!(digest.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{digest}");
        let turn = passwords.turn(Waiting::Anybody).await.unwrap();
        assert!(is_right("correct horse".to_owned(), Some(digest.clone()), &turn).await);
        assert!(!is_right("correct horsf".to_owned(), Some(digest), &turn).await);
        assert!(!is_right("nobody has this".to_owned(), None, &turn).await, "nobody is not signed in as");
        assert!(passwords.digest("short".to_owned(), &[]).await.is_err());
    }

    #[test]
    fn a_common_password_is_refused() {
        let words = ["anna.andersson@example.com", "Anna Andersson"];
        for weak in ["password1234", "qwertyuiop12", "aaaaaaaaaaaa", "123456789012", "Anna Andersson", "forebayforebay", "abcabcabcabc"] {
            let error = check(weak, &words).unwrap_err().to_string();
            assert!(error.contains("guessed first") && !error.contains(weak), "{weak}: {error}");
        }
        for fine in ["correct horse battery", "a long password", "Vinter-snö på taket", "x7!kq0ZpL2vw"] {
            assert!(check(fine, &words).is_ok(), "{fine}");
        }
    }

    #[tokio::test]
    async fn few_are_checked_at_once_few_wait_and_those_who_are_known_are_not_refused_because_of_the_others() {
        let passwords = Passwords::new();
        let places = passwords.places.available_permits();
        assert!((2..=4).contains(&places));
        let mut running = Vec::new();
        for _ in 0..places {
            running.push(passwords.turn(Waiting::Anybody).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..Waiting::Anybody.line()).map(|_| Box::pin(passwords.turn(Waiting::Anybody))).collect();
        for one in &mut waiting {
            assert!(is_pending(one));
        }
        assert!(matches!(passwords.turn(Waiting::Anybody).await, Err(OperationError::Busy)));
        let mut known = Box::pin(passwords.turn(Waiting::Known));
        assert!(is_pending(&mut known));
        // Somebody hangs up, which makes room in the line.
        drop((waiting.pop(), known));
        let mut next = Box::pin(passwords.turn(Waiting::Anybody));
        assert!(is_pending(&mut next));
        drop(running);
        for one in waiting {
            drop(one.await.unwrap());
        }
        drop(next.await.unwrap());
        assert_eq!((passwords.places.available_permits(), passwords.waiting.load(Ordering::Relaxed)), (places, 0));
    }
}
