//! A queue in which tenants take turns.

use forebay_contract::Name;
use std::collections::{HashMap, VecDeque};

/// Waiting items: first in, first out within a tenant, and tenants in turn.
pub struct Line<T> {
    tenants: HashMap<Name, VecDeque<T>>,
    /// Tenants with waiting items, the next one first.
    order: VecDeque<Name>,
    /// Number of items of all tenants.
    len: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), order: VecDeque::new(), len: 0 }
    }
}

impl<T> Line<T> {
    /// Adds an item after those of its tenant.
    pub fn push(&mut self, tenant: &Name, item: T) {
        let items = self.tenants.entry(tenant.clone()).or_default();
        if items.is_empty() {
            self.order.push_back(tenant.clone());
        }
        items.push_back(item);
        self.len += 1;
    }

    /// Takes the first item of the next tenant whose first item is wanted. That tenant is last then.
    pub fn next(&mut self, is_wanted: impl Fn(&Name, &T) -> bool) -> Option<(Name, T)> {
        let first_is_wanted =
            |tenant: &Name| self.tenants.get(tenant).and_then(VecDeque::front).is_some_and(|item| is_wanted(tenant, item));
        let at = self.order.iter().position(first_is_wanted)?;
        let tenant = self.order.remove(at)?;
        let items = self.tenants.get_mut(&tenant)?;
        let item = items.pop_front()?;
        self.len -= 1;
        if items.is_empty() {
            self.tenants.remove(&tenant);
        } else {
            self.order.push_back(tenant.clone());
        }
        Some((tenant, item))
    }

    /// Returns true if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the number of items of all tenants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of items of one tenant.
    pub(crate) fn len_of(&self, tenant: &Name) -> usize {
        self.tenants.get(tenant).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let mut line = Line::default();
        for (tenant, item) in [("a", 1), ("a", 2), ("a", 3), ("b", 10), ("b", 20)] {
            line.push(&name(tenant), item);
        }
        assert_eq!((line.len(), line.len_of(&name("a")), line.len_of(&name("c"))), (5, 3, 0));
        let order: Vec<i32> = std::iter::from_fn(|| line.next(|_, _| true)).map(|(_, item)| item).collect();
        assert_eq!(order, [1, 10, 2, 20, 3]);
        assert!(line.is_empty() && line.tenants.is_empty());
    }

    #[test]
    fn a_tenant_whose_first_item_is_not_wanted_keeps_its_turn() {
        let mut line = Line::default();
        for (tenant, item) in [("a", 1), ("b", 2), ("a", 3), ("b", 4)] {
            line.push(&name(tenant), item);
        }
        let even = |_: &Name, item: &i32| item % 2 == 0;
        assert_eq!(line.next(even), Some((name("b"), 2)));
        assert_eq!(line.next(even), Some((name("b"), 4)));
        assert_eq!(line.next(even), None);
        assert_eq!(line.next(|_, _| true), Some((name("a"), 1)));
    }
}
