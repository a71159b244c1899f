//! Turns: as many pieces of work run in parallel as there are cores. Of the waiting ones, the first one of each tenant is next in turn, so
//! a tenant with a thousand executions delays a piece of another tenant by one piece, and not by a thousand. A tenant without a running
//! piece need not wait for that one either, while there are fewer than twice as many turns: the operating system shares the cores.
//!
//! A piece of an execution that holds much memory also waits until its tenant holds at most as much as is free of the budget; so one tenant
//! can hold at most half of it. If none of these may continue, one execution at a time continues nevertheless, until it ends: work that
//! does not fit waits, and is done in the end. If that execution is idle (its remote system is slow), another one may continue, until twice
//! the budget is held.

use super::CURRENT;
use super::account::Account;
use super::line::Line;
use crate::allocation::process_held;
use forebay_contract::Name;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

/// Interval at which an execution that waits for memory checks again: memory is also freed by others than executions.
const REVIEW_INTERVAL: Duration = Duration::from_millis(100);
/// Time after which an execution that continues without free memory counts as idle: then another one may continue too, while the process
/// holds less than [`HARD_LIMIT`] budgets. Beyond that, the others wait until it ends: its steps have timeouts.
const IDLE: Duration = Duration::from_secs(1);

/// Multiple of the budget above which no further execution continues because another one is idle.
const HARD_LIMIT: isize = 2;
/// Turns per core; those beyond the first one are for tenants without a turn.
const TURNS_PER_CORE: usize = 2;

/// The turns of a process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

/// A turn of an execution; it ends when this is dropped.
struct Turn(Option<(Turns, Arc<Account>)>);

/// A running execution; it ends when this is dropped.
struct UnderWay {
    turns: Turns,
    account: Arc<Account>,
}

struct State {
    cores: usize,
    /// Number of turns of all tenants.
    turns: usize,
    /// The budget in bytes.
    budget: isize,
    held: fn() -> isize,
    tenants: HashMap<Name, Tenant>,
    /// Pieces that wait for a turn.
    waiting: Line<Waiter>,
    /// Pieces that wait for memory.
    short: Line<Waiter>,
    /// The execution that continues without free memory.
    alone: Option<Alone>,
}

/// Running executions and turns of one tenant.
#[derive(Default)]
struct Tenant {
    under_way: Vec<Arc<Account>>,
    turns: usize,
}

struct Waiter {
    account: Arc<Account>,
    turn: oneshot::Sender<Turn>,
}

struct Alone {
    account: Arc<Account>,
    last_turn: Instant,
}

impl Turns {
    /// Returns the turns of this process.
    pub(super) fn of_process() -> &'static Self {
        static TURNS: OnceLock<Turns> = OnceLock::new();
        TURNS.get_or_init(|| Self::new(std::thread::available_parallelism().map_or(1, usize::from), isize::MAX, process_held))
    }

    /// Creates turns; `held` returns the bytes that the process holds.
    fn new(cores: usize, budget: isize, held: fn() -> isize) -> Self {
        let (tenants, waiting, short) = (HashMap::new(), Line::default(), Line::default());
        Self(Arc::new(Mutex::new(State { cores, turns: 0, budget, held, tenants, waiting, short, alone: None })))
    }

    pub(super) fn set_budget(&self, bytes: usize) {
        self.state().budget = isize::try_from(bytes).unwrap_or(isize::MAX);
    }

    pub(super) fn budget(&self) -> usize {
        usize::try_from(self.state().budget).unwrap_or(usize::MAX)
    }

    /// Returns the bytes of the budget that are not held.
    pub(super) fn free_memory(&self) -> isize {
        let state = self.state();
        state.budget.saturating_sub((state.held)())
    }

    /// Runs the work of one execution.
    pub(super) async fn give<T>(&self, tenant: &Name, is_suspect: bool, work: impl Future<Output = T>) -> T {
        let account = Arc::new(Account::new(tenant, is_suspect));
        let _under_way = self.begin(account.clone());
        let mut work = pin!(CURRENT.scope(account.clone(), work));
        let mut waiting: Option<Waiting> = None;
        std::future::poll_fn(|context| {
            let turn = match &mut waiting {
                None => match self.take(&account) {
                    Ok(turn) => Poll::Ready(turn),
                    Err(granted) => waiting.insert(Waiting::new(granted)).poll(self, context),
                },
                Some(waiting) => waiting.poll(self, context),
            };
            let Poll::Ready(_turn) = turn else { return Poll::Pending };
            waiting = None;
            account.count(|| work.as_mut().poll(context))
        })
        .await
    }

    fn begin(&self, account: Arc<Account>) -> UnderWay {
        self.state().tenants.entry(account.tenant.clone()).or_default().under_way.push(account.clone());
        UnderWay { turns: self.clone(), account }
    }

    /// Returns a free turn, or a place in the tenant's queue.
    fn take(&self, account: &Arc<Account>) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.state();
        let may_go_on = state.may_go_on(account);
        if may_go_on && state.has_turn_for(&account.tenant) {
            return Ok(state.begin_turn(self, account));
        }
        let (turn, granted) = oneshot::channel();
        let waiter = Waiter { account: account.clone(), turn };
        if may_go_on {
            state.waiting.push(&account.tenant, waiter);
        } else {
            state.short.push(&account.tenant, waiter);
            state.review(self);
        }
        Err(granted)
    }

    /// Lets pieces continue that may by now.
    fn review(&self) {
        self.state().review(self);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.lock()
    }
}

