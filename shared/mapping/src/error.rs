//! Errors of compiling and running programs.

use std::fmt;
use std::time::Duration;

/// The reason for which a mapping or a template was refused, and the place in its source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// Line of the source, from 1.
    pub line: usize,
    /// Column in that line in characters, from 1.
    pub column: usize,
    /// The source from that place, cut at the end of the line or after 40 characters. Empty at the end of the source.
    pub snippet: String,
    /// The problem, without the place.
    pub message: String,
}

/// Maximum characters of `snippet`.
const SNIPPET_CHARACTERS: usize = 40;

impl CompileError {
    /// Creates an error at byte `offset` of `source`; an offset beyond the end means the end.
    pub(super) fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let mut offset = offset.min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        let (before, after) = source.split_at(offset);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        CompileError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            snippet: after.lines().next().unwrap_or_default().chars().take(SNIPPET_CHARACTERS).collect(),
            message: message.into(),
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        if self.snippet.is_empty() { f.write_str(", at the end of the text") } else { write!(f, ", near `{}`", self.snippet) }
    }
}

/// The reason for which a mapping or a template returned no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The program ended in an error: `error(...)`, or an operation that its value does not support.
    #[error("{message}")]
    Failed {
        /// The error's text; values in it are shortened.
        message: String,
    },
    /// The program gave no output.
    #[error("the mapping gave no output; it must give exactly one. Use `// null`, or an `if ... else ... end`, where it can be `empty`")]
    NoOutput,
    /// The program gave more than one output.
    #[error("the mapping gave at least {seen} outputs; it must give exactly one. Put `[ ... ]` around it for an array, or `first(...)`")]
    ManyOutputs {
        /// Number of outputs before the run was stopped.
        seen: usize,
    },
    /// The program used more processor time than allowed.
    #[error(
        "the mapping needed more than {limit:?} of processor time. Look for a loop without an end, or for work that grows with the \
         square of the input"
    )]
    Time {
        /// The limit that was reached.
        limit: Duration,
    },
    /// The deadline of the run passed.
    #[error("the mapping did not end before the deadline of its execution")]
    Deadline,
    /// The program used more memory than allowed.
    #[error("the mapping needed more than {} MiB of memory. Build smaller values, or map parts of the input", .limit / (1024 * 1024))]
    Memory {
        /// The limit that was reached, in bytes.
        limit: usize,
    },
    /// The program recursed deeper than allowed.
    #[error("the mapping recursed too deeply. End the recursion earlier, or write it with `reduce`, `foreach` or `until`")]
    Stack,
    /// The program built a value that nests deeper than allowed.
    #[error("the mapping built a value that nests deeper than {limit} levels")]
    Depth {
        /// The limit that was reached.
        limit: u32,
    },
    /// The caller cancelled the run through [`Limits::cancel`](super::Limits::cancel).
    #[error("the mapping was cancelled")]
    Cancelled,
    /// An expression of a template returned null.
    #[error("`${{{expression}}}` is null. Use `// \"...\"` inside it for a default")]
    NullInTemplate {
        /// The expression, as written.
        expression: String,
    },
    /// An expression of a template returned a value that cannot be inserted at its place.
    #[error("`${{{expression}}}` gave {problem}")]
    NotInsertable {
        /// The expression, as written.
        expression: String,
        /// The value, and the reason for which it does not fit.
        problem: String,
    },
    /// The engine itself failed, which is a bug.
    #[error("the mapping engine failed: {message}")]
    Internal {
        /// Its error text.
        message: String,
    },
}

impl MappingError {
    /// True if the run was stopped by one of its [`Limits`](super::Limits) and may succeed with larger ones. A caller runs inline with
    /// small limits first, and again on another thread if this is true.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Time { .. } | Self::Memory { .. } | Self::Stack)
    }
}
