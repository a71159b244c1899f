//! The graph of a schema: for each part, the other parts that its evaluation may evaluate, and against which value.
//!
//! Where the drafts differ, the graph has the edges of all drafts, and where a reference may have several targets, the edges to all of
//! them: it never has fewer edges than the validator follows.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::HashMap;

/// The number of the schema itself.
pub(super) const ROOT: usize = 0;

/// Number of times that the validator may have compiled one target of references; plus one for each part that searches for unevaluated
/// values.
const COPIES: usize = 2;

/// The graph of a schema. Parts that nothing refers to are not in it.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Number of times that the validator may have compiled one target of references.
    pub(super) copies: usize,
}

/// A part of a schema. Other parts are given by their numbers.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// JSON Pointer (RFC 6901) of the part.
    pub(super) pointer: String,
    /// The targets of references.
    pub(super) references: Vec<usize>,
    /// Parts of `allOf`, `dependentSchemas`, `then`, `else`: each is evaluated once.
    pub(super) all: Vec<usize>,
    /// Parts of `anyOf` and `oneOf`: each is evaluated, and again for its problems.
    pub(super) any: Vec<usize>,
    /// Parts of `not` and `if`: evaluated, without problems.
    pub(super) tests: Vec<usize>,
    /// Parts of `properties`.
    pub(super) properties: HashMap<String, usize>,
    /// Parts of `patternProperties`; each is assumed to match every name.
    pub(super) patterns: Vec<usize>,
    /// The part of `additionalProperties`.
    pub(super) additional: Option<usize>,
    /// The part of `unevaluatedProperties`; every member is assumed to be unevaluated.
    pub(super) unevaluated_properties: Option<usize>,
    /// The part of `propertyNames`.
    pub(super) names: Option<usize>,
    /// Parts of `prefixItems`, or of `items` as a list.
    pub(super) prefix: Vec<usize>,
    /// Parts of `items` and `additionalItems`.
    pub(super) items: Vec<usize>,
    /// The part of `contains`.
    pub(super) contains: Option<usize>,
    /// The part of `unevaluatedItems`; every item is assumed to be unevaluated.
    pub(super) unevaluated_items: Option<usize>,
    /// True if it has a reference whose target is not in this document, such as the meta-schema.
    pub(super) leads_outside: bool,
}

impl Node {
    /// Returns the parts that are evaluated against the same value.
    pub(super) fn in_place(&self) -> impl Iterator<Item = usize> + '_ {
        [&self.references, &self.all, &self.any, &self.tests].into_iter().flatten().copied()
    }

    /// Returns the parts that are evaluated against members of the value, or against their names.
    pub(super) fn below(&self) -> impl Iterator<Item = usize> + '_ {
        let lists = [&self.patterns, &self.prefix, &self.items].into_iter().flatten();
        let single = [self.additional, self.unevaluated_properties, self.names, self.contains, self.unevaluated_items];
        self.properties.values().chain(lists).copied().chain(single.into_iter().flatten())
    }
}

impl Graph {
    pub(super) fn of(schema: &Value) -> Self {
        let mut builder =
            Builder { document: schema, named: Names::default(), numbers: HashMap::new(), nodes: Vec::new(), pending: Vec::new() };
        builder.named.collect(schema, String::new());
        builder.part(schema, String::new());
        while let Some((at, part, pointer)) = builder.pending.pop() {
            builder.nodes[at] = builder.node(part, pointer);
        }
        let marks = |node: &&Node| node.unevaluated_properties.is_some() || node.unevaluated_items.is_some();
        let copies = COPIES + builder.nodes.iter().filter(marks).count();
        Self { nodes: builder.nodes, copies }
    }
}

/// The parts of a document that a reference can name.
#[derive(Default)]
struct Names<'s> {
    /// Objects with `$id`, and the last segment of it, which a relative reference keeps when it is resolved.
    resources: Vec<(&'s str, &'s Value, String)>,
    /// Objects with an anchor of any kind.
    anchors: Vec<(&'s str, &'s Value, String)>,
    /// Objects with `$recursiveAnchor`.
    recursive: Vec<(&'s Value, String)>,
}

impl<'s> Names<'s> {
    fn collect(&mut self, value: &'s Value, pointer: String) {
        match value {
            Value::Object(members) => {
                for keyword in ["$id", "id"] {
                    if let Some(Value::String(id)) = members.get(keyword) {
                        match id.split_once('#') {
                            Some(("", anchor)) => self.anchors.push((anchor, value, pointer.clone())),
                            _ => self.resources.push((last_segment(id), value, pointer.clone())),
                        }
                    }
                }
                for keyword in ["$anchor", "$dynamicAnchor"] {
                    if let Some(Value::String(anchor)) = members.get(keyword) {
                        self.anchors.push((anchor, value, pointer.clone()));
                    }
                }
                if members.get("$recursiveAnchor").is_some() {
                    self.recursive.push((value, pointer.clone()));
                }
                members.iter().for_each(|(name, member)| self.collect(member, below(&pointer, name)));
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| self.collect(item, below(&pointer, &at.to_string()))),
            _ => {}
        }
    }
}

