//! Reads single settings from a source and remembers what was wrong with each.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_contract::{format_duration, parse_duration};

use super::docs::{SettingDefault, SettingDoc};
use super::error::SettingProblem;
use super::redacted_url::RedactedUrl;
use super::size::{format_bytes, parse_bytes};

pub(super) struct Reader<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<SettingProblem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { source, problems: Vec::new() }
    }

    pub(super) fn into_problems(self) -> Vec<SettingProblem> {
        self.problems
    }

    pub(super) fn problem(&mut self, doc: &SettingDoc, value: &str, reason: impl Into<String>) {
        self.problems.push(SettingProblem::new(doc, value, reason));
    }

    /// What was given. An empty value counts as not given: compose files and charts write `NAME=` for "unset".
    pub(super) fn given(&self, doc: &SettingDoc) -> Option<String> {
        (self.source)(doc.env).filter(|value| !value.is_empty())
    }

    /// What was given or else the default of the table, parsed. `None` when it was wrong or is not set.
    pub(super) fn value<T>(&mut self, doc: &SettingDoc, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.given(doc).or_else(|| match doc.default {
            SettingDefault::Text(text) => Some(text.to_owned()),
            SettingDefault::Computed(_) | SettingDefault::Unset => None,
        })?;
        let is_text = !text.contains(char::REPLACEMENT_CHARACTER);
        match if is_text { parse(&text) } else { Err("has bytes that are not UTF-8".to_owned()) } {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem(doc, &text, reason);
                None
            }
        }
    }

    pub(super) fn address(&mut self, doc: &SettingDoc) -> Option<SocketAddr> {
        self.value(doc, |text| {
            text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned())
        })
    }

    pub(super) fn number<T>(&mut self, doc: &SettingDoc, range: RangeInclusive<u64>) -> Option<T>
    where
        T: TryFrom<u64>,
    {
        self.value(doc, |text| {
            let meant = || format!("write a whole number from {} to {}", range.start(), range.end());
            let number = text.parse::<u64>().map_err(|_| meant())?;
            if !range.contains(&number) {
                return Err(meant());
            }
            T::try_from(number).map_err(|_| meant())
        })
    }

    pub(super) fn bytes<T>(&mut self, doc: &SettingDoc, range: RangeInclusive<u64>) -> Option<T>
    where
        T: TryFrom<u64>,
    {
        self.value(doc, |text| {
            let meant = || format!("must be from {} to {}", format_bytes(*range.start()), format_bytes(*range.end()));
            let bytes = parse_bytes(text)?;
            if !range.contains(&bytes) {
                return Err(meant());
            }
            T::try_from(bytes).map_err(|_| meant())
        })
    }

    /// A duration above zero and at most `most`.
    pub(super) fn duration(&mut self, doc: &SettingDoc, most: Duration) -> Option<Duration> {
        self.value(doc, |text| {
            let duration = parse_duration(text).map_err(|error| error.to_string())?;
            if duration.is_zero() || duration > most {
                return Err(format!("must be more than zero and at most {}", format_duration(most)));
            }
            Ok(duration)
        })
    }

    /// As [`Reader::duration`], and 0s for none.
    pub(super) fn duration_or_none(&mut self, doc: &SettingDoc, most: Duration) -> Option<Duration> {
        self.value(doc, |text| {
            let duration = parse_duration(text).map_err(|error| error.to_string())?;
            if duration > most {
                return Err(format!("must be at most {}", format_duration(most)));
            }
            Ok(duration)
        })
    }

    pub(super) fn url(&mut self, doc: &SettingDoc, schemes: &[&str]) -> Option<RedactedUrl> {
        self.value(doc, |text| RedactedUrl::parse(text, schemes))
    }

    /// The broker's nodes: read as it will be connected to, so that nothing else is found wrong later.
    pub(super) fn broker_urls(&mut self, doc: &SettingDoc) -> Option<RedactedUrl> {
        self.value(doc, |text| {
            forebay_contract::read_broker_urls(text)?;
            RedactedUrl::parse(text, &["amqp", "amqps"])
        })
    }
}
