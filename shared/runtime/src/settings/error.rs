//! Errors of settings: every problem at once, each with the name of its variable.

use std::fmt;

use super::docs::{FileSource, SettingDoc};

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The environment variable.
    pub env: &'static str,
    /// The flag that sets the same, without its dashes.
    pub flag: &'static str,
    /// The value that was given; `None` when it is secret.
    pub value: Option<String>,
    /// The fault, and what to write instead.
    pub reason: String,
}

impl SettingProblem {
    pub(super) fn new(doc: &SettingDoc, value: &str, reason: impl Into<String>) -> Self {
        let value = (!doc.secret).then(|| value.chars().take(200).collect());
        Self { env: doc.env, flag: doc.flag, value, reason: reason.into() }
    }
}

impl SettingProblem {
    /// Returns a problem of the file that holds a secret.
    pub(super) fn of_file(file: &FileSource, path: &str, reason: impl Into<String>) -> Self {
        Self { env: file.env, flag: file.flag, value: Some(path.chars().take(200).collect()), reason: reason.into() }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (--{})", self.env, self.flag)?;
        if let Some(value) = &self.value {
            write!(f, " is {value:?}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// All problems of one reading, in the order of the table of settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct SettingsError {
    problems: Vec<SettingProblem>,
}

impl SettingsError {
    pub(super) fn new(problems: Vec<SettingProblem>) -> Self {
        Self { problems }
    }

    /// The problems, never empty.
    #[must_use]
    pub fn problems(&self) -> &[SettingProblem] {
        &self.problems
    }
}

fn lines(problems: &[SettingProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(SettingProblem::to_string).collect();
    lines.join("\n")
}
