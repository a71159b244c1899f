//! Pauses of triggers, connections and tenants.

use crate::Operations;
use crate::actor::Actor;
use crate::error::OperationError;
use forebay_contract::{IntegrationPath, UnixMicros};
use forebay_store::{Decision, DecisionEffect, PauseCause, PauseTarget, Paused, Role, StoreError};

/// The effect of resuming a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// Its pause has ended. A trigger that is halted stays halted.
    PauseEnded,
    /// It was halted: the execution at which it halted runs again.
    Decided(DecisionEffect),
}

impl Operations {
    /// Pauses a target: calls are accepted, and no execution starts until it is resumed, or until `until`.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: `until` has passed; an unknown target; those of the store.
    pub async fn pause(&self, actor: &Actor, target: &PauseTarget, reason: &str, until: Option<UnixMicros>) -> Result<(), OperationError> {
        let principal = actor.may(target.tenant(), Role::Operator)?;
        if let Some(until) = until.filter(|until| *until <= UnixMicros::now()) {
            return Err(OperationError::Invalid(format!("until: {} has passed; give a time in the future", until.rfc3339())));
        }
        Ok(self.store.pause(target, reason.trim(), until, principal).await?)
    }

    /// Ends the pause of a connection or a tenant; `false`: it was not paused.
    ///
    /// # Errors
    /// An unknown target; those of the store.
    pub async fn end_pause(&self, actor: &Actor, target: &PauseTarget) -> Result<bool, OperationError> {
        let principal = actor.may(target.tenant(), Role::Operator)?;
        Ok(self.store.end_pause(target, principal).await?)
    }

    /// Ends the pause of a trigger. If it is not paused and halted, its failed execution runs again.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: something else pauses the trigger; it is neither paused nor halted; those of the store.
    pub async fn resume(&self, actor: &Actor, path: &IntegrationPath) -> Result<Resumed, OperationError> {
        if self.end_pause(actor, &PauseTarget::Trigger(path.clone())).await? {
            return Ok(Resumed::PauseEnded);
        }
        match self.decide(actor, path, Decision::Resume).await {
            Ok(effect) => Ok(Resumed::Decided(effect)),
            Err(OperationError::Store(error @ StoreError::NotHalted { .. })) => {
                let triggers = self.list_triggers(actor, Some(&path.tenant)).await?;
                let paused = triggers.into_iter().find(|row| row.name == path.name.as_str()).and_then(|row| row.paused);
                Err(paused.map_or(OperationError::Store(error), |paused| OperationError::Refused(not_resumed(path, &paused))))
            }
            Err(error) => Err(error),
        }
    }
}

/// Says why a trigger cannot be resumed by itself, and what can.
fn not_resumed(path: &IntegrationPath, paused: &Paused) -> String {
    let remedy = match &paused.cause {
        PauseCause::Trigger => format!("forebay triggers resume {path}"),
        PauseCause::Connection(connection) => format!("forebay connections resume {}/{connection}", path.tenant),
        PauseCause::Tenant => format!("forebay tenants resume {}", path.tenant),
        PauseCause::Definition => "apply the definition with `paused: false`".to_owned(),
        PauseCause::Disabled => "apply the definition with `enabled: true`".to_owned(),
    };
    format!("{path} starts no execution since {paused}: {remedy}")
}
