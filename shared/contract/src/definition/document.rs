//! From the text of a file to the JSON shape of each document in it.

use serde_json::Value;

/// The file is neither YAML nor JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DocumentError {
    /// From 1; 0 when unknown.
    pub line: u64,
    /// From 1; 0 when unknown.
    pub column: u64,
    /// What the parser found wrong.
    pub message: String,
}

/// Reads every document of a YAML text (documents are separated by `---`; JSON is YAML too). Empty documents are left out.
///
/// # Errors
/// The first place at which the text is no YAML: a repeated key counts.
pub fn documents(text: &str) -> Result<Vec<Value>, DocumentError> {
    // YAML 1.2 booleans only: with those of 1.1 an integration named `n`, `on` or `yes` would not be text.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options::<Value>(text, options)
        .map(|documents| documents.into_iter().filter(|document| !document.is_null()).collect())
        .map_err(|error| DocumentError {
            line: error.location().map_or(0, |at| at.line()),
            column: error.location().map_or(0, |at| at.column()),
            message: first_line(&error.without_snippet().to_string()),
        })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("not readable as YAML").to_owned()
}

/// A document as YAML, in the order of its fields; JSON, which is YAML too, where a value has no plain form that reads back the same.
#[must_use]
pub fn to_yaml(document: &Value) -> String {
    let written = serde_saphyr::to_string(document).unwrap_or_default();
    let reads_back = documents(&written).is_ok_and(|read| read == std::slice::from_ref(document));
    if reads_back { written } else { format!("{document:#}\n") }
}
