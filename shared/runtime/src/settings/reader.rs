//! Reads single settings from a source and collects the problems.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_contract::{format_duration, parse_duration};

use super::docs::{FormerName, SettingDefault, SettingDoc};
use super::error::SettingProblem;
use super::size::{format_bytes, parse_bytes};

/// Maximum bytes of a file that holds a secret.
const MAX_SECRET_BYTES: usize = 64 * 1024;

pub(super) struct Reader<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<SettingProblem>,
    deprecated: Vec<DeprecatedName>,
}

/// A setting that was given under its former name, which works for one more release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeprecatedName {
    /// The variable and flag that were used.
    pub used: FormerName,
    /// The variable to use instead.
    pub env: &'static str,
    /// The flag to use instead, without its dashes.
    pub flag: &'static str,
}

/// Returns a variable of the environment. A value that is not UTF-8 has replacement characters, so that its setting refuses it and it does
/// not count as absent.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { source, problems: Vec::new(), deprecated: Vec::new() }
    }

    pub(super) fn into_problems(self) -> Vec<SettingProblem> {
        self.problems
    }

    /// Returns the former names that gave a value so far.
    pub(super) fn deprecated(&self) -> Vec<DeprecatedName> {
        self.deprecated.clone()
    }

    pub(super) fn problem(&mut self, doc: &SettingDoc, value: &str, reason: impl Into<String>) {
        self.problems.push(SettingProblem::new(doc, value, reason));
    }

    /// Returns the given value, or the content of the named file. An empty value counts as not given: compose files and charts write
    /// `NAME=` for "unset".
    pub(super) fn given(&mut self, doc: &SettingDoc) -> Option<String> {
        let value = self.text_by_either_name(doc);
        let Some((file, path)) = doc.file.and_then(|file| Some((file, self.text(file.env)?))) else { return value };
        let mut problem = |reason| self.problems.push(SettingProblem::of_file(&file, &path, reason));
        if value.is_some() {
            problem(format!("{} is set too: set one of the two", doc.env));
            return value;
        }
        match read_secret(&path) {
            Ok(text) => Some(text),
            Err(reason) => {
                problem(reason);
                None
            }
        }
    }

    /// Returns the value of the variable, or of the former one. Two different values are a problem: one of them is a mistake.
    fn text_by_either_name(&mut self, doc: &SettingDoc) -> Option<String> {
        let value = self.text(doc.env);
        let Some((former, old)) = doc.former.and_then(|former| Some((former, self.text(former.env)?))) else { return value };
        if value.as_ref().is_some_and(|value| *value != old) {
            let reason = format!("{} is set too, with another value: remove {}, which is deprecated", doc.env, former.env);
            self.problem(&doc.under(former), &old, reason);
            return value;
        }
        self.deprecated.push(DeprecatedName { used: former, env: doc.env, flag: doc.flag });
        Some(old)
    }

    /// Returns the setting under the name by which it was given, for a problem of its value.
    fn as_given(&self, doc: &SettingDoc) -> SettingDoc {
        match doc.former {
            Some(former) if self.text(doc.env).is_none() && self.text(former.env).is_some() => doc.under(former),
            _ => *doc,
        }
    }

    fn text(&self, env: &str) -> Option<String> {
        (self.source)(env).filter(|value| !value.is_empty())
    }

    /// Returns the given value, else the default of the table, parsed. `None`: it is wrong or not set.
    pub(super) fn value<T>(&mut self, doc: &SettingDoc, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let problems = self.problems.len();
        let given = self.given(doc);
        if self.problems.len() > problems {
            // The problem is in the list already, and the default was not meant.
            return None;
        }
        let text = given.or_else(|| match doc.default {
            SettingDefault::Text(text) => Some(text.to_owned()),
            SettingDefault::Computed(_) | SettingDefault::Unset => None,
        })?;
        let is_text = !text.contains(char::REPLACEMENT_CHARACTER);
        match if is_text { parse(&text) } else { Err("has bytes that are not UTF-8".to_owned()) } {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem(&self.as_given(doc), &text, reason);
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

    /// Reads a whole number from 1 to `max`.
    pub(super) fn count<T>(&mut self, doc: &SettingDoc, max: u64) -> Option<T>
    where
        T: TryFrom<NonZeroU64>,
    {
        self.value(doc, |text| {
            let meant = || format!("write a whole number from 1 to {max}");
            let number = text.parse::<NonZeroU64>().ok().filter(|number| number.get() <= max).ok_or_else(meant)?;
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

    /// Reads a duration above zero and at most `max`.
    pub(super) fn duration(&mut self, doc: &SettingDoc, max: Duration) -> Option<Duration> {
        self.value(doc, |text| {
            let duration = parse_duration(text).map_err(|error| error.to_string())?;
            if duration.is_zero() || duration > max {
                return Err(format!("must be more than zero and at most {}", format_duration(max)));
            }
            Ok(duration)
        })
    }

    /// Reads as [`Reader::duration`], but accepts 0s.
    pub(super) fn duration_or_none(&mut self, doc: &SettingDoc, max: Duration) -> Option<Duration> {
        self.value(doc, |text| {
            let duration = parse_duration(text).map_err(|error| error.to_string())?;
            if duration > max {
                return Err(format!("must be at most {}", format_duration(max)));
            }
            Ok(duration)
        })
    }

    /// Reads any text.
    pub(super) fn any(&mut self, doc: &SettingDoc) -> Option<String> {
        self.value(doc, |text| Ok(text.to_owned()))
    }
}

/// Returns the text of a file without the line break at its end. It is never part of a problem.
fn read_secret(path: &str) -> Result<String, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() > MAX_SECRET_BYTES {
        return Err(format!("has more than {MAX_SECRET_BYTES} bytes: it is not the file of a secret"));
    }
    let text = String::from_utf8(text).map_err(|_| "has bytes that are not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("is empty: write the value into it".to_owned()) } else { Ok(text.to_owned()) }
}
