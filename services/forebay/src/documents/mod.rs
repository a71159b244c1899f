//! From files to checked documents, split by kind, with every problem and its place.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use forebay_contract::IntegrationPath;
use forebay_contract::alert::Alert;
use forebay_contract::connection::Connection;
use forebay_contract::definition::{Definition, Place, Places, Problem, documents};
use forebay_operations::{NewAlert, check_definition, definition_warnings};
use forebay_store::NewDefinition;
use serde_json::{Value, json};

use crate::error::Error;
use crate::files;
use crate::output::note;

/// The documents of files. Everything is checked, so that an author sees all mistakes at once.
#[derive(Default)]
pub(crate) struct Documents {
    /// Valid definitions.
    pub(crate) definitions: Vec<NewDefinition>,
    /// Connections that are valid except for their secrets, which are not looked up.
    pub(crate) connections: Vec<ConnectionDocument>,
    /// Valid alert rules.
    pub(crate) alerts: Vec<NewAlert>,
    /// All problems.
    pub(crate) problems: Vec<FileProblem>,
    /// Files without any document.
    empty: Vec<String>,
    /// The kind of documents that are read; others are skipped. `None`: all are read.
    only: Option<Kind>,
}

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Definition,
    Connection,
    Alert,
}

impl Kind {
    fn of(document: &Value) -> Self {
        if Connection::is_document(document) {
            Self::Connection
        } else if Alert::is_document(document) {
            Self::Alert
        } else {
            Self::Definition
        }
    }
}

/// A connection as it is in a file.
pub(crate) struct ConnectionDocument {
    /// `tenant/name`.
    pub(crate) path: String,
    pub(crate) file: String,
    pub(crate) document: Value,
}

