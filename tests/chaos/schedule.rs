//! The course of a run: a calm window, one or two events, the recovery, and again.

use crate::definitions::{NOISY_TENANT, POISON_TENANT};
use crate::events::{Event, Noise};
use crate::faults::{UnderTest, inject};
use crate::history::{Micros, Recovery, State, Window};
use crate::random::Random;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Probability of a second event together with a fault, in percent ...
const PAIRS: u64 = 25;
/// ... and the maximum time between them, in milliseconds.
const PAIR_GAP: u64 = 6_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The events of one round, all chosen before it begins, independent of their durations.
struct Round {
    calm: Duration,
    first: Event,
    second: Option<(Duration, Event)>,
    random: [Random; 2],
}

/// Events without replacement: each occurs once before one is repeated.
struct Deck {
    all: Vec<Event>,
    left: Vec<Event>,
}

impl Deck {
    /// Noises come first, while every process is fresh.
    fn new(all: &[Event]) -> Self {
        let first = [Event::Tenant(Noise::Floods), Event::Tenant(Noise::Hangs)];
        let left = first.into_iter().filter(|event| all.contains(event)).collect();
        Self { all: all.to_vec(), left }
    }

    fn draw(&mut self, random: &mut Random) -> Event {
        if self.left.is_empty() {
            self.left = self.all.clone();
            for last in (1..self.left.len()).rev() {
                self.left.swap(last, random.within(0..last as u64 + 1) as usize);
            }
        }
        self.left.pop().unwrap_or(self.all[0])
    }
}

impl Round {
    fn draw(deck: &mut Deck, random: &mut Random) -> Self {
        let calm = Duration::from_millis(random.within(8_000..14_000));
        let first = deck.draw(random);
        let others: Vec<Event> = deck.all.iter().copied().filter(|other| other.target() != first.target()).collect();
        let is_pair = random.is(PAIRS) && first.noise().is_none() && !others.is_empty();
        let second = is_pair.then(|| (Duration::from_millis(random.within(0..PAIR_GAP)), random.one_of(&others)));
        Self { calm, first, second, random: [random.fork(), random.fork()] }
    }

    fn name(&self) -> String {
        match &self.second {
            None => self.first.name().to_owned(),
            Some((gap, second)) => format!("{} and after {} ms {}", self.first.name(), gap.as_millis(), second.name()),
        }
    }
}

/// Runs rounds for the time, or until stopped.
///
/// # Errors
/// A server could not be stopped or started.
pub(crate) async fn run(
    events: &[Event],
    under_test: &UnderTest,
    time: Duration,
    is_stopped: &AtomicBool,
    mut random: Random,
) -> Result<(), String> {
    let (journal, mut deck) = (&under_test.caller.journal, Deck::new(events));
    let begun = Instant::now();
    let is_over = || begun.elapsed() >= time || is_stopped.load(Ordering::Relaxed);
    recover("the start", journal.now(), under_test).await;
    while !is_over() {
        let mut round = Round::draw(&mut deck, &mut random);
        let (calm_begin, calm) = (journal.now(), Instant::now());
        while calm.elapsed() < round.calm && !is_over() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let begin = journal.now();
        note(under_test, State::Calm, calm_begin, begin);
        if is_over() {
            break;
        }
        let name = round.name();
        eprintln!("{:>5} s  {name}", begin / 1_000_000);
        let [first_random, second_random] = &mut round.random;
        let second = async {
            let Some((gap, event)) = round.second else { return Ok(()) };
            tokio::time::sleep(gap).await;
            inject(event, under_test, second_random).await
        };
        let (first, second) = tokio::join!(inject(round.first, under_test, first_random), second);
        first.and(second)?;
        let healed = journal.now();
        match round.first.noise() {
            // The noise is judged by every call that was sent during it, so no fault may meet one of those.
            Some(_) => {
                note(under_test, State::Noisy(round.first.name()), begin, healed);
                journal.answered(healed).await;
                recover(&name, healed, under_test).await;
                drain(under_test).await;
            }
            None => {
                recover(&name, healed, under_test).await;
                if matches!(round.second, Some((_, Event::Tenant(_)))) {
                    drain(under_test).await;
                }
                note(under_test, State::Faulty(name), begin, journal.now());
            }
        }
    }
    Ok(())
}

async fn recover(fault: &str, healed: Micros, under_test: &UnderTest) {
    let journal = &under_test.caller.journal;
    let recovered = journal.recovered(healed).await;
    match &recovered {
        Ok(at) => {
            eprintln!("{:>5} s    quiet calls succeed again {} ms after it", journal.now() / 1_000_000, at.saturating_sub(healed) / 1000)
        }
        Err(missing) => eprintln!("{:>5} s    not recovered: {missing}", journal.now() / 1_000_000),
    }
    journal.note(|history| history.recoveries.push(Recovery { fault: fault.to_owned(), healed, recovered }));
}

/// Waits until the tenants that misbehaved have no backlog: a calm window is one without their work.
async fn drain(under_test: &UnderTest) {
    for tenant in [NOISY_TENANT, POISON_TENANT] {
        under_test.installation.drained(tenant, under_test.caller.journal.accepted(tenant)).await;
    }
}

fn note(under_test: &UnderTest, state: State, begin: Micros, end: Micros) {
    under_test.caller.journal.note(|history| history.windows.push(Window { state, begin, end }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(seed: u64) -> Vec<String> {
        let (mut deck, mut random) = (Deck::new(&Event::ALL), Random::new(seed));
        (0..40).map(|_| Round::draw(&mut deck, &mut random).name()).collect()
    }

    #[test]
    fn a_seed_repeats_its_events_and_another_has_others() {
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
    }

    #[test]
    fn each_event_has_its_turn_before_one_comes_again() {
        let (mut deck, mut random) = (Deck::new(&Event::ALL), Random::new(1));
        assert_eq!(deck.draw(&mut random), Event::Tenant(Noise::Hangs));
        assert_eq!(deck.draw(&mut random), Event::Tenant(Noise::Floods));
        let drawn: std::collections::HashSet<Event> = (0..Event::ALL.len()).map(|_| deck.draw(&mut random)).collect();
        assert_eq!(drawn.len(), Event::ALL.len());
    }

    #[test]
    fn two_events_at_once_concern_different_parts_and_a_noise_comes_alone() {
        let (mut deck, mut random) = (Deck::new(&Event::ALL), Random::new(3));
        let rounds: Vec<Round> = (0..400).map(|_| Round::draw(&mut deck, &mut random)).collect();
        let pairs: Vec<&Round> = rounds.iter().filter(|round| round.second.is_some()).collect();
        assert!(pairs.len() > 40, "{}", pairs.len());
        for round in pairs {
            let (_, second) = round.second.unwrap();
            assert!(round.first.noise().is_none() && second.target() != round.first.target());
        }
    }
}