/// A piece of work that waits.
struct Waiting {
    granted: oneshot::Receiver<Turn>,
    look_again: Pin<Box<Sleep>>,
}

impl Waiting {
    fn new(granted: oneshot::Receiver<Turn>) -> Self {
        Self { granted, look_again: Box::pin(tokio::time::sleep(REVIEW_INTERVAL)) }
    }

    fn poll(&mut self, turns: &Turns, context: &mut Context<'_>) -> Poll<Turn> {
        loop {
            match pin!(&mut self.granted).poll(context) {
                Poll::Ready(Ok(turn)) => return Poll::Ready(turn),
                // The sender is dropped only together with these turns.
                Poll::Ready(Err(_)) => return Poll::Pending,
                Poll::Pending => {}
            }
            if self.look_again.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            turns.review();
            self.look_again.as_mut().reset(Instant::now() + REVIEW_INTERVAL);
        }
    }
}

impl State {
    fn may_go_on(&self, account: &Arc<Account>) -> bool {
        account.is_small()
            || self.is_alone(account)
            || (!account.is_suspect && self.held_by(&account.tenant) <= self.budget - (self.held)())
    }

    fn is_alone(&self, account: &Arc<Account>) -> bool {
        self.alone.as_ref().is_some_and(|alone| Arc::ptr_eq(&alone.account, account))
    }

    fn held_by(&self, tenant: &Name) -> isize {
        self.tenants.get(tenant).map_or(0, |tenant| tenant.under_way.iter().map(|account| account.held()).sum())
    }

    fn has_turn_for(&self, tenant: &Name) -> bool {
        let has_none = || self.tenants.get(tenant).is_none_or(|tenant| tenant.turns == 0);
        self.turns < self.cores || (self.turns < self.cores * TURNS_PER_CORE && has_none())
    }

    fn begin_turn(&mut self, turns: &Turns, account: &Arc<Account>) -> Turn {
        self.turns += 1;
        self.tenants.entry(account.tenant.clone()).or_default().turns += 1;
        Turn(Some((turns.clone(), account.clone())))
    }

    fn end_turn(&mut self, account: &Account) {
        self.turns -= 1;
        self.change(&account.tenant, |tenant| tenant.turns -= 1);
    }

    /// Moves pieces that have memory by now to the queue for a turn, and serves that queue.
    fn review(&mut self, turns: &Turns) {
        let mut short = std::mem::take(&mut self.short);
        // One whose future was dropped would block the others.
        while let Some((tenant, waiter)) = short.next(|_, waiter| waiter.turn.is_closed() || self.may_go_on(&waiter.account)) {
            self.waiting.push(&tenant, waiter);
        }
        if !self.is_anybody_busy_alone()
            && let Some((tenant, waiter)) = short.next(|_, _| true)
        {
            self.alone = Some(Alone { account: waiter.account.clone(), last_turn: Instant::now() });
            self.waiting.push(&tenant, waiter);
        }
        self.short = short;
        let mut waiting = std::mem::take(&mut self.waiting);
        while let Some((_, next)) = waiting.next(|tenant, _| self.has_turn_for(tenant)) {
            self.grant(turns, next);
        }
        self.waiting = waiting;
    }

    /// Returns true if an execution continues without free memory, and no other one may.
    fn is_anybody_busy_alone(&self) -> bool {
        let is_past_limit = (self.held)() > self.budget.saturating_mul(HARD_LIMIT);
        let is_busy = |alone: &Alone| is_past_limit || alone.last_turn.elapsed() < IDLE || alone.account.is_busy_aside();
        self.alone.as_ref().is_some_and(is_busy)
    }