/// A problem with its place.
#[derive(Debug)]
pub(crate) struct FileProblem {
    file: String,
    /// The number of the document in the file, from 1.
    document: usize,
    place: Option<Place>,
    problem: Problem,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{}: {}", self.file, place.line, self.problem),
            None if self.document > 1 => write!(f, "{} (document {}): {}", self.file, self.document, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl FileProblem {
    pub(crate) fn object(&self) -> Value {
        json!({
            "file": self.file,
            "document": self.document,
            "line": self.place.map(|place| place.line),
            "column": self.place.map(|place| place.column),
            "path": self.problem.path,
            "message": self.problem.message,
        })
    }
}

impl Documents {
    /// Reads files and folders.
    ///
    /// # Errors
    /// A path that cannot be read, or that contains no file with a known extension; problems of the files are in `problems`.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        Self::default().with_files(paths)
    }

    fn with_files(mut self, paths: &[PathBuf]) -> Result<Self, Error> {
        let files = files::find(paths)?;
        if files.is_empty() {
            return Err(Error::Usage("the paths contain no *.yaml, *.yml or *.json file".to_owned()));
        }
        for file in &files {
            let read = std::fs::read_to_string(file);
            let text = read.map_err(|source| Error::Io { doing: format!("cannot read {}", file.display()), source })?;
            self.add_file(file, &text);
        }
        self.refuse_duplicates();
        Ok(self)
    }

    /// Reads files for verbs that need all documents to be valid: prints the problems and fails. `not_done` is the end of the error's text.
    pub(crate) fn read_valid(paths: &[PathBuf], not_done: &str) -> Result<Self, Error> {
        let read = Self::read(paths)?.valid(not_done)?;
        if read.is_empty() { Err(Error::Usage("the files contain no definition, connection or alert rule".to_owned())) } else { Ok(read) }
    }

    fn is_empty(&self) -> bool {
        self.definitions.is_empty() && self.connections.is_empty() && self.alerts.is_empty()
    }

    /// Reads files; a file without documents is a problem.
    ///
    /// # Errors
    /// Those of [`Documents::read`].
    pub(crate) fn read_nonempty(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut read = Self::read(paths)?;
        if read.is_empty() && read.problems.is_empty() {
            let message = "contains no document: write a definition, a connection or an alert rule";
            let problem = |file| FileProblem {
                file,
                document: 1,
                place: None,
                problem: Problem { path: String::new(), message: message.to_owned() },
            };
            read.problems = std::mem::take(&mut read.empty).into_iter().map(problem).collect();
        }
        Ok(read)
    }

    /// Reads connections only: other documents may have problems.
    pub(crate) fn read_connections(paths: &[PathBuf], not_done: &str) -> Result<Vec<ConnectionDocument>, Error> {
        let only = Self { only: Some(Kind::Connection), ..Self::default() };
        Ok(only.with_files(paths)?.valid(not_done)?.connections)
    }

    /// Reads alert rules only: other documents may have problems.
    pub(crate) fn read_alerts(paths: &[PathBuf], not_done: &str) -> Result<Vec<NewAlert>, Error> {
        let only = Self { only: Some(Kind::Alert), ..Self::default() };
        Ok(only.with_files(paths)?.valid(not_done)?.alerts)
    }

    fn valid(self, not_done: &str) -> Result<Self, Error> {
        if self.problems.is_empty() {
            return Ok(self);
        }
        self.problems.iter().for_each(|problem| note(&problem.to_string()));
        Err(Error::Failed(format!("{}: {not_done}", counted(self.problems.len(), "problem"))))
    }

    fn add_file(&mut self, file: &Path, text: &str) {
        let shown = file.display().to_string();
        let read = match documents(text) {
            Ok(read) => read,
            Err(error) => {
                let place = (error.line > 0).then_some(Place { line: error.line, column: error.column });
                let message = place.map_or_else(|| error.message.clone(), |place| format!("{} (column {})", error.message, place.column));
                let problem = Problem { path: String::new(), message };
                return self.problems.push(FileProblem { file: shown, document: 1, place, problem });
            }
        };
        if read.is_empty() {
            self.empty.push(shown.clone());
        }
        let sources = files::sources(text, read.len());
        // The text is parsed again, for the places, only if there are problems.
        let mut places: Option<Vec<Places>> = None;
        for (index, (document, source)) in read.into_iter().zip(sources).enumerate() {
            let Err(problems) = self.add_document(&shown, document, source) else { continue };
            let places = places.get_or_insert_with(|| Places::of_documents(text)).get(index);
            for problem in problems {
                let place = places.and_then(|places| places.find(&problem.path));
                self.problems.push(FileProblem { file: shown.clone(), document: index + 1, place, problem });
            }
        }
    }

    /// Adds a document by its kind.
    fn add_document(&mut self, file: &str, document: Value, source: String) -> Result<(), Vec<Problem>> {
        let kind = Kind::of(&document);
        if self.only.is_some_and(|only| only != kind) {
            return Ok(());
        }
        match kind {
            Kind::Connection => {
                let path = check_connection(&document)?;
                self.connections.push(ConnectionDocument { path, file: file.to_owned(), document });
            }
            Kind::Alert => self.alerts.push(NewAlert::read(document)?),
            Kind::Definition => {
                let definition = check_definition(&document)?;
                definition_warnings(&definition).iter().for_each(|text| note(&format!("warning: {file}: {}: {text}", definition.path())));
                self.definitions.push(NewDefinition { definition, document, source });
            }
        }
        Ok(())
    }

    fn refuse_duplicates(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let definitions = self.definitions.iter().map(|new| new.definition.path().to_string());
        let connections = self.connections.iter().map(|connection| format!("connection {}", connection.path));
        let alerts = self.alerts.iter().map(|alert| format!("alert rule {}", alert.alert.path()));
        for path in definitions.chain(connections).chain(alerts) {
            *counts.entry(path).or_default() += 1;
        }
        let mut duplicates: Vec<(String, usize)> = counts.into_iter().filter(|(_, count)| *count > 1).collect();
        duplicates.sort();
        for (path, count) in duplicates {
            let problem = Problem { path: String::new(), message: format!("is defined {count} times in these files: remove all but one") };
            self.problems.push(FileProblem { file: path, document: 1, place: None, problem });
        }
    }
}

/// A definition of a file.
pub(crate) struct Written {
    /// The definition; its mappings may not compile.
    pub(crate) definition: Definition,
    /// The places of its fields.
    pub(crate) places: Places,
    /// The text of the file.
    pub(crate) text: String,
}

/// Reads the only definition of a file, or the one of this name.
///
/// # Errors
/// The file cannot be read, contains no such definition, or several and no name is given; a field is not valid.
pub(crate) fn read_one(file: &Path, requested: Option<&IntegrationPath>) -> Result<Written, Error> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|source| Error::Io { doing: format!("cannot read {shown}"), source })?;
    let read = documents(&text).map_err(|error| Error::Failed(format!("{shown}: {error}")))?;
    let mut places = Places::of_documents(&text);
    places.resize_with(read.len(), Places::default);
    let is_requested = |document: &Value| {
        let is_named = |path: &IntegrationPath| document["tenant"] == path.tenant.as_str() && document["name"] == path.name.as_str();
        Kind::of(document) == Kind::Definition && requested.is_none_or(is_named)
    };
    let mut chosen = read.iter().zip(places).enumerate().filter(|(_, (document, _))| is_requested(document));
    let Some((index, (document, places))) = chosen.next() else {
        let what = requested.map_or_else(|| "a definition".to_owned(), ToString::to_string);
        return Err(Error::Usage(format!("{shown} does not contain {what}")));
    };
    if chosen.next().is_some() {
        return Err(Error::Usage(format!("{shown} contains several definitions: select one with --integration TENANT/NAME")));
    }
    let definition = Definition::from_value(document).map_err(|error| {
        let found = error.problems.into_iter().map(|problem| {
            let place = places.find(&problem.path);
            FileProblem { file: shown.to_string(), document: index + 1, place, problem }.to_string()
        });
        Error::Failed(found.collect::<Vec<_>>().join("\n"))
    })?;
    Ok(Written { definition, places, text })
}

/// Placeholders for secrets that are not looked up: one is a valid address of a broker, the other of a service.
const ANY_SECRET: [&str; 2] = ["amqps://secret", "https://secret"];

/// Checks a connection without its secrets, which are not looked up: problems of secret values are ignored.
fn check_connection(document: &Value) -> Result<String, Vec<Problem>> {
    let unknown = Connection::looked_up_fields(document);
    let mut found = Vec::new();
    for secret in ANY_SECRET {
        let resolved = Connection::resolve_secrets(document, |_| Ok(secret.to_owned())).map_err(|error| error.problems)?;
        let problems = Connection::from_value(&resolved).err().map(|error| error.problems).unwrap_or_default();
        found = problems.into_iter().filter(|problem| !unknown.contains(&problem.path)).collect();
        if found.is_empty() {
            let name = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
            return Ok(format!("{}/{}", name("tenant"), name("connection")));
        }
    }
    Err(found)
}

/// Returns `1 problem`, `2 problems`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
