//! What goes wrong in a trial, with its place.

use crate::mapping::{CompileError, Located, Mapping, MappingError, Value};

/// Why a trial ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The field of the definition, such as `steps[0].set`; empty for a mapping alone.
    pub part: String,
    /// What is wrong.
    pub message: String,
    /// The text of the mapping or template; empty where the fault is in none.
    pub source: String,
    /// Where in it.
    pub place: Option<FaultPlace>,
}

/// A place in a mapping or template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultPlace {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The piece that is wrong, on one line.
    pub snippet: String,
    /// The value that did not fit, as the beginning of its JSON text; absent for a program that does not compile.
    pub value: Option<String>,
}

impl Fault {
    pub(super) fn new(part: &str, message: impl Into<String>) -> Self {
        Self { part: part.to_owned(), message: message.into(), source: String::new(), place: None }
    }

    pub(super) fn compile(part: &str, source: &str, error: CompileError) -> Self {
        let place = FaultPlace { line: error.line, column: error.column, snippet: error.snippet, value: None };
        Self { part: part.to_owned(), message: error.message, source: source.to_owned(), place: Some(place) }
    }

    pub(super) fn run(part: &str, mapping: &Mapping, input: &Value, error: &MappingError) -> Self {
        Self {
            part: part.to_owned(),
            message: error.to_string(),
            source: mapping.source().to_owned(),
            place: mapping.locate(input, error).map(FaultPlace::from),
        }
    }

    /// A fault in the expression that starts at byte `start` of a template.
    pub(super) fn in_template(mut self, template: &str, start: usize) -> Self {
        let before = &template[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        if let Some(place) = &mut self.place {
            if place.line == 1 {
                place.column += before[line_start..].chars().count();
            }
            place.line += before.matches('\n').count();
        }
        self.source = template.to_owned();
        self
    }
}

impl From<Located> for FaultPlace {
    fn from(located: Located) -> Self {
        Self { line: located.line, column: located.column, snippet: located.snippet, value: Some(located.value) }
    }
}
