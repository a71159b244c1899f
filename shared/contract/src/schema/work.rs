//! The work of validating a value, computed before the validation: the validator cannot be interrupted.
//!
//! The count follows the validator: the parts that it evaluates against each value, and the results that it remembers. It does not depend
//! on results, so evaluations that the validator may skip are counted.

use super::graph::{Graph, Node, ROOT};
use serde_json::Value;
use std::collections::HashMap;

/// Assumed evaluations of a reference out of the document, for each value below the one that it is evaluated against.
const OUTSIDE: usize = 100;

/// The work exceeds the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// Counts evaluations of parts of a schema.
pub(super) struct Work<'g> {
    graph: &'g Graph,
    /// For each part, true if its own evaluation can evaluate it again.
    recursive: &'g [bool],
    remaining: usize,
    /// Recursive parts in evaluation, with their values: they are not entered again.
    active: Vec<(usize, *const Value)>,
    /// Evaluations of recursive parts against objects and lists for their validity.
    evaluated: HashMap<(usize, *const Value), usize>,
    marking: Vec<(usize, *const Value)>,
}

/// The purpose of an evaluation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Find {
    /// Checks if the value is valid.
    Validity,
    /// Finds its problems.
    Problems,
}

impl<'g> Work<'g> {
    pub(super) fn new(graph: &'g Graph, recursive: &'g [bool], allowed: usize) -> Self {
        Self { graph, recursive, remaining: allowed, active: Vec::new(), evaluated: HashMap::new(), marking: Vec::new() }
    }

    /// Returns the evaluations for checking if the value is valid.
    pub(super) fn validity(mut self, value: &Value) -> Result<usize, TooMuch> {
        let allowed = self.remaining;
        self.part(ROOT, value, Find::Validity)?;
        Ok(allowed - self.remaining)
    }

    /// Returns the evaluations for finding all problems.
    pub(super) fn problems(mut self, value: &Value) -> Result<usize, TooMuch> {
        let allowed = self.remaining;
        self.part(ROOT, value, Find::Problems)?;
        Ok(allowed - self.remaining)
    }

    fn spend(&mut self, evaluations: usize) -> Result<(), TooMuch> {
        self.remaining = self.remaining.checked_sub(evaluations).ok_or(TooMuch)?;
        Ok(())
    }

    fn part(&mut self, at: usize, value: &Value, find: Find) -> Result<(), TooMuch> {
        self.spend(1)?;
        let graph = self.graph;
        let node = &graph.nodes[at];
        if node.leads_outside {
            self.spend(size(value, self.remaining / OUTSIDE + 1).saturating_mul(OUTSIDE))?;
        }
        for target in &node.references {
            self.reference(*target, value, find)?;
        }
        for part in &node.all {
            self.part(*part, value, find)?;
        }
        for part in &node.tests {
            self.part(*part, value, Find::Validity)?;
        }
        for part in &node.any {
            self.part(*part, value, Find::Validity)?;
            if find == Find::Problems {
                self.part(*part, value, Find::Problems)?;
            }
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.member(node, name, member, find)?;
                }
                if node.unevaluated_properties.is_some() {
                    self.mark(at, value)?;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.item(node, index, item, find)?;
                }
                if node.unevaluated_items.is_some() {
                    self.mark(at, value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    fn member(&mut self, node: &Node, name: &str, member: &Value, find: Find) -> Result<(), TooMuch> {
        match node.properties.get(name) {
            Some(part) => self.part(*part, member, find)?,
            None => node.additional.map_or(Ok(()), |part| self.part(part, member, find))?,
        }
        for part in &node.patterns {
            self.part(*part, member, find)?;
        }
        if let Some(part) = node.names {
            self.part(part, &Value::Null, find)?;
        }
        node.unevaluated_properties.map_or(Ok(()), |part| self.part(part, member, find))
    }

    fn item(&mut self, node: &Node, index: usize, item: &Value, find: Find) -> Result<(), TooMuch> {
        match node.prefix.get(index) {
            Some(part) => self.part(*part, item, find)?,
            None => {
                for part in &node.items {
                    self.part(*part, item, find)?;
                }
            }
        }
        if let Some(part) = node.contains {
            self.part(part, item, Find::Validity)?;
        }
        node.unevaluated_items.map_or(Ok(()), |part| self.part(part, item, find))
    }

    /// The validator does not enter a recursive target again within itself, and remembers if an object or a list is valid.
    fn reference(&mut self, target: usize, value: &Value, find: Find) -> Result<(), TooMuch> {
        if !self.recursive[target] {
            return self.part(target, value, find);
        }
        let key = (target, std::ptr::from_ref(value));
        self.spend(1)?;
        // The validator compiles the first reference to a target separately from the later ones, and guards and remembers it separately.
        if self.active.iter().filter(|active| **active == key).count() >= self.graph.copies {
            return Ok(());
        }
        if find == Find::Validity && (value.is_object() || value.is_array()) {
            let count = self.evaluated.entry(key).or_default();
            if *count >= self.graph.copies {
                return Ok(());
            }
            *count += 1;
        }
        self.active.push(key);
        let result = self.part(target, value, find);
        self.active.pop();
        result
    }

    /// To find unevaluated values, the validator evaluates the parts for the same value again, and their own parts of that kind.
    fn mark(&mut self, at: usize, value: &Value) -> Result<(), TooMuch> {
        let key = (at, std::ptr::from_ref(value));
        if self.marking.contains(&key) {
            return Ok(());
        }
        self.marking.push(key);
        let graph = self.graph;
        let node = &graph.nodes[at];
        for part in node.in_place() {
            self.part(part, value, Find::Validity)?;
            self.mark(part, value)?;
        }
        let below: Vec<&Value> = match value {
            Value::Object(members) => members.values().collect(),
            Value::Array(items) => items.iter().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        let parts = [node.unevaluated_properties, node.unevaluated_items, node.contains];
        for part in parts.into_iter().flatten() {
            for value in &below {
                self.part(part, value, Find::Validity)?;
            }
        }
        self.marking.pop();
        Ok(())
    }
}

/// Returns the number of values in a value, including itself, up to `most`.
pub(super) fn size(value: &Value, max: usize) -> usize {
    let mut count = 1;
    let mut add = |part: &Value| {
        if count < max {
            count += size(part, max - count);
        }
    };
    match value {
        Value::Object(members) => members.values().for_each(&mut add),
        Value::Array(items) => items.iter().for_each(&mut add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    count
}
