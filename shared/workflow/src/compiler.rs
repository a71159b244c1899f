//! Compiles the texts of a definition, and collects their problems.

use crate::context::names_raw;
use crate::respond::{CompiledRespond, CompiledStatus};
use forebay_contract::Name;
use forebay_contract::definition::{Problem, Respond, Status};
use forebay_mapping::Paced;
use forebay_mapping::header::{HeaderTemplate, refusal};
use forebay_mapping::{Encoding, Mapping, Template};
use std::collections::BTreeSet;

/// Collects problems. The result of a text that does not compile is `None`.
#[derive(Default)]
pub(crate) struct Compiler {
    pub(crate) problems: Vec<Problem>,
    /// Problems that count for a new definition only.
    pub(crate) new_problems: Vec<Problem>,
    /// Number of steps so far, including nested ones.
    pub(crate) step_count: usize,
    pub(crate) reaches_out: bool,
    /// True if a step waits.
    pub(crate) waits: bool,
    /// True if a step needs to know if an earlier attempt may have done it.
    pub(crate) needs_earlier_attempts: bool,
    /// True if a text so far contains `raw`.
    pub(crate) uses_raw: bool,
    pub(crate) connections: BTreeSet<Name>,
}

impl Compiler {
    pub(crate) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    pub(crate) fn new_problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.new_problems.push(Problem { path: path.into(), message: message.into() });
    }

    /// Compiles one text. All mappings and templates of a definition are compiled here.
    pub(crate) fn text<T, E: ToString>(
        &mut self,
        path: &str,
        source: &str,
        compile: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Paced<T>> {
        self.uses_raw |= names_raw(source);
        compile(source).map(Paced::new).map_err(|error| self.problem(path, error.to_string())).ok()
    }

    pub(crate) fn mapping(&mut self, path: &str, source: &str) -> Option<Paced<Mapping>> {
        self.text(path, source, Mapping::compile)
    }

    /// Compiles a mapping that may be absent; the outer `None` is a problem.
    pub(crate) fn optional_mapping(&mut self, path: &str, source: Option<&String>) -> Option<Option<Paced<Mapping>>> {
        match source {
            None => Some(None),
            Some(source) => self.mapping(path, source).map(Some),
        }
    }

    pub(crate) fn template(&mut self, path: &str, source: &str, encoding: Encoding) -> Option<Paced<Template>> {
        self.text(path, source, |source| Template::compile(source, encoding))
    }

    /// Compiles templates by name.
    pub(crate) fn templates(&mut self, path: &str, sources: &[(String, String)], encoding: Encoding) -> Vec<(String, Paced<Template>)> {
        let compiled = sources.iter().filter_map(|(name, source)| {
            let template = self.template(&format!("{path}.{name}"), source, encoding)?;
            Some((name.clone(), template))
        });
        compiled.collect()
    }

    /// Compiles a template that may be absent; the outer `None` is a problem.
    pub(crate) fn optional_template(&mut self, path: &str, source: Option<&String>, encoding: Encoding) -> Option<Option<Paced<Template>>> {
        match source {
            None => Some(None),
            Some(source) => self.template(path, source, encoding).map(Some),
        }
    }

    pub(crate) fn respond(&mut self, path: &str, respond: &Respond) -> Option<CompiledRespond> {
        let status = match &respond.status {
            Status::Fixed(status) => Some(CompiledStatus::Fixed(*status)),
            Status::Mapping(source) => self.mapping(&format!("{path}.status"), source).map(CompiledStatus::Mapping),
        };
        let headers = self.headers(path, &respond.headers, false);
        let body = self.optional_mapping(&format!("{path}.body"), respond.body.as_ref());
        Some(CompiledRespond { status: status?, headers, body: body? })
    }

    pub(crate) fn headers(&mut self, path: &str, headers: &[(String, String)], in_request: bool) -> Vec<HeaderTemplate> {
        let mut compiled: Vec<HeaderTemplate> = Vec::with_capacity(headers.len());
        for (written, source) in headers {
            let name = written.to_ascii_lowercase();
            let path = format!("{path}.headers.{written}");
            if let Some(refusal) = refusal(&name, in_request) {
                self.problem(&path, refusal);
            }
            if compiled.iter().any(|header| header.name == name) {
                self.problem(&path, "is given twice; header names are equal in capital and small letters");
            }
            let template = self.template(&path, source, Encoding::HeaderValue);
            compiled.extend(template.map(|value| HeaderTemplate { written: written.clone(), name, value }));
        }
        compiled
    }
}