    fn grant(&mut self, turns: &Turns, waiter: Waiter) {
        if let Some(alone) = self.alone.as_mut().filter(|alone| Arc::ptr_eq(&alone.account, &waiter.account)) {
            alone.last_turn = Instant::now();
        }
        let turn = self.begin_turn(turns, &waiter.account);
        if let Err(mut unwanted) = waiter.turn.send(turn) {
            // Nobody waits for it any more. Taken out, since its drop would take the lock that is held here.
            drop(unwanted.0.take());
            self.end_turn(&waiter.account);
        }
    }

    fn end(&mut self, account: &Arc<Account>) {
        if self.is_alone(account) {
            self.alone = None;
        }
        self.change(&account.tenant, |tenant| tenant.under_way.retain(|known| !Arc::ptr_eq(known, account)));
    }

    fn change(&mut self, tenant: &Name, change: impl FnOnce(&mut Tenant)) {
        let Some(known) = self.tenants.get_mut(tenant) else { return };
        change(known);
        if known.under_way.is_empty() && known.turns == 0 {
            self.tenants.remove(tenant);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((turns, account)) = self.0.take() else { return };
        let mut state = turns.state();
        state.end_turn(&account);
        if !state.waiting.is_empty() || !state.short.is_empty() {
            state.review(&turns);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.end(&self.account);
        if !state.short.is_empty() {
            state.review(&self.turns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{by_turns, current};
    use std::cell::Cell;

    type Done = Arc<Mutex<Vec<&'static str>>>;

    thread_local! {
        /// Bytes that the process holds, for the tests of this thread.
        static HELD: Cell<isize> = const { Cell::new(0) };
    }

    /// Returns turns of a process on so many cores that may hold 10 MB.
    fn turns(cores: usize) -> Turns {
        Turns::new(cores, 10_000_000, || HELD.get())
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn account(tenant: &str) -> Arc<Account> {
        Arc::new(Account::new(&name(tenant), false))
    }

    /// Starts a task that writes its label.
    fn spawn(turns: &Turns, tenant: &'static str, label: &'static str, done: &Done) -> tokio::task::JoinHandle<()> {
        let (turns, done) = (turns.clone(), done.clone());
        tokio::spawn(async move { turns.give(&name(tenant), false, async { done.lock().push(label) }).await })
    }

    /// Starts a task that allocates so many bytes, writes its label, and ends when told.
    fn hold(turns: &Turns, tenant: &'static str, label: &'static str, bytes: usize, done: &Done) -> oneshot::Sender<()> {
        let (turns, done) = (turns.clone(), done.clone());
        let (end, ended) = oneshot::channel();
        let work = async move {
            current().unwrap().add(bytes.cast_signed());
            HELD.set(HELD.get() + bytes.cast_signed());
            tokio::task::yield_now().await;
            done.lock().push(label);
            let _ = ended.await;
            HELD.set(HELD.get() - bytes.cast_signed());
        };
        tokio::spawn(async move { turns.give(&name(tenant), false, work).await });
        end
    }

    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    fn is_clean(turns: &Turns) -> bool {
        let state = turns.state();
        state.turns == 0 && state.tenants.is_empty() && state.waiting.is_empty() && state.short.is_empty() && state.alone.is_none()
    }

    #[tokio::test]
    async fn of_those_that_wait_each_tenant_s_first_comes_next() {
        let (turns, done) = (turns(1), Done::default());
        let mut turns_in_hand = ["a", "c"].map(|tenant| turns.take(&account(tenant)).ok());
        let labels = [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2")];
        let waiting = labels.map(|(tenant, label)| spawn(&turns, tenant, label, &done));
        settle().await;
        assert!(done.lock().is_empty());
        drop(turns_in_hand[0].take());
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*done.lock(), ["a1", "b1", "a2", "b2", "a3"]);
        drop(turns_in_hand);
        assert!(is_clean(&turns));
    }

    #[test]
    fn a_tenant_without_a_turn_waits_for_none_of_another_while_there_are_fewer_than_two_for_each_core() {
        let turns = turns(2);
        // Tenant, and whether it gets a turn at once.
        let steps = [("a", true), ("a", true), ("a", false), ("b", true), ("b", false), ("c", true), ("d", false), ("a", false)];
        let results = steps.map(|(tenant, _)| turns.take(&account(tenant)));
        assert_eq!(results.each_ref().map(Result::is_ok), steps.map(|(_, at_once)| at_once));
        // One turn of the first tenant ends: of the waiting pieces, that of the tenant without a turn is next.
        let [first, _second, mut a, _b, mut b, _c, mut d, _] = results;
        drop(first);
        let granted = [&mut a, &mut b, &mut d].map(|waiting| waiting.as_mut().err().unwrap().try_recv().ok());
        assert_eq!(granted.each_ref().map(Option::is_some), [false, false, true]);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_goes_to_the_next() {
        let turns = turns(1);
        let (a, b) = (account("a"), account("b"));
        let _under_way = [turns.begin(a.clone()), turns.begin(b.clone())];
        let others = turns.take(&account("c")).ok();
        let first = turns.take(&a).ok();
        let (given_up, mut waits) = (turns.take(&a).err().unwrap(), turns.take(&b).err().unwrap());
        drop(given_up);
        drop(first);
        let turn = waits.try_recv().expect("the turn went on");
        let granted = turns.take(&a).err().unwrap();
        drop(turn);
        // Granted and not taken.
        drop(granted);
        drop(others);
        assert_eq!(turns.state().turns, 0);
    }

    #[tokio::test]
    async fn work_holds_no_turn_while_it_waits() {
        let turns = turns(1);
        let (let_go, until) = oneshot::channel::<()>();
        let slow = tokio::spawn({
            let turns = turns.clone();
            async move { turns.give(&name("a"), false, until).await }
        });
        turns.give(&name("b"), false, async {}).await;
        let_go.send(()).unwrap();
        slow.await.unwrap().unwrap();
        assert!(is_clean(&turns));
    }

    #[tokio::test]
    async fn work_inside_of_work_takes_no_second_turn() {
        let tenant = name("a");
        let inner = async { by_turns(&tenant, false, async { current().unwrap().tenant().clone() }).await };
        assert_eq!(by_turns(&tenant, false, inner).await, tenant);
        assert!(current().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_holds_half_of_the_memory_waits_and_others_go_on() {
        let (turns, done) = (turns(1), Done::default());
        let first = hold(&turns, "a", "a1", 4_000_000, &done);
        settle().await;
        let second = hold(&turns, "a", "a2", 4_000_000, &done);
        settle().await;
        // It continues, since no other execution does so without free memory.
        assert_eq!(*done.lock(), ["a1", "a2"]);
        let third = hold(&turns, "a", "a3", 1_000_000, &done);
        settle().await;
        assert_eq!(*done.lock(), ["a1", "a2"], "the third waits for memory");
        spawn(&turns, "a", "small", &done).await.unwrap();
        spawn(&turns, "b", "other", &done).await.unwrap();
        assert_eq!(*done.lock(), ["a1", "a2", "small", "other"]);
        for end in [second, first] {
            end.send(()).unwrap();
            settle().await;
        }
        assert_eq!(*done.lock(), ["a1", "a2", "small", "other", "a3"]);
        third.send(()).unwrap();
        settle().await;
        assert!(is_clean(&turns));
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_that_stands_still_lets_others_go_on_without_memory_until_twice_the_budget_is_held() {
        let (turns, done) = (turns(1), Done::default());
        HELD.set(6_000_000);
        let mut ends = ["a1", "a2", "a3"].map(|label| Some(hold(&turns, "a", label, 4_500_000, &done)));
        settle().await;
        assert_eq!(done.lock().len(), 1);
        let idle = || tokio::time::sleep(IDLE + REVIEW_INTERVAL * 2);
        idle().await;
        assert_eq!(done.lock().len(), 2, "19.5 MB of 10 are held");
        HELD.set(HELD.get() + 1_000_000);
        for _ in 0..10 {
            idle().await;
        }
        let begun = done.lock().clone();
        assert_eq!(begun.len(), 2, "20.5 MB of 10 are held");
        let last: usize = begun[1][1..].parse().unwrap();
        ends[last - 1].take().unwrap().send(()).unwrap();
        idle().await;
        assert_eq!(done.lock().len(), 3);
        HELD.set(0);
    }

    #[tokio::test]
    async fn of_executions_that_may_have_killed_a_worker_one_runs_at_a_time() {
        let (turns, done) = (turns(2), Done::default());
        let (let_go, until) = oneshot::channel::<()>();
        let suspect = |label: &'static str, until: Option<oneshot::Receiver<()>>| {
            let (turns, done) = (turns.clone(), done.clone());
            let work = async move {
                done.lock().push(label);
                if let Some(until) = until {
                    let _ = until.await;
                }
            };
            tokio::spawn(async move { turns.give(&name("a"), true, work).await })
        };
        let (first, second) = (suspect("first", Some(until)), suspect("second", None));
        settle().await;
        assert_eq!(*done.lock(), ["first"]);
        let_go.send(()).unwrap();
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(*done.lock(), ["first", "second"]);
        assert!(is_clean(&turns));
    }
}
