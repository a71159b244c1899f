use super::*;
use jsonschema::{Keyword, ValidationError};
use proptest::prelude::*;
use serde_json::{Map, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn problems(schema: &BodySchema, body: &Value) -> Vec<SchemaProblem> {
    match schema.check(body) {
        Ok(()) => Vec::new(),
        Err(SchemaError::Problems(problems)) => problems,
        Err(other) => panic!("{other}"),
    }
}

/// Returns `{"a":{"a": ... }}` with so many levels.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

#[test]
fn every_value_that_does_not_fit_is_named_with_its_pointer() {
    let schema = json!({"type": "object", "required": ["id"], "properties": {
        "lines": {"type": "array", "items": {"properties": {"count": {"type": "integer", "minimum": 1}}}}}});
    let schema = BodySchema::compile(&schema).unwrap();
    assert_eq!(problems(&schema, &json!({"id": 1, "lines": [{"count": 2}]})), []);
    let problems = problems(&schema, &json!({"lines": [{"count": 2}, {"count": 0}, {"count": "x"}]}));
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
        let mut pointers: Vec<String> = problems(&schema, &body).into_iter().map(|problem| problem.pointer).collect();
        pointers.sort_unstable();
        pointers
    };
    assert!(pointers(r#"{"n":1.10,"m":12.10,"i":3.0,"e":1.0,"c":1,"u":[1,2]}"#).is_empty());
    assert_eq!(
        pointers(r#"{"n":10.000000000000000000001,"m":0.015,"i":3.5,"e":1.5,"c":1.5,"u":[1,1.0]}"#),
        ["/c", "/e", "/i", "/m", "/n", "/u"]
    );
    // Written out, they have up to a thousand million digits, which would take too much memory and time.
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

/// Returns two alternatives that lead to the same part for the same member.
fn branching() -> Value {
    let alternative = |required: &str| json!({"properties": {"a": {"$ref": "#/$defs/n"}}, "required": [required]});
    json!({"$defs": {"n": {"anyOf": [alternative("x"), alternative("y")]}}, "$ref": "#/$defs/n"})
}

/// Returns parts, each of which evaluates the next one twice.
fn doubling(levels: usize) -> Value {
    let part = |at: usize| {
        let next = json!({"$ref": format!("#/$defs/p{}", at + 1)});
        if at == levels { json!({}) } else { json!({"allOf": [next.clone(), next]}) }
    };
    let parts: Map<String, Value> = (0..=levels).map(|at| (format!("p{at}"), part(at))).collect();
    json!({"$defs": parts, "$ref": "#/$defs/p0"})
}

#[test]
fn a_body_that_branching_recursion_makes_much_of_is_refused_within_its_bound() {
    let schema = BodySchema::compile(&branching()).unwrap();
    assert!(schema.is_counted());
    assert_eq!(schema.branching_recursion(), Some("/$defs/n"));
    // A body of 127 bytes took 13 s and 4 GB.
    let begun = std::time::Instant::now();
    assert_eq!(schema.check(&nested(21)), Err(SchemaError::Unlisted));
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    assert_eq!(problems(&schema, &nested(2)).len(), 1);
    assert_eq!(schema.check(&json!({"x": 1, "a": {"y": 1, "a": {"x": 1}}})), Ok(()));
    let valid = (0..60).fold(json!({"x": 1}), |inner, _| json!({"x": 1, "a": inner}));
    assert_eq!(schema.check(&valid), Ok(()), "what is remembered is not counted twice");
}

#[test]
fn a_schema_that_doubles_without_recursion_is_counted_too() {
    let schema = BodySchema::compile(&doubling(16)).unwrap();
    assert!(schema.is_counted());
    assert_eq!(schema.branching_recursion(), None);
    assert_eq!(schema.check(&json!(1)), Ok(()));
    assert_eq!(BodySchema::compile(&doubling(20)).unwrap().check(&json!(1)), Err(SchemaError::TooMuchWork));
}

#[test]
fn a_large_body_that_does_not_fit_anywhere_is_not_listed_in_full_and_one_that_fits_is_accepted() {
    let schema = BodySchema::compile(&json!({"items": {"type": "string"}})).unwrap();
    assert!(!schema.is_counted());
    assert_eq!(problems(&schema, &json!(vec![1; 200_000])).len(), 1);
    let alternatives = BodySchema::compile(&json!({"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}})).unwrap();
    assert_eq!(alternatives.check(&json!(vec![1; 200_000])), Err(SchemaError::Unlisted));
    assert_eq!(schema.check(&json!(vec!["x"; 200_000])), Ok(()));
    assert_eq!(problems(&schema, &json!(vec![1; 1000])).len(), MAX_PROBLEMS);
}

#[test]
fn schemas_of_trees_and_of_documents_are_ordinary_or_accept_what_is_real() {
    let tree = json!({"$id": "https://example.com/tree", "type": "object", "required": ["value"], "properties": {
        "value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}}});
    let list = json!({"$defs": {"node": {"anyOf": [{"type": "null"}, {"properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}]}},
        "$ref": "#/$defs/node"});
    let document = json!({"$dynamicAnchor": "meta", "type": ["object", "boolean"], "properties": {
        "properties": {"additionalProperties": {"$dynamicRef": "#meta"}}, "items": {"$dynamicRef": "#meta"},
        "allOf": {"$ref": "#/$defs/list"}, "anyOf": {"$ref": "#/$defs/list"}, "not": {"$dynamicRef": "#meta"}},
        "$defs": {"list": {"type": "array", "minItems": 1, "items": {"$dynamicRef": "#meta"}}}});
    for schema in [&tree, &list, &document] {
        let compiled = BodySchema::compile(schema).unwrap();
        assert!(!compiled.is_counted(), "{schema}");
    }
    let leaves = |count: usize| (0..count).map(|value| json!({"value": value})).collect::<Vec<_>>();
    let wide = json!({"value": 1, "children": (0..100).map(|_| json!({"value": 2, "children": leaves(100)})).collect::<Vec<_>>()});
    assert_eq!(BodySchema::compile(&tree).unwrap().check(&wide), Ok(()));
    assert_eq!(BodySchema::compile(&document).unwrap().check(&document), Ok(()));

    // Expressions branch: `left` of a sum and of a product.
    let operation = |name: &str| {
        json!({"type": "object", "required": ["op", "left", "right"], "properties": {"op": {"const": name},
        "left": {"$ref": "#/$defs/expression"}, "right": {"$ref": "#/$defs/expression"}}})
    };
    let expression = json!({"$ref": "#/$defs/expression", "$defs": {"expression": {"oneOf": [
        {"type": "number"}, operation("+"), operation("*"), operation("-"), operation("/")]}}});
    let schema = BodySchema::compile(&expression).unwrap();
    assert_eq!(schema.branching_recursion(), Some("/$defs/expression"));
    let operations = ["+", "*", "-", "/"];
    let deep = (0..40).fold(json!(1), |inner, at| json!({"op": operations[at % 4], "left": inner, "right": 2}));
    assert_eq!(schema.check(&deep), Ok(()));
    let balanced = (0..12).fold(json!(1), |inner, _| json!({"op": "/", "left": inner.clone(), "right": inner}));
    assert_eq!(schema.check(&balanced), Ok(()));
    assert_eq!(problems(&schema, &json!({"op": "+", "left": 1, "right": {"op": "%", "left": 1, "right": 1}})).len(), 1);
    assert!(BodySchema::compile(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"})).unwrap().check(&document).is_ok());
}

/// Counts the evaluations of a part of a schema.
struct Count(Arc<AtomicUsize>);

impl<'i> Keyword<'i> for Count {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Returns schemas with few names, so that parts collide; each part counts its evaluations.
fn schemas() -> impl Strategy<Value = Value> {
    const REFERENCES: &[&str] = &["#/$defs/d", "#/$defs/e", "#", "#meta", "inner", "inner#/properties/a"];
    let leaf = prop_oneof![
        Just(json!({"x-count": 1})),
        Just(json!({"x-count": 1, "type": "object"})),
        Just(json!({"x-count": 1, "required": ["a"]})),
        proptest::sample::select(REFERENCES).prop_map(|to| json!({"x-count": 1, "$ref": to})),
        Just(json!({"x-count": 1, "$dynamicRef": "#meta"})),
    ];
    let part = leaf.prop_recursive(3, 24, 3, |inner| {
        const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
        const SINGLE: &[&str] = &[
            "not",
            "if",
            "then",
            "else",
            "additionalProperties",
            "items",
            "contains",
            "unevaluatedProperties",
            "unevaluatedItems",
            "propertyNames",
        ];
        const NAMED: &[&str] = &["properties", "patternProperties", "dependentSchemas"];
        let keyword = prop_oneof![
            (proptest::sample::select(LISTS), proptest::collection::vec(inner.clone(), 1..4))
                .prop_map(|(name, parts)| (name, json!(parts))),
            (proptest::sample::select(SINGLE), inner.clone()).prop_map(|(name, part)| (name, part)),
            (proptest::sample::select(NAMED), proptest::collection::hash_map(proptest::sample::select(&["a", "b"][..]), inner, 1..3))
                .prop_map(|(name, parts)| (name, json!(parts))),
        ];
        proptest::collection::vec(keyword, 1..4).prop_map(|keywords| {
            let counted = [("x-count".to_owned(), json!(1))];
            Value::Object(keywords.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(counted).collect())
        })
    });
    (part.clone(), part.clone(), part.clone(), part).prop_map(|(mut root, d, e, a)| {
        root["$defs"] = json!({"d": d, "e": e, "meta": {"$dynamicAnchor": "meta", "x-count": 1, "items": {"$ref": "#/$defs/d"}},
            "inner": {"$id": "inner", "x-count": 1, "properties": {"a": a}}});
        root
    })
}

fn bodies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!({})), Just(json!([]))];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(proptest::sample::select(&["a", "b", "c"][..]), inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The evaluations are counted in the validator itself.
    #[test]
    fn the_count_is_never_below_what_the_validator_does(schema in schemas(), body in bodies()) {
        const ALLOWED: usize = 20_000;
        let count = Arc::new(AtomicUsize::new(0));
        let counting = count.clone();
        let options = jsonschema::options().with_keyword("x-count", move |_: &Map<String, Value>, _: &Value, _| Ok(Box::new(Count(counting.clone()))));
        let Ok(schema) = BodySchema::compile_with(options, &schema) else { return Ok(()) };
        let work = || Work::new(&schema.graph, &schema.shape.recursive, ALLOWED);
        if let Ok(allowed) = work().validity(&body) {
            count.store(0, Ordering::Relaxed);
            let _ = schema.validator.is_valid(&body);
            let done = count.load(Ordering::Relaxed);
            prop_assert!(done <= allowed, "{done} evaluations for validity, {allowed} were counted");
        }
        if let Ok(allowed) = work().problems(&body) {
            count.store(0, Ordering::Relaxed);
            let _ = schema.validator.iter_errors(&body).count();
            let done = count.load(Ordering::Relaxed);
            prop_assert!(done <= allowed, "{done} evaluations for problems, {allowed} were counted");
        }
        if !schema.is_counted() {
            let values = size(&body, usize::MAX);
            prop_assert!(work().validity(&body).is_ok_and(|evaluations| evaluations <= values * (3 * 100)), "an ordinary schema");
        }
    }
}