struct Builder<'s> {
    document: &'s Value,
    named: Names<'s>,
    /// The numbers of parts, by their address in memory.
    numbers: HashMap<*const Value, usize>,
    nodes: Vec<Node>,
    pending: Vec<(usize, &'s Value, String)>,
}

impl<'s> Builder<'s> {
    fn part(&mut self, part: &'s Value, pointer: String) -> usize {
        *self.numbers.entry(part).or_insert_with(|| {
            let at = self.nodes.len();
            self.nodes.push(Node::default());
            self.pending.push((at, part, pointer));
            at
        })
    }

    fn node(&mut self, part: &'s Value, pointer: String) -> Node {
        let mut node = Node { pointer, ..Node::default() };
        let Value::Object(keywords) = part else { return node };
        for (keyword, value) in keywords {
            let place = below(&node.pointer, keyword);
            match keyword.as_str() {
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    let targets = self.targets(value);
                    node.leads_outside |= targets.is_empty();
                    node.references.extend(targets);
                }
                "allOf" => node.all.extend(self.list(value, &place)),
                "anyOf" | "oneOf" => node.any.extend(self.list(value, &place)),
                "not" | "if" => node.tests.push(self.part(value, place)),
                "then" | "else" => node.all.push(self.part(value, place)),
                "dependentSchemas" | "dependencies" => node.all.extend(self.members(value, &place).into_iter().map(|(_, at)| at)),
                "properties" => node.properties.extend(self.members(value, &place)),
                "patternProperties" => node.patterns.extend(self.members(value, &place).into_iter().map(|(_, at)| at)),
                "additionalProperties" => node.additional = Some(self.part(value, place)),
                "unevaluatedProperties" => node.unevaluated_properties = Some(self.part(value, place)),
                "propertyNames" => node.names = Some(self.part(value, place)),
                "items" if value.is_array() => node.prefix.extend(self.list(value, &place)),
                "prefixItems" => node.prefix.extend(self.list(value, &place)),
                "items" | "additionalItems" => node.items.push(self.part(value, place)),
                "contains" => node.contains = Some(self.part(value, place)),
                "unevaluatedItems" => node.unevaluated_items = Some(self.part(value, place)),
                _ => {}
            }
        }
        node
    }

    fn list(&mut self, value: &'s Value, place: &str) -> Vec<usize> {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        items.iter().enumerate().map(|(at, item)| self.part(item, below(place, &at.to_string()))).collect()
    }

    fn members(&mut self, value: &'s Value, place: &str) -> Vec<(String, usize)> {
        // A list of names, as in `dependencies`, is not a schema.
        let members = value.as_object().into_iter().flatten().filter(|(_, member)| !member.is_array());
        members.map(|(name, member)| (name.clone(), self.part(member, below(place, name)))).collect()
    }

    /// Returns the parts that a reference may mean; empty: it leads out of the document.
    fn targets(&mut self, reference: &'s Value) -> Vec<usize> {
        let Some(reference) = reference.as_str() else { return Vec::new() };
        let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        // The targets within every possible resource: the document's root or any object with `$id`.
        let mut resources: Vec<(&'s Value, String)> = Vec::new();
        if resource.is_empty() {
            resources.push((self.document, String::new()));
        }
        let is_target = |name: &str| resource.is_empty() || name == last_segment(resource);
        let identified = self.named.resources.iter().filter(|(name, ..)| is_target(name));
        resources.extend(identified.map(|(_, value, place)| (*value, place.clone())));
        if fragment.is_empty() {
            resources.extend(self.named.recursive.iter().map(|(value, place)| (*value, place.clone())));
        }
        let mut found: Vec<(&'s Value, String)> = if fragment.is_empty() || fragment.starts_with('/') {
            let fragment = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
            let inside = |(value, place): (&'s Value, String)| Some((value.pointer(&fragment)?, place + &fragment));
            resources.into_iter().filter_map(inside).collect()
        } else {
            let anchors = self.named.anchors.iter().filter(|(name, ..)| *name == fragment);
            anchors.map(|(_, value, place)| (*value, place.clone())).collect()
        };
        found.dedup_by_key(|(value, _)| std::ptr::from_ref(*value));
        let mut targets: Vec<usize> = found.into_iter().map(|(value, place)| self.part(value, place)).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

fn last_segment(uri: &str) -> &str {
    let uri = uri.split('#').next().unwrap_or_default();
    uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn below(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}
