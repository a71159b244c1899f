//! The history while it is written: calls and effects arrive from many tasks, and the schedule reads the state of the quiet tenants.

use crate::history::{Answer, Attempt, Call, Effect, History, Micros, Stage};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time for which quiet calls must succeed after a fault before the run counts as recovered.
const STEADY: Duration = Duration::from_secs(3);
/// Time without a response after which a quiet call counts as failed.
const MAX_SILENCE: Duration = Duration::from_secs(2);
/// Maximum time until quiet calls succeed again.
const MAX_RECOVERY: Duration = Duration::from_secs(90);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) struct Journal {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: History,
    /// Attempts without an answer: when they were sent, and their calls.
    in_flight: BTreeSet<(Micros, usize)>,
    /// Tenant and integration of the quiet calls.
    quiet: BTreeMap<(String, String), Progress>,
    /// Attempts of quiet calls that failed: when they were sent and answered.
    failures: Vec<(Micros, Micros)>,
}

/// The latest success of one integration.
#[derive(Default)]
struct Progress {
    /// Time at which the latest call was sent that was accepted or answered.
    accepted: Micros,
    /// Time at which the latest effect of an execution's last step arrived.
    executed: Micros,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Micros {
        self.begun.elapsed().as_micros() as Micros
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call without attempts; its id.
    pub(crate) fn open(&self, call: Call) -> usize {
        let mut state = self.state();
        if call.is_quiet {
            state.quiet.entry((call.tenant.clone(), call.integration.clone())).or_default();
        }
        state.history.calls.push(call);
        state.history.calls.len() - 1
    }

    /// Notes that a request of the call is sent now.
    pub(crate) fn send(&self, call: usize) -> Micros {
        let mut state = self.state();
        let sent = self.now();
        state.in_flight.insert((sent, call));
        sent
    }

    pub(crate) fn answer(&self, call: usize, sent: Micros, answer: Answer) {
        let mut state = self.state();
        let answered = self.now();
        state.in_flight.remove(&(sent, call));
        let call_state = &mut state.history.calls[call];
        let (is_quiet, name) = (call_state.is_quiet, (call_state.tenant.clone(), call_state.integration.clone()));
        let is_accepted = answer.accepted_execution().is_some();
        call_state.attempts.push(Attempt { sent, answered, answer });
        match (is_quiet, is_accepted) {
            (true, true) => {
                let progress = state.quiet.entry(name).or_default();
                progress.accepted = progress.accepted.max(sent);
            }
            (true, false) => state.failures.push((sent, answered)),
            (false, _) => {}
        }
    }

    pub(crate) fn effect(&self, effect: Effect) {
        let mut state = self.state();
        let is_last = state.history.calls.get(effect.call).is_some_and(|call| call.kind.last_effect() == Some(effect.stage));
        if is_last && let Some(progress) = state.quiet.get_mut(&(effect.tenant.clone(), effect.integration.clone())) {
            progress.executed = effect.at;
        }
        state.history.effects.push(effect);
    }

    /// Changes the parts of the history that only the schedule writes.
    pub(crate) fn note(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.state().history);
    }

    /// Calls of a tenant that were accepted.
    pub(crate) fn accepted(&self, tenant: &str) -> usize {
        let state = self.state();
        state.history.calls.iter().filter(|call| call.tenant == tenant && call.accepted_execution().is_some()).count()
    }

    /// Accepted calls without the last effect of their execution.
    pub(crate) fn unfinished(&self) -> usize {
        let state = self.state();
        let effects: HashSet<(usize, Stage)> = state.history.effects.iter().map(|effect| (effect.call, effect.stage)).collect();
        let is_unfinished = |(id, call): &(usize, &Call)| {
            call.accepted_execution().is_some() && call.kind.last_effect().is_some_and(|stage| !effects.contains(&(*id, stage)))
        };
        state.history.calls.iter().enumerate().filter(is_unfinished).count()
    }

    /// Waits until each quiet call that was sent before `until` is answered.
    pub(crate) async fn answered(&self, until: Micros) {
        while self.is_in_flight(until, true) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until every call is answered.
    pub(crate) async fn all_answered(&self) {
        while self.is_in_flight(Micros::MAX, false) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn is_in_flight(&self, until: Micros, is_quiet: bool) -> bool {
        let state = self.state();
        state.in_flight.iter().any(|(sent, call)| *sent <= until && (!is_quiet || state.history.calls[*call].is_quiet))
    }

    /// Waits until the quiet calls that are sent after `healed` succeed again; returns the time at which that began.
    ///
    /// # Errors
    /// The integrations without success after [`MAX_RECOVERY`].
    pub(crate) async fn recovered(&self, healed: Micros) -> Result<Micros, String> {
        let mut complete = None;
        loop {
            let (missing, last_failure) = self.since(healed);
            let now = self.now();
            if missing.is_empty() && complete.is_none() {
                complete = Some(now);
            }
            if let Some(complete) = complete
                && now.saturating_sub(last_failure.max(healed)) >= STEADY.as_micros() as Micros
            {
                return Ok(complete.max(last_failure));
            }
            if now - healed > MAX_RECOVERY.as_micros() as Micros {
                let failure = format!("a call failed or hung until {} ms", last_failure / 1000);
                let text = if missing.is_empty() { failure } else { format!("no success of {}", missing.join(", ")) };
                return Err(format!("{text}, after {MAX_RECOVERY:?}"));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Integrations without success since then, and the time of the last failure of a quiet call that was sent since then.
    fn since(&self, healed: Micros) -> (Vec<String>, Micros) {
        let (state, now) = (self.state(), self.now());
        let is_missing = |progress: &Progress| progress.accepted < healed || progress.executed < healed;
        let missing = state.quiet.iter().filter(|(_, progress)| is_missing(progress));
        let missing = missing.map(|((tenant, integration), _)| format!("{tenant}/{integration}")).collect();
        let recent = state.failures.iter().rev().take_while(|(_, answered)| *answered >= healed);
        let failed = recent.filter(|(sent, _)| *sent >= healed).map(|(_, answered)| *answered).max().unwrap_or_default();
        let is_silent = |(sent, call): &&(Micros, usize)| {
            *sent >= healed && now - sent > MAX_SILENCE.as_micros() as Micros && state.history.calls[*call].is_quiet
        };
        let silent = state.in_flight.iter().find(is_silent).map_or(0, |_| now);
        (missing, failed.max(silent))
    }

    pub(crate) fn history(&self) -> History {
        self.state().history.clone()
    }
}
