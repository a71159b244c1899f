//! Passwords: their stored digests, and checking them.
//!
//! A check takes 19 MiB and tens of milliseconds of a core, and anybody may cause it: few are run in parallel, a few more wait, and further
//! ones are refused.

use crate::error::OperationError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use forebay_contract::Secret;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Minimum characters. NIST SP 800-63B-4: at least 15 if a password is the only factor, at least 8 if it is one of two. Twelve is between.
const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 200;
/// Minimum strength: a million guesses, by words, names, common passwords, patterns of keys, repetitions and dates.
const WEAKEST: zxcvbn::Score = zxcvbn::Score::Two;

/// Returns the first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The digest for names that do not exist, so that checking them takes as long as for existing ones.
static OF_NOBODY: LazyLock<Option<Secret>> =
    LazyLock::new(|| argon2().hash_password(b"nobody has this").ok().map(|hash| hash.to_string().into()));

/// The queue in which a check of a password waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Anybody.
    Anybody,
    /// A signed-in person, or a device with an earlier sign-in: not refused because of the others.
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

/// Bounds the passwords that are checked in parallel.
pub(crate) struct Passwords {
    places: Semaphore,
    waiting: AtomicUsize,
}

/// The permission to check one password now.
pub(crate) struct Turn<'p> {
    _place: SemaphorePermit<'p>,
}

/// Leaves the queue when dropped, also if the caller has hung up.
struct InLine<'p>(&'p AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Passwords {
    /// Creates as many turns as there are cores, 2 to 4.
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

    /// Returns the digest of a new password of a known person, to be stored.
    ///
    /// `words` are texts about the person, such as the name, which would be guessed first.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: it is not a valid password; [`OperationError::Busy`].
    pub(crate) async fn digest(&self, password: Secret, words: &[&str]) -> Result<Secret, OperationError> {
        check(password.expose(), words)?;
        let turn = self.turn(Waiting::Known).await?;
        digest(password, &turn).await
    }
}

/// Checks that a text may be a password.
///
/// # Errors
/// [`OperationError::Invalid`]: too short, too long, or easy to guess.
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

/// Returns the digest of a password in the PHC form, to be stored. It takes tens of milliseconds of a core, on another thread than the
/// runtime's.
///
/// # Errors
/// [`OperationError::Failed`].
async fn digest(password: Secret, _: &Turn<'_>) -> Result<Secret, OperationError> {
    let hash = move || argon2().hash_password(password.expose().as_bytes()).map(|hash| Secret::from(hash.to_string()));
    let hashed = tokio::task::spawn_blocking(hash).await;
    match hashed {
        Ok(Ok(digest)) => Ok(digest),
        _ => Err(OperationError::Failed("the password could not be digested".to_owned())),
    }
}

/// Returns true if a password matches a digest; `None`: of an unknown name, which takes as long and is never right.
pub(crate) async fn is_right(password: Secret, digest: Option<Secret>, _: &Turn<'_>) -> bool {
    if password.expose().chars().count() > MAX_LENGTH {
        return false;
    }
    let is_somebody = digest.is_some();
    let checked = tokio::task::spawn_blocking(move || {
        let Some(digest) = digest.or_else(|| OF_NOBODY.clone()) else { return false };
        let Ok(hash) = PasswordHash::new(digest.expose()) else { return false };
        argon2().verify_password(password.expose().as_bytes(), &hash).is_ok()
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
        let digest = passwords.digest(Secret::new("correct horse"), &[]).await.unwrap();
        assert!(digest.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", digest.expose());
        let turn = passwords.turn(Waiting::Anybody).await.unwrap();
        assert!(is_right(Secret::new("correct horse"), Some(digest.clone()), &turn).await);
        assert!(!is_right(Secret::new("correct horsf"), Some(digest), &turn).await);
        assert!(!is_right(Secret::new("nobody has this"), None, &turn).await, "nobody is not signed in as");
        assert!(passwords.digest(Secret::new("short"), &[]).await.is_err());
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
        // A caller hangs up, which makes room in the queue.
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
