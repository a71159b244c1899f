//! Questions to a store that may be away.

use forebay_contract::envelope::Envelope;
use forebay_store::StoreError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause before the store is asked again.
pub(crate) const ASK_AGAIN_INTERVAL: Duration = Duration::from_millis(500);

/// Asks repeatedly until the store answers; returns `None` if the delivery was lost meanwhile.
pub(crate) async fn ask_until_answered<T, F: Future<Output = Option<T>>>(lost: &CancellationToken, ask: impl Fn() -> F) -> Option<T> {
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        tokio::select! {
            () = lost.cancelled() => return None,
            () = tokio::time::sleep(ASK_AGAIN_INTERVAL) => {}
        }
    }
}

/// Returns the answer of the store; logs the reason if there is none.
pub(crate) fn log_unavailable<T>(envelope: &Envelope, answer: Result<T, StoreError>) -> Option<T> {
    let warn =
        |error: &StoreError| tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "an execution waits for the store");
    answer.inspect_err(warn).ok()
}
