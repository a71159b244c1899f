//! Settings of a run, from its arguments.

use crate::checker::Rule;
use crate::events::Event;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
Runs load and faults against a private broker and database, and checks every call and every effect.

  --seed N            seed of the faults; random without it. The same seed chooses the same faults
  --seconds N         time of load and faults, 1200 without it; the drain and the check follow
  --workers N         worker processes, 2 without it
  --events A,B        only these faults and noises
  --expect RULE,RULE  succeeds only when one of these rules is found broken: for builds that are broken on purpose

Environment: FOREBAY_BIN, FOREBAY_SERVICES, FOREBAY_AMQP_URL, FOREBAY_DATABASE_URL. scripts/chaos sets all of them.
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) workers: usize,
    pub(crate) events: Vec<Event>,
    /// Empty: no rule may be broken.
    pub(crate) expected: Vec<Rule>,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// A text for the caller.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings {
        // Version 4 UUIDs come from the system's generator.
        seed: uuid::Uuid::new_v4().as_u64_pair().1 % 1_000_000,
        time: Duration::from_secs(1200),
        workers: 2,
        events: Event::ALL.to_vec(),
        expected: Vec::new(),
    };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value; --help lists the arguments"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name}: '{value}' is not a number; give digits only"));
        match name.as_str() {
            "--seed" => settings.seed = number()?,
            "--seconds" => settings.time = Duration::from_secs(number()?.max(1)),
            "--workers" => settings.workers = number()?.max(1) as usize,
            "--events" => settings.events = named(&name, &value, &Event::ALL, Event::name)?,
            "--expect" => settings.expected = named(&name, &value, &Rule::ALL, Rule::name)?,
            _ => return Err(format!("{name} is not an argument; --help lists them")),
        }
    }
    Ok(settings)
}

fn named<T: Copy>(argument: &str, names: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let one = |name: &str| {
        let valid = || all.iter().map(|value| name_of(*value)).collect::<Vec<_>>().join(", ");
        all.iter()
            .copied()
            .find(|value| name_of(*value) == name)
            .ok_or_else(|| format!("{argument}: '{name}' is not valid; valid are {}", valid()))
    };
    names.split(',').map(str::trim).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Noise;

    fn of(text: &str) -> Result<Settings, String> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_replace_the_defaults() {
        let settings = of("--seed 7 --seconds 60 --workers 3 --events kill-worker,hangs --expect lost").unwrap();
        assert_eq!((settings.seed, settings.time, settings.workers), (7, Duration::from_secs(60), 3));
        assert_eq!((settings.events, settings.expected), (vec![Event::KillWorker, Event::Tenant(Noise::Hangs)], vec![Rule::Lost]));
        let defaults = of("").unwrap();
        assert_eq!((defaults.time, defaults.events.len(), defaults.expected), (Duration::from_secs(1200), Event::ALL.len(), vec![]));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(of("--seed x").unwrap_err(), "--seed: 'x' is not a number; give digits only");
        assert_eq!(of("--sead 1").unwrap_err(), "--sead is not an argument; --help lists them");
        assert!(
            of("--events kill-everything").unwrap_err().starts_with("--events: 'kill-everything' is not valid; valid are kill-worker, ")
        );
    }
}
