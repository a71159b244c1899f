//! The request that a step would send to a remote system, rendered but not sent: as JSON, with the fields of the definition.

use super::fault::Fault;
use super::scope::Scope;
use forebay_mapping::Encoding;
use serde_json::{Map, Value};

/// Renders fields of a step that uses a remote system.
pub(crate) struct Rendering<'a> {
    /// The path of the kind's field, such as `steps[1].http`.
    pub part: &'a str,
    pub scope: &'a Scope,
}

impl Rendering<'_> {
    pub(crate) fn template(&self, field: &str, source: &str, encoding: Encoding) -> Result<String, Fault> {
        self.scope.template(&format!("{}.{field}", self.part), source, encoding)
    }

    pub(crate) fn text(&self, field: &str, source: &str) -> Result<String, Fault> {
        self.template(field, source, Encoding::Scalar)
    }

    pub(crate) fn texts(&self, field: &str, sources: &[(String, String)], encoding: Encoding) -> Result<Value, Fault> {
        let mut texts = Map::new();
        for (name, source) in sources {
            texts.insert(name.clone(), self.template(&format!("{field}.{name}"), source, encoding)?.into());
        }
        Ok(Value::Object(texts))
    }

    pub(crate) fn optional(&self, field: &str, source: Option<&String>) -> Result<Value, Fault> {
        source.map_or(Ok(Value::Null), |source| self.scope.json(&format!("{}.{field}", self.part), source))
    }

    pub(crate) fn body_or_input(&self, source: Option<&String>) -> Result<Value, Fault> {
        match source {
            Some(source) => self.scope.json(&format!("{}.body", self.part), source),
            None => Ok(Value::from(&self.scope.input)),
        }
    }

    pub(crate) fn list(&self, field: &str, source: &str, expected: &str) -> Result<Value, Fault> {
        let part = format!("{}.{field}", self.part);
        let output = self.scope.mapping(&part, source)?;
        if output.as_array().is_none() {
            return Err(Fault::of_output(&part, source, &output, format!("the mapping must give {expected}, and gave {}", output.kind())));
        }
        Ok(Value::from(&output))
    }
}
