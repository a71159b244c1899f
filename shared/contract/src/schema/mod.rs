//! JSON Schema of bodies.

mod graph;
mod shape;
#[cfg(test)]
mod tests;
mod work;

use self::graph::Graph;
use self::shape::Shape;
use self::work::{TooMuch, Work, size};
use jsonschema::{PatternOptions, ValidationOptions, Validator};
use serde::Serialize;
use serde_json::Value;

/// Maximum problems that are reported of one body.
const MAX_PROBLEMS: usize = 50;
/// Maximum characters of the text of a problem.
const MAX_DETAIL_CHARS: usize = 500;
/// Maximum evaluations of parts of a schema for checking a body: about 0.1 s.
const MAX_VALIDITY_WORK: usize = 1_000_000;
/// Additional evaluations for each value of the body, so that the check of a large body may take as long as reading it.
const MAX_VALIDITY_WORK_OF_VALUE: usize = 10;
/// Maximum evaluations for finding all problems: about 0.05 s, and each may take half a kilobyte of memory.
const MAX_PROBLEMS_WORK: usize = 100_000;

/// A JSON Schema (draft 2020-12 unless its `$schema` is another), compiled once for each version.
#[derive(Debug)]
pub struct BodySchema {
    validator: Validator,
    graph: Graph,
    shape: Shape,
}

/// A place where a body is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaProblem {
    /// JSON Pointer (RFC 6901) of the value; empty: the whole body.
    pub pointer: String,
    /// The problem.
    pub detail: String,
}

/// The reason for which a body is refused; its Display is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is not valid at these places; at least one, at most 50. For a large body it may be only the first.
    #[error("the body does not fit the schema")]
    Problems(Vec<SchemaProblem>),
    /// It is not valid; finding all places would take too much work.
    #[error(
        "the body does not fit the schema; where, is not listed, since the schema makes too much work of this body: send a smaller body to see the places"
    )]
    Unlisted,
    /// Checking the body would take too much work.
    #[error(
        "the schema makes too much work of this body, since it holds the same values against its parts again and again. Send a smaller or less deeply nested body, or change the schema: alternatives that are told apart by a `const` member, and one reference to the part that recurs"
    )]
    TooMuchWork,
}

impl BodySchema {
    /// Compiles a schema. References to other documents are refused, and patterns are matched in linear time.
    ///
    /// # Errors
    /// The problem of the schema, and its place.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        Self::compile_with(jsonschema::options(), schema)
    }

    fn compile_with(options: ValidationOptions<'_>, schema: &Value) -> Result<Self, String> {
        let compiled = options.with_pattern_options(PatternOptions::regex()).build(schema);
        let validator = compiled.map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("at {place}: ") };
            format!("is no JSON Schema: {place}{error}")
        })?;
        let graph = Graph::of(schema);
        let shape = Shape::of(&graph);
        Ok(Self { validator, graph, shape })
    }

    /// Returns true if this schema may make the validator evaluate one value often: then the work is counted before the check of each body.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.shape.is_counted
    }

    /// Returns the part at which recursion branches, as a JSON Pointer (RFC 6901) into the schema: it leads back to itself in two ways for
    /// the same member, so the work may double with each level of a body.
    #[must_use]
    pub fn branching_recursion(&self) -> Option<&str> {
        self.shape.branching.as_deref()
    }

    /// Validates a body.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn check(&self, body: &Value) -> Result<(), SchemaError> {
        let work = |allowed| Work::new(&self.graph, &self.shape.recursive, allowed);
        if self.shape.is_counted {
            let allowed = MAX_VALIDITY_WORK + size(body, usize::MAX) * MAX_VALIDITY_WORK_OF_VALUE;
            work(allowed).validity(body).map_err(|TooMuch| SchemaError::TooMuchWork)?;
        }
        if self.validator.is_valid(body) {
            return Ok(());
        }
        // The validator finds all of them at once, including the problems of each alternative.
        if let Err(TooMuch) = work(MAX_PROBLEMS_WORK).problems(body) {
            return Err(self.first_problem(body).map_or(SchemaError::Unlisted, |problem| SchemaError::Problems(vec![problem])));
        }
        Err(SchemaError::Problems(self.validator.iter_errors(body).take(MAX_PROBLEMS).map(problem).collect()))
    }

    /// Returns the first problem, if it can be found without the problems of alternatives.
    fn first_problem(&self, body: &Value) -> Option<SchemaProblem> {
        if self.graph.nodes.iter().any(|node| !node.any.is_empty() || node.leads_outside) {
            return None;
        }
        self.validator.validate(body).err().map(problem)
    }
}

fn problem(error: jsonschema::ValidationError<'_>) -> SchemaProblem {
    let detail = error.masked_with("the value").to_string();
    SchemaProblem { pointer: error.instance_path().to_string(), detail: detail.chars().take(MAX_DETAIL_CHARS).collect() }
}
