//! Knows whether the store answers.
//!
//! A database that refuses connections is known to be away at once. With one that does not answer at all (a lost host, a network that drops
//! packets) every question would take its whole timeout. So after one question without an answer, further questions fail at once until a
//! probe gets an answer.

use forebay_store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two probes of a store that does not answer.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The store does not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct Silent;

/// Knows whether the store answers this process. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct StoreHealth {
    is_silent: Arc<AtomicBool>,
}

impl StoreHealth {
    /// Asks the store, for at most this time.
    ///
    /// # Errors
    /// Those of the store; [`StoreError::Unavailable`] at once while the store is known not to answer.
    pub(crate) async fn ask<T>(
        &self,
        store: &Store,
        timeout: Duration,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.ask_and_probe(timeout, question, || probes(store.clone())).await
    }

    /// True while questions fail without being asked.
    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Acquire)
    }

    /// Asks the store; after a timeout it starts `probes`, whose future ends when the store answers.
    async fn ask_and_probe<T, P: Future<Output = ()> + Send + 'static>(
        &self,
        timeout: Duration,
        question: impl Future<Output = Result<T, StoreError>>,
        probes: impl FnOnce() -> P,
    ) -> Result<T, StoreError> {
        let no_answer = || StoreError::Unavailable { operation: "ask the database", source: Box::new(Silent) };
        if self.is_silent() {
            return Err(no_answer());
        }
        let answer = tokio::time::timeout(timeout, question).await.unwrap_or_else(|_| Err(no_answer()));
        let is_unavailable = answer.as_ref().is_err_and(StoreError::is_unavailable);
        if is_unavailable && !self.is_silent.swap(true, Ordering::AcqRel) {
            tracing::warn!("the database does not answer; executions go on without it as far as they can");
            let (is_silent, answers) = (self.is_silent.clone(), probes());
            tokio::spawn(async move {
                answers.await;
                is_silent.store(false, Ordering::Release);
                tracing::info!("the database answers again");
            });
        }
        answer
    }
}

async fn probes(store: Store) {
    while !matches!(tokio::time::timeout(PROBE_TIMEOUT, store.ping()).await, Ok(Ok(()))) {
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    const TIMEOUT: Duration = Duration::from_secs(2);

    async fn ask(health: &StoreHealth, question: impl Future<Output = Result<u8, StoreError>>, answers: oneshot::Receiver<()>) -> bool {
        health.ask_and_probe(TIMEOUT, question, || async { drop(answers.await) }).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_silent_costs_one_timeout_and_is_asked_again_when_it_answers() {
        let (health, (answer, answers), began) = (StoreHealth::default(), oneshot::channel(), Instant::now());
        assert!(!ask(&health, std::future::pending(), answers).await);
        assert_eq!(began.elapsed(), TIMEOUT);
        for _ in 0..100 {
            assert!(!ask(&health, async { panic!("asked") }, oneshot::channel().1).await);
        }
        assert_eq!(began.elapsed(), TIMEOUT);
        answer.send(()).unwrap();
        while health.is_silent() {
            tokio::task::yield_now().await;
        }
        assert!(ask(&health, async { Ok(1) }, oneshot::channel().1).await);
    }

    #[tokio::test]
    async fn an_error_that_the_store_gives_is_an_answer() {
        let health = StoreHealth::default();
        assert!(!ask(&health, async { Err(StoreError::KeyExists) }, oneshot::channel().1).await);
        assert!(!health.is_silent());
    }
}
