//! The shutdown of a process: a signal starts it, draining has a deadline, a second signal forces it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The exit code of a process that SIGINT ended.
const FORCED_EXIT_CODE: i32 = 130;

/// The reason for which signals cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// The system refused a signal handler.
    #[error("cannot listen for {signal}: without it the process could not drain")]
    Signal {
        /// The name of the signal.
        signal: &'static str,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
}

/// The state of a shutdown, with its deadline. Clones are the same shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    drain_timeout: Duration,
    started: Arc<OnceLock<Instant>>,
}

impl Shutdown {
    /// Returns a shutdown that only [`Shutdown::trigger`] starts: for tests and for services inside another process.
    #[must_use]
    pub fn new(drain_timeout: Duration) -> Self {
        Self { token: CancellationToken::new(), drain_timeout, started: Arc::default() }
    }

    /// Returns a shutdown that SIGTERM or SIGINT starts too. The second signal ends the process at once with code 130. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`ShutdownError::Signal`].
    pub fn on_signals(drain_timeout: Duration) -> Result<Self, ShutdownError> {
        let shutdown = Self::new(drain_timeout);
        let mut signals = Signals::listen()?;
        let triggered = shutdown.clone();
        tokio::spawn(async move {
            let signal = signals.next().await;
            let drain_seconds = triggered.drain_timeout.as_secs_f64();
            tracing::info!(shutdown.signal = signal, shutdown.drain_seconds = drain_seconds, "stopping");
            triggered.trigger();
            let signal = signals.next().await;
            tracing::warn!(shutdown.signal = signal, "second signal: ending without draining");
            std::process::exit(FORCED_EXIT_CODE);
        });
        Ok(shutdown)
    }

    /// Starts the shutdown. A second call does nothing: the deadline stays.
    pub fn trigger(&self) {
        self.started.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// Returns a token that is cancelled when the shutdown starts. Cancelling it does not start the shutdown.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// Waits until the shutdown starts.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Returns true if the shutdown has started.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns the deadline of draining; `None` before the shutdown has started.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Instant> {
        self.started.get().map(|started| *started + self.drain_timeout)
    }

    /// Waits until the shutdown has started and its deadline has passed: running work is aborted then.
    pub async fn drain_deadline_passed(&self) {
        self.wait().await;
        // `trigger` sets the start before it cancels, so there is a deadline here.
        if let Some(deadline) = self.drain_deadline() {
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// Runs `work` until it ends, at most until the drain deadline; `None`: it was cut off.
    pub async fn until_drain_deadline<F: Future>(&self, work: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.drain_deadline_passed() => None,
        }
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self, ShutdownError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind, name| signal(kind).map_err(|source| ShutdownError::Signal { signal: name, source });
        Ok(Self { terminate: listen(SignalKind::terminate(), "SIGTERM")?, interrupt: listen(SignalKind::interrupt(), "SIGINT")? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self, ShutdownError> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn triggering_starts_the_deadline_once() {
        let shutdown = Shutdown::new(Duration::from_secs(25));
        assert!(!shutdown.is_triggered());
        assert_eq!(shutdown.drain_deadline(), None);
        let before = Instant::now();
        shutdown.clone().trigger();
        tokio::time::advance(Duration::from_secs(10)).await;
        shutdown.trigger();
        assert_eq!(shutdown.drain_deadline(), Some(before + Duration::from_secs(25)));
        shutdown.drain_deadline_passed().await;
        assert_eq!(before.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_cut_off_at_the_deadline_and_not_before() {
        let shutdown = Shutdown::new(Duration::from_secs(2));
        shutdown.trigger();
        let quick = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "done"
        };
        assert_eq!(shutdown.until_drain_deadline(quick).await, Some("done"));
        assert_eq!(shutdown.until_drain_deadline(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_token_given_away_cannot_start_the_shutdown() {
        let shutdown = Shutdown::new(Duration::ZERO);
        let token = shutdown.token();
        token.cancel();
        assert!(!shutdown.is_triggered());
        let other = shutdown.token();
        shutdown.trigger();
        other.cancelled().await;
    }
}
