//! The context of mappings in a trial, and their evaluation: each is compiled when it is reached.

use super::fault::Fault;
use forebay_mapping::{Encoding, Limits, Mapping, Piece, Template, Value};
use serde_json::Value as Json;

/// The context of a trial.
#[derive(Clone)]
pub(crate) struct Scope {
    /// All fields except `input` and `steps`.
    pub(crate) fixed: Vec<(String, Value)>,
    pub(crate) input: Value,
    pub(crate) steps: Vec<(String, Value)>,
    /// The output of the last step that ran.
    pub(crate) last: Option<Value>,
    /// The prefix of step ids in paths: empty, or such as `lines[3]/`.
    pub(crate) prefix: String,
}

impl Scope {
    pub(crate) fn value(&self) -> Value {
        let steps = Value::object(self.steps.clone());
        let own = [("input".to_owned(), self.input.clone()), ("steps".to_owned(), steps)];
        Value::object(self.fixed.iter().cloned().chain(own))
    }

    pub(crate) fn add_step(&mut self, id: &str, output: Value) {
        self.steps.retain(|(existing, _)| existing != id);
        self.steps.push((id.to_owned(), output));
    }

    /// Returns the scope of one item of the loop `id`.
    pub(crate) fn of_item(&self, id: &str, index: usize, item: Value) -> Self {
        let mut scope = self.clone();
        scope.fixed.retain(|(name, _)| name != "item" && name != "index");
        scope.fixed.extend([("item".to_owned(), item), ("index".to_owned(), Value::from(index))]);
        scope.last = None;
        scope.prefix = format!("{}{id}[{index}]/", self.prefix);
        scope
    }

    pub(crate) fn mapping(&self, part: &str, source: &str) -> Result<Value, Fault> {
        evaluate(part, source, &self.value())
    }

    /// Evaluates a mapping whose result is only shown.
    pub(crate) fn json(&self, part: &str, source: &str) -> Result<Json, Fault> {
        self.mapping(part, source).map(|value| Json::from(&value))
    }

    pub(crate) fn template(&self, part: &str, source: &str, encoding: Encoding) -> Result<String, Fault> {
        let template = Template::compile(source, encoding).map_err(|error| Fault::compile(part, source, error))?;
        let input = self.value();
        template.render(&input, &Limits::default()).map_err(|error| Fault::at(part, source, template.locate(&input), error.to_string()))
    }

    /// Evaluates a [`template`](Self::template), with literal text and inserted values kept apart.
    pub(crate) fn pieces(&self, part: &str, source: &str, encoding: Encoding) -> Result<Vec<Piece>, Fault> {
        let template = Template::compile(source, encoding).map_err(|error| Fault::compile(part, source, error))?;
        let input = self.value();
        let pieces = template.pieces(&input, &Limits::default());
        pieces.map_err(|error| Fault::at(part, source, template.locate(&input), error.to_string()))
    }
}

/// Compiles and runs one mapping.
pub(crate) fn evaluate(part: &str, source: &str, input: &Value) -> Result<Value, Fault> {
    let mapping = Mapping::compile(source).map_err(|error| Fault::compile(part, source, error))?;
    mapping.run(input, &Limits::default()).map_err(|error| Fault::at(part, source, mapping.locate(input, &error), error.to_string()))
}
