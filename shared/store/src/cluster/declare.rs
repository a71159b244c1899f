//! Queues that are declared at the broker before any process knows them.

use crate::error::StoreError;
use std::time::Duration;

/// Maximum time for declaring queues at the broker; others that open queues wait for the transaction in this time.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns once the queues are declared. A transaction that makes them known waits for it before its commit.
///
/// # Errors
/// [`StoreError::NotDeclared`]: the declaration returned `false`, or took more than 5 s.
pub(crate) async fn declared(declaration: impl Future<Output = bool>) -> Result<(), StoreError> {
    match tokio::time::timeout(DECLARE_TIMEOUT, declaration).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(StoreError::NotDeclared),
    }
}
