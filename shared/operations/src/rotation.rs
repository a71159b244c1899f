//! Re-encryption of all secrets, after a new key was put first in `FOREBAY_SECRET_KEY`.

use crate::Operations;
use crate::actor::Actor;
use crate::error::OperationError;
use forebay_contract::with_causes;
use forebay_store::{Role, Rotation, Runner, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Pause while the database is away.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum retries, after which another call may continue.
const MAX_RETRIES: u32 = 30;

impl Operations {
    /// Re-encrypts connections and keys, then starts the re-encryption of stored payloads, which continues in the background. If it is
    /// running already, in any process, it does nothing more. Returns the number of re-encrypted connections and keys, and the progress of
    /// the rest.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rotate(self: &Arc<Self>, actor: &Actor) -> Result<(usize, Rotation), OperationError> {
        let principal = actor.may_everywhere(Role::Administrator)?;
        let keys = self.keys()?;
        let resealed = self.store.reseal_connections(keys, principal).await?;
        if let Some(runner) = self.store.begin_rotation(keys).await? {
            self.store.count_resealed(runner, resealed).await?;
            let operations = self.clone();
            tokio::spawn(async move { operations.rotate_payloads(runner).await });
        }
        let rotation = self.store.rotation(keys).await?;
        let rotation = rotation.ok_or_else(|| StoreError::NotFound { what: "the state of the re-encryption".to_owned() })?;
        Ok((resealed, rotation))
    }

    /// Returns the progress; `None`: nothing has been re-encrypted yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rotation(&self, actor: &Actor) -> Result<Option<Rotation>, OperationError> {
        actor.may_everywhere(Role::Administrator)?;
        Ok(self.store.rotation(self.keys()?).await?)
    }

    async fn rotate_payloads(&self, runner: Runner) {
        let Ok(keys) = self.keys() else { return };
        let mut retries = 0;
        loop {
            match self.store.rotate_part(keys, runner).await {
                Ok(true) => retries = 0,
                Ok(false) => return,
                Err(error) if retries < MAX_RETRIES => {
                    tracing::warn!(error = with_causes(&error), "payloads could not be re-encrypted; retrying");
                    retries += 1;
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(error) => {
                    tracing::error!(
                        error = with_causes(&error),
                        "the re-encryption of payloads failed: run `forebay connections rotate` again"
                    );
                    return;
                }
            }
        }
    }
}
