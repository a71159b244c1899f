//! A store and a broker in memory, which can be unavailable.

use crate::execution::ports::{Batch, CallReply, ExecutionBroker, ExecutionStore, NotRecorded, PortFuture, Recorded, Target, Urgency};
use forebay_broker::PublishError;
use forebay_contract::definition::{Definition, DispatchPolicy};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Checkpoint, Ending, ExecutionError};
use forebay_contract::{ExecutionId, Name};
use forebay_store::{FinishedExecution, Record, StoreError};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use uuid::Uuid;

/// An operation of the store or the broker.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    Checkpoints(Vec<String>),
    Recorded(Box<Record>, Urgency),
    Halted(ExecutionError),
    /// The unique part of the execution's id.
    HaltCleared(Uuid),
    /// The envelope and, for a delayed queue, its delay in seconds.
    Published(Box<Envelope>, Option<u32>),
    Called(Box<Envelope>),
    Replied(String, Ending),
}

#[derive(Default)]
pub(super) struct State {
    pub(super) events: Vec<Event>,
    pub(super) claims: HashMap<ExecutionId, i64>,
    pub(super) finished: Option<FinishedExecution>,
    pub(super) endings: HashMap<Uuid, Ending>,
    pub(super) checkpoints: (Vec<Checkpoint>, u32),
    pub(super) definitions: HashMap<i32, Definition>,
    pub(super) can_seal: bool,
    /// Number of questions that the store does not answer before it is available again.
    pub(super) store_is_away_for: usize,
    /// True if records are refused.
    pub(super) refuses_records: bool,
    /// True if another worker's success is stored.
    pub(super) has_succeeded: bool,
    /// True if an attempt is recorded as begun.
    pub(super) has_begun: bool,
    /// True if the broker refuses messages.
    pub(super) refuses_messages: bool,
    /// The replies of called integrations, in order.
    pub(super) replies: VecDeque<CallReply>,
}

/// The store and the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<State>>);

impl Memory {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns the answer of the store, unless it is unavailable.
    fn ask<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let mut state = self.state();
        if state.store_is_away_for > 0 {
            state.store_is_away_for -= 1;
            return Err(StoreError::Unavailable { operation: "test", source: "the database is away".into() });
        }
        Ok(answer(&mut state))
    }
}

fn ready<T: Send + 'static>(value: T) -> PortFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl ExecutionStore for Memory {
    fn claim<'a>(&'a self, id: &'a ExecutionId, token: i64) -> PortFuture<'a, Result<bool, StoreError>> {
        ready(self.ask(|state| *state.claims.entry(*id).or_insert(token) == token))
    }

    fn finished<'a>(&'a self, _: &'a ExecutionId) -> PortFuture<'a, Result<Option<FinishedExecution>, StoreError>> {
        ready(self.ask(|state| state.finished.clone()))
    }

    fn ending<'a>(&'a self, integration: Uuid, _: &'a ExecutionId) -> PortFuture<'a, Result<Option<Ending>, StoreError>> {
        ready(self.ask(|state| state.endings.get(&integration).cloned()))
    }

    fn checkpoints<'a>(&'a self, _: &'a ExecutionId) -> PortFuture<'a, Result<(Vec<Checkpoint>, u32), StoreError>> {
        ready(self.ask(|state| state.checkpoints.clone()))
    }

    fn add_checkpoints<'a>(&'a self, batch: Batch<'a>) -> PortFuture<'a, Result<(), StoreError>> {
        ready(self.ask(|state| {
            state.events.push(Event::Checkpoints(batch.steps.iter().map(|step| step.path.clone()).collect()));
            state.checkpoints.0.extend_from_slice(batch.steps);
            state.checkpoints.1 = batch.number + 1;
        }))
    }

    fn can_seal(&self) -> bool {
        self.state().can_seal
    }

    fn has_begun<'a>(&'a self, _: &'a ExecutionId) -> PortFuture<'a, Result<bool, StoreError>> {
        ready(self.ask(|state| state.has_begun))
    }

    fn record<'a>(&'a self, _: &'a Name, record: Record, urgency: Urgency) -> PortFuture<'a, Result<Recorded, NotRecorded>> {
        let mut state = self.state();
        if state.refuses_records {
            return ready(Err(NotRecorded));
        }
        if state.has_succeeded {
            return ready(Ok(Recorded::Superseded));
        }
        state.events.push(Event::Recorded(Box::new(record), urgency));
        ready(Ok(Recorded::Stored))
    }

    fn halt<'a>(&'a self, _: Uuid, _: &'a ExecutionId, error: &'a ExecutionError) -> PortFuture<'a, Result<bool, StoreError>> {
        ready(self.ask(|state| {
            if !state.has_succeeded {
                state.events.push(Event::Halted(error.clone()));
            }
            !state.has_succeeded
        }))
    }

    fn clear_halt(&self, _: Uuid, execution: Uuid) -> PortFuture<'_, Result<(), StoreError>> {
        ready(self.ask(|state| state.events.push(Event::HaltCleared(execution))))
    }

    fn definition(&self, _: Uuid, version: i32) -> PortFuture<'_, Result<Option<Definition>, StoreError>> {
        ready(self.ask(|state| state.definitions.get(&version).cloned()))
    }
}

impl ExecutionBroker for Memory {
    fn publish<'a>(&'a self, envelope: &'a Envelope, target: Target<'a>) -> PortFuture<'a, Result<(), PublishError>> {
        let mut state = self.state();
        if state.refuses_messages {
            return ready(Err(PublishError::Unavailable));
        }
        let delay = match target {
            Target::Integration(_) => None,
            Target::Delayed { delay, .. } => Some(delay),
        };
        state.events.push(Event::Published(Box::new(envelope.clone()), delay));
        ready(Ok(()))
    }

    fn call<'a>(&'a self, envelope: Envelope, _: &'a DispatchPolicy) -> PortFuture<'a, Result<CallReply, PublishError>> {
        let mut state = self.state();
        state.events.push(Event::Called(Box::new(envelope)));
        match state.replies.pop_front() {
            Some(reply) => ready(Ok(reply)),
            // No reply comes: the timeout of the step ends the wait.
            None => Box::pin(std::future::pending()),
        }
    }

    fn reply(&self, reply_to: &str, _: ExecutionId, ending: &Ending) {
        self.state().events.push(Event::Replied(reply_to.to_owned(), ending.clone()));
    }
}
