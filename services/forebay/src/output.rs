//! Output: aligned tables and lines for users, JSON for programs.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use forebay_admin_api::MomentText;
use forebay_contract::UnixMicros;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and lines of text
    Text,
    /// An array of objects for a listing, one object otherwise
    Json,
}

/// Standard output in the requested format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

/// A row of a listing in both formats.
pub(crate) struct Row<T> {
    /// A cell for each column.
    pub(crate) cells: Vec<String>,
    /// The object.
    pub(crate) object: T,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a listing: a table, or an array of objects. `none` is the text for users if there are no rows.
    pub(crate) fn listing<T: Serialize>(self, columns: &[&str], rows: Vec<Row<T>>, none: &str) -> Result<(), Error> {
        if self.is_json() {
            return write_json(&rows.into_iter().map(|row| row.object).collect::<Vec<T>>());
        }
        if rows.is_empty() {
            return write(none);
        }
        let cells: Vec<Vec<String>> = rows.into_iter().map(|row| row.cells).collect();
        write(&table(columns, &cells))
    }

    /// Prints one thing: its text, or its object.
    pub(crate) fn one(self, text: &str, object: &impl Serialize) -> Result<(), Error> {
        if self.is_json() { write_json(object) } else { write(text) }
    }
}

/// Writes an object or a list as JSON for programs; numbers keep their digits.
pub(crate) fn write_json(object: &impl Serialize) -> Result<(), Error> {
    write(&serde_json::to_string_pretty(object).map_err(|error| not_json(&error))?)
}

/// Returns the JSON on one line, as text.
pub(crate) fn json_line(object: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(object).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::Failed(format!("the output cannot be written as JSON: {error}"))
}

/// Writes lines to standard output. It is no failure if the reader has closed it, as `head` does.
pub(crate) fn write(text: &str) -> Result<(), Error> {
    write_while_open(text).map(|_| ())
}

/// Writes lines to standard output; returns false if the reader has closed it.
pub(crate) fn write_while_open(text: &str) -> Result<bool, Error> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(source) => Err(Error::Io { doing: "cannot write the output".to_owned(), source }),
    }
}

/// Writes a line for users to standard error, if it is open.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// Returns columns as wide as their widest cell, with two spaces between them.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let mut widths = vec![0; columns.len()];
    for row in std::iter::once(&header).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            // Control characters of foreign texts must not move the cursor of the terminal.
            let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the time that long ago, at least 1970. It is the same for all parts of a retry.
pub(crate) fn time_ago(time: Duration) -> MomentText {
    MomentText::new((UnixMicros::now() - time).max(UnixMicros::default()).rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_are_blanked() {
        let rows = vec![vec!["a".to_owned(), "long\u{1b}name".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["id", "label", "note"], &rows), "ID  LABEL      NOTE\na   long name  x\n");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time_ago(Duration::MAX).as_str(), "1970-01-01T00:00:00Z");
    }
}
