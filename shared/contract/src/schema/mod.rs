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

/// Problems that are reported of one body.
const MAX_PROBLEMS: usize = 50;
/// Characters of the text of a problem.
const MAX_DETAIL_CHARS: usize = 500;
/// Evaluations of parts of a schema that are spent to find whether a body is valid: some 0.1 s.
const MAX_VALIDITY_WORK: usize = 1_000_000;
/// The same for each value of the body, so that a large body may take as long as one that is read does anyhow.
const MAX_VALIDITY_WORK_OF_VALUE: usize = 10;
/// Evaluations that are spent to find everything that is wrong: some 0.05 s, and each may take half a kilobyte of memory.
const MAX_PROBLEMS_WORK: usize = 100_000;

/// A JSON Schema (draft 2020-12 unless its `$schema` says another), compiled once a version.
#[derive(Debug)]
pub struct BodySchema {
    validator: Validator,
    graph: Graph,
    shape: Shape,
}

/// One place where a body does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaProblem {
    /// JSON Pointer (RFC 6901) of the value; empty: the whole body.
    pub pointer: String,
    /// What does not fit.
    pub detail: String,
}

/// The reason for which a body is refused; the Display is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It does not fit at these places; at least one, at most 50. Of a large body it may be the first alone.
    #[error("the body does not fit the schema")]
    Problems(Vec<SchemaProblem>),
    /// It does not fit; all the places would be too much work to find.
    #[error(
        "the body does not fit the schema; where, is not listed, since the schema makes too much work of this body: send a smaller body to see the places"
    )]
    Unlisted,
    /// It would be too much work to find out if the body fits.
    #[error(
        "the schema makes too much work of this body, since it holds the same values against its parts again and again. Send a smaller or less deeply nested body, or change the schema: alternatives that are told apart by a `const` member, and one reference to the part that recurs"
    )]
    TooMuchWork,
}

impl BodySchema {
    /// Compiles a schema. References to other documents are refused, and patterns are matched in linear time.
    ///
    /// # Errors
    /// What is wrong with the schema, and where.
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

    /// Returns whether this schema may make the validator evaluate one value often: the work is counted before it is done then, for each body.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.shape.is_counted
    }

    /// The part by which recursion branches, as a JSON Pointer (RFC 6901) into the schema: it leads back to itself by two ways for the same
    /// member, so that the work may double with each level of a body.
    #[must_use]
    pub fn branching_recursion(&self) -> Option<&str> {
        self.shape.branching.as_deref()
    }

    /// Holds a body against the schema.
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
        // The validator finds all of them at once, with what each alternative has against the body.
        if let Err(TooMuch) = work(MAX_PROBLEMS_WORK).problems(body) {
            return Err(self.first_problem(body).map_or(SchemaError::Unlisted, |problem| SchemaError::Problems(vec![problem])));
        }
        Err(SchemaError::Problems(self.validator.iter_errors(body).take(MAX_PROBLEMS).map(problem).collect()))
    }

    /// The first one, where it can be found without all that alternatives have against their values.
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
