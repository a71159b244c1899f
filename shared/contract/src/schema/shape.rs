//! Analysis of a schema before any body is received: whether one value may be evaluated often.

use super::graph::{Graph, Node, ROOT};
use std::collections::{HashMap, HashSet};

/// Maximum evaluations of one value for which the work is not counted for each body.
const MAX_EVALUATIONS: usize = 100;

/// The results of the analysis.
#[derive(Debug)]
pub(super) struct Shape {
    /// For each part, true if its evaluation can evaluate the same part again.
    pub(super) recursive: Vec<bool>,
    /// True if one value may be evaluated more than [`MAX_EVALUATIONS`] times.
    pub(super) is_counted: bool,
    /// The part at which recursion branches: it leads back to itself in two ways for the same member. A JSON Pointer.
    pub(super) branching: Option<String>,
}

impl Shape {
    pub(super) fn of(graph: &Graph) -> Self {
        let groups = groups(graph);
        let recursive: Vec<bool> = (0..graph.nodes.len()).map(|at| groups.is_cycle(graph, at)).collect();
        let mut analysis = Analysis { graph, groups: &groups, recursive: &recursive, is_counted: false, branching: None };
        analysis.run();
        let (is_counted, branching) = (analysis.is_counted, analysis.branching);
        Self { recursive, is_counted, branching }
    }
}

struct Analysis<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    recursive: &'g [bool],
    is_counted: bool,
    branching: Option<String>,
}

impl Analysis<'_> {
    /// Visits the parts from the root, with the number of times that a value can reach them.
    fn run(&mut self) {
        // Groups are numbered so that the groups that others lead to have the lower numbers.
        let mut starts: Vec<HashSet<usize>> = vec![HashSet::new(); self.groups.count];
        let mut times = vec![1usize; self.groups.count];
        starts[self.groups.of[ROOT]].insert(ROOT);
        for group in (0..self.groups.count).rev() {
            let mut pending: Vec<usize> = starts[group].iter().copied().collect();
            while let Some(start) = pending.pop() {
                let Some(parts) = self.in_place(start) else {
                    self.is_counted = true;
                    return;
                };
                self.is_counted |= parts.len().saturating_mul(times[group]) > MAX_EVALUATIONS;
                self.is_counted |= parts.iter().any(|part| self.graph.nodes[*part].leads_outside);
                for targets in self.by_member(&parts) {
                    let is_back = |target: &&usize| self.groups.of[**target] == group && self.recursive[start];
                    if targets.iter().filter(is_back).count() > 1 {
                        self.is_counted = true;
                        // The part itself rather than a reference to it.
                        let is_more_than_reference =
                            |node: &&Node| node.in_place().count() != node.references.len() || node.references.is_empty();
                        let part = parts.iter().map(|part| &self.graph.nodes[*part]).find(is_more_than_reference);
                        let named = part.map_or("", |node| node.pointer.as_str());
                        if self.branching.as_deref().is_none_or(|earlier| named < earlier) {
                            self.branching = Some(named.to_owned());
                        }
                    }
                    for target in &targets {
                        let other = self.groups.of[*target];
                        if other != group {
                            times[other] = times[other].max(times[group].saturating_mul(targets.len()));
                        }
                        if starts[other].insert(*target) && other == group {
                            pending.push(*target);
                        }
                    }
                }
            }
        }
    }

    /// Returns the parts that are evaluated against a value together with this one, as often as they are evaluated; `None`: too many.
    fn in_place(&self, start: usize) -> Option<Vec<usize>> {
        let (mut parts, mut at) = (vec![start], 0);
        while let Some(part) = parts.get(at) {
            parts.extend(self.graph.nodes[*part].in_place());
            at += 1;
            // A cycle through the same value also ends here.
            if parts.len() > MAX_EVALUATIONS {
                return None;
            }
        }
        Some(parts)
    }

    /// Returns the parts that one member or item is evaluated against, for each kind of member.
    fn by_member(&self, parts: &[usize]) -> Vec<Vec<usize>> {
        let nodes: Vec<&Node> = parts.iter().map(|part| &self.graph.nodes[*part]).collect();
        let names: HashSet<&str> = nodes.iter().flat_map(|node| node.properties.keys().map(String::as_str)).collect();
        let any_name = |name: Option<&str>| {
            let of = |node: &&Node| {
                let named = name.and_then(|name| node.properties.get(name)).copied().or(node.additional);
                named.into_iter().chain(node.patterns.iter().copied()).chain(node.unevaluated_properties).collect::<Vec<_>>()
            };
            nodes.iter().flat_map(of).collect::<Vec<_>>()
        };
        let indexes = nodes.iter().map(|node| node.prefix.len()).max().unwrap_or_default();
        let item = |index: usize| {
            let of = |node: &&Node| {
                let placed = node.prefix.get(index).map_or(node.items.clone(), |part| vec![*part]);
                placed.into_iter().chain(node.contains).chain(node.unevaluated_items).collect::<Vec<_>>()
            };
            nodes.iter().flat_map(of).collect::<Vec<_>>()
        };
        let names = names.into_iter().map(Some).chain([None]).map(any_name);
        let property_names = nodes.iter().filter_map(|node| node.names).collect();
        names.chain((0..=indexes).map(item)).chain([property_names]).filter(|targets| !targets.is_empty()).collect()
    }
}

/// The strongly connected components of the parts.
struct Groups {
    of: Vec<usize>,
    sizes: Vec<usize>,
    count: usize,
}

impl Groups {
    fn is_cycle(&self, graph: &Graph, at: usize) -> bool {
        self.sizes[self.of[at]] > 1 || edges(&graph.nodes[at]).contains(&at)
    }
}

fn edges(node: &Node) -> Vec<usize> {
    node.in_place().chain(node.below()).collect()
}

/// Finds them by R. Tarjan, "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1(2), 1972; without recursion,
/// since a schema may be a long chain.
fn groups(graph: &Graph) -> Groups {
    const NONE: usize = usize::MAX;
    let count = graph.nodes.len();
    let (mut index, mut low, mut of) = (vec![NONE; count], vec![0; count], vec![NONE; count]);
    let (mut stack, mut sizes, mut next) = (Vec::new(), Vec::new(), 0);
    let mut ways: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut path = vec![ROOT];
    while let Some(at) = path.last().copied() {
        if index[at] == NONE {
            (index[at], low[at]) = (next, next);
            next += 1;
            stack.push(at);
            ways.insert(at, edges(&graph.nodes[at]));
        }
        if let Some(to) = ways.get_mut(&at).and_then(Vec::pop) {
            if index[to] == NONE {
                path.push(to);
            } else if of[to] == NONE {
                low[at] = low[at].min(index[to]);
            }
            continue;
        }
        path.pop();
        ways.remove(&at);
        if let Some(parent) = path.last() {
            low[*parent] = low[*parent].min(low[at]);
        }
        if low[at] == index[at] {
            let from = stack.iter().rposition(|part| *part == at).unwrap_or_default();
            let members = stack.split_off(from);
            members.iter().for_each(|part| of[*part] = sizes.len());
            sizes.push(members.len());
        }
    }
    Groups { of, count: sizes.len(), sizes }
}
