//! Faults of a trial, with their places.

use forebay_mapping::{CompileError, Located, Value};

/// The reason for which a trial ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The field of the definition, such as `steps[0].set`; empty for a mapping alone.
    pub part: String,
    /// The problem.
    pub message: String,
    /// The text of the mapping or template; empty if the fault is in none.
    pub source: String,
    /// The place in that text.
    pub place: Option<FaultPlace>,
}

/// A place in a mapping or template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultPlace {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The text at the fault, on one line.
    pub snippet: String,
    /// The value that did not fit, as the beginning of its JSON text; absent for a program that does not compile or exceeds a limit.
    pub value: Option<String>,
}

impl Fault {
    pub(crate) fn new(part: &str, message: impl Into<String>) -> Self {
        Self { part: part.to_owned(), message: message.into(), source: String::new(), place: None }
    }

    pub(crate) fn compile(part: &str, source: &str, error: CompileError) -> Self {
        let place = FaultPlace { line: error.line, column: error.column, snippet: error.snippet, value: None };
        Self { part: part.to_owned(), message: error.message, source: source.to_owned(), place: Some(place) }
    }

    /// Creates a fault at a place of a mapping or template; if the place is unknown, at the whole.
    pub(crate) fn at(part: &str, source: &str, located: Option<Located>, message: impl Into<String>) -> Self {
        let place = FaultPlace::from(located.unwrap_or_else(|| Located::whole(source)));
        Self { part: part.to_owned(), message: message.into(), source: source.to_owned(), place: Some(place) }
    }

    /// Creates a fault of a mapping or template whose result does not fit.
    pub(crate) fn of_output(part: &str, source: &str, value: &Value, message: impl Into<String>) -> Self {
        Self::at(part, source, Some(Located::whole(source).with(value)), message)
    }
}

impl From<Located> for FaultPlace {
    fn from(located: Located) -> Self {
        let Located { line, column, snippet, value } = located;
        Self { line, column, snippet, value }
    }
}
