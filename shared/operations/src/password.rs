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
const MIN_SCORE: zxcvbn::Score = zxcvbn::Score::Two;

/// Returns the first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The digest for names that do not exist, so that checking them takes as long as for existing ones.
static UNKNOWN_NAME_DIGEST: LazyLock<Option<Secret>> =
    LazyLock::new(|| argon2().hash_password(b"nobody has this").ok().map(|hash| hash.to_string().into()));

/// The sender of a check of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Anybody.
    Anybody,
    /// A signed-in user, or a device with an earlier sign-in: not refused because of the others.
    Recognized,
}

impl Sender {
    /// Returns the number of waiting checks from which on a further one is refused.
    fn max_waiting(self) -> usize {
        match self {
            Self::Anybody => 32,
            Self::Recognized => 64,
        }
    }
}

/// Bounds the passwords that are checked in parallel.
pub(crate) struct Passwords {
    permits: Semaphore,
    waiting: AtomicUsize,
}

/// The permission to check one password now.
pub(crate) struct Permit<'p> {
    _permit: SemaphorePermit<'p>,
}

/// Leaves the queue when dropped, also if the caller has disconnected.
struct Queued<'p>(&'p AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Passwords {
    /// Creates as many permits as there are cores, 2 to 4.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { permits: Semaphore::new(cores.clamp(2, 4)), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`OperationError::Busy`]: too many wait already.
    pub(crate) async fn permit(&self, sender: Sender) -> Result<Permit<'_>, OperationError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(Permit { _permit: permit });
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _queued = Queued(&self.waiting);
        if before >= sender.max_waiting() {
            return Err(OperationError::Busy);
        }
        let permit = self.permits.acquire().await.map_err(|_| OperationError::Busy)?;
        Ok(Permit { _permit: permit })
    }

    /// Returns the digest of a new password of a signed-in user, to be stored.
    ///
    /// `words` are texts about the user, such as the name, which would be guessed first.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: it is not a valid password; [`OperationError::Busy`].
    pub(crate) async fn digest(&self, password: Secret, words: &[&str]) -> Result<Secret, OperationError> {
        check(password.expose(), words)?;
        let permit = self.permit(Sender::Recognized).await?;
        digest(password, &permit).await
    }
}

/// Checks that a text may be a password.
///
/// # Errors
/// [`OperationError::Invalid`]: too short, too long, or easy to guess.
fn check(password: &str, words: &[&str]) -> Result<(), OperationError> {
    let length = password.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        return Err(OperationError::Invalid(format!("the password has {length} characters: use {MIN_LENGTH} to {MAX_LENGTH}")));
    }
    let words: Vec<&str> = words.iter().copied().chain(["forebay"]).collect();
    if zxcvbn::zxcvbn(password, &words).score() < MIN_SCORE {
        let reason = "this password is easy to guess: use several unrelated words, without your name";
        return Err(OperationError::Invalid(reason.to_owned()));
    }
    Ok(())
}

/// Returns the digest of a password in the PHC form, to be stored. It takes tens of milliseconds of a core, on another thread than the
/// runtime's.
///
/// # Errors
/// [`OperationError::Failed`].
async fn digest(password: Secret, _: &Permit<'_>) -> Result<Secret, OperationError> {
    let hash = move || argon2().hash_password(password.expose().as_bytes()).map(|hash| Secret::from(hash.to_string()));
    let hashed = tokio::task::spawn_blocking(hash).await;
    match hashed {
        Ok(Ok(digest)) => Ok(digest),
        _ => Err(OperationError::Failed("the password could not be digested".to_owned())),
    }
}

/// Returns true if a password matches a digest; `None`: of an unknown name, which takes as long and is never right.
pub(crate) async fn is_right(password: Secret, digest: Option<Secret>, _: &Permit<'_>) -> bool {
    if password.expose().chars().count() > MAX_LENGTH {
        return false;
    }
    let exists = digest.is_some();
    let checked = tokio::task::spawn_blocking(move || {
        let Some(digest) = digest.or_else(|| UNKNOWN_NAME_DIGEST.clone()) else { return false };
        let Ok(hash) = PasswordHash::new(digest.expose()) else { return false };
        argon2().verify_password(password.expose().as_bytes(), &hash).is_ok()
    });
    checked.await.unwrap_or(false) && exists
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
        let permit = passwords.permit(Sender::Anybody).await.unwrap();
        assert!(is_right(Secret::new("correct horse"), Some(digest.clone()), &permit).await);
        assert!(!is_right(Secret::new("correct horsf"), Some(digest), &permit).await);
        assert!(!is_right(Secret::new("nobody has this"), None, &permit).await, "an unknown name has no password");
        assert!(passwords.digest(Secret::new("short"), &[]).await.is_err());
    }

    #[test]
    fn a_common_password_is_refused() {
        let words = ["anna.andersson@example.com", "Anna Andersson"];
        for weak in ["password1234", "qwertyuiop12", "aaaaaaaaaaaa", "123456789012", "Anna Andersson", "forebayforebay", "abcabcabcabc"] {
            let error = check(weak, &words).unwrap_err().to_string();
            assert!(error.contains("easy to guess") && !error.contains(weak), "{weak}: {error}");
        }
        for fine in ["correct horse battery", "a long password", "Vinter-snö på taket", "x7!kq0ZpL2vw"] {
            assert!(check(fine, &words).is_ok(), "{fine}");
        }
    }

    #[tokio::test]
    async fn few_are_checked_in_parallel_few_wait_and_recognized_senders_are_not_refused_because_of_others() {
        let passwords = Passwords::new();
        let permits = passwords.permits.available_permits();
        assert!((2..=4).contains(&permits));
        let mut running = Vec::new();
        for _ in 0..permits {
            running.push(passwords.permit(Sender::Anybody).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..Sender::Anybody.max_waiting()).map(|_| Box::pin(passwords.permit(Sender::Anybody))).collect();
        for one in &mut waiting {
            assert!(is_pending(one));
        }
        assert!(matches!(passwords.permit(Sender::Anybody).await, Err(OperationError::Busy)));
        let mut recognized = Box::pin(passwords.permit(Sender::Recognized));
        assert!(is_pending(&mut recognized));
        // A caller disconnects, which makes room in the queue.
        drop((waiting.pop(), recognized));
        let mut next = Box::pin(passwords.permit(Sender::Anybody));
        assert!(is_pending(&mut next));
        drop(running);
        for one in waiting {
            drop(one.await.unwrap());
        }
        drop(next.await.unwrap());
        assert_eq!((passwords.permits.available_permits(), passwords.waiting.load(Ordering::Relaxed)), (permits, 0));
    }
}
