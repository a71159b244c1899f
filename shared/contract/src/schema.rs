//! JSON Schema of bodies.

use jsonschema::{PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;

/// Problems that are reported of one body.
const MOST_PROBLEMS: usize = 50;

/// A JSON Schema (draft 2020-12 unless its `$schema` says another), compiled once a version.
#[derive(Debug)]
pub struct BodySchema(Validator);

/// One place where a body does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaProblem {
    /// JSON Pointer (RFC 6901) of the value; empty: the whole body.
    pub pointer: String,
    /// What does not fit.
    pub detail: String,
}

impl BodySchema {
    /// Compiles a schema. References to other documents are refused, and patterns are matched in linear time.
    ///
    /// # Errors
    /// What is wrong with the schema, and where.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let compiled = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema);
        compiled.map(Self).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("at {place}: ") };
            format!("is no JSON Schema: {place}{error}")
        })
    }

    /// Everything that does not fit, at most 50 problems.
    #[must_use]
    pub fn problems(&self, body: &Value) -> Vec<SchemaProblem> {
        if self.0.is_valid(body) {
            return Vec::new();
        }
        let problem = |error: jsonschema::ValidationError<'_>| {
            let detail = error.masked_with("the value").to_string();
            SchemaProblem { pointer: error.instance_path().to_string(), detail: detail.chars().take(500).collect() }
        };
        self.0.iter_errors(body).take(MOST_PROBLEMS).map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_that_does_not_fit_is_named_with_its_pointer() {
        let schema = json!({"type": "object", "required": ["id"], "properties": {
            "lines": {"type": "array", "items": {"properties": {"count": {"type": "integer", "minimum": 1}}}}}});
        let schema = BodySchema::compile(&schema).unwrap();
        assert_eq!(schema.problems(&json!({"id": 1, "lines": [{"count": 2}]})), []);
        let problems = schema.problems(&json!({"lines": [{"count": 2}, {"count": 0}, {"count": "x"}]}));
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers.len(), 3, "{problems:?}");
        assert!(pointers.contains(&"") && pointers.contains(&"/lines/1/count") && pointers.contains(&"/lines/2/count"), "{problems:?}");
    }

    #[test]
    fn a_number_is_held_against_a_schema_by_its_digits_and_a_huge_exponent_costs_nothing() {
        let schema = json!({"properties": {
            "n": {"type": "number", "minimum": 0, "maximum": 10},
            "m": {"multipleOf": 0.01},
            "i": {"type": "integer"},
            "e": {"enum": [1, "x"]},
            "c": {"const": 1.0},
            "u": {"uniqueItems": true}}});
        let schema = BodySchema::compile(&schema).unwrap();
        let pointers = |body: &str| -> Vec<String> {
            let body = crate::json::read_json(body.as_bytes()).unwrap();
            let mut pointers: Vec<String> = schema.problems(&body).into_iter().map(|problem| problem.pointer).collect();
            pointers.sort_unstable();
            pointers
        };
        assert!(pointers(r#"{"n":1.10,"m":12.10,"i":3.0,"e":1.0,"c":1,"u":[1,2]}"#).is_empty());
        assert_eq!(
            pointers(r#"{"n":10.000000000000000000001,"m":0.015,"i":3.5,"e":1.5,"c":1.5,"u":[1,1.0]}"#),
            ["/c", "/e", "/i", "/m", "/n", "/u"]
        );
        // Written out they have up to a thousand million digits: no memory and no patience would be enough for this test.
        for number in ["1e400", "1e999999999", "-1e999999999", "1e-999999999", "1e99999999999999999999", "0e999999999"] {
            let _ = pointers(&format!(r#"{{"n":{number},"m":{number},"i":{number},"e":{number},"c":{number},"u":[{number},{number}]}}"#));
        }
        assert!(pointers(r#"{"n":1e400}"#).contains(&"/n".to_owned()));
    }

    #[test]
    fn a_schema_that_is_none_is_refused_with_the_place() {
        let error = BodySchema::compile(&json!({"properties": {"a": {"type": "text"}}})).unwrap_err();
        assert!(error.contains("/properties/a/type"), "{error}");
        assert!(BodySchema::compile(&json!({"$ref": "https://elsewhere.example/schema.json"})).is_err());
        assert!(BodySchema::compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
    }
}
