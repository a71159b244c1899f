//! The roles of people, and their scopes.

use crate::database::word::{Word, words};
use forebay_contract::Name;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

words! {
    /// A role, which includes the weaker roles before it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Role {
        /// Sees everything but secrets.
        Viewer = "viewer",
        /// Retries, resumes, skips, runs schedules, switches diagnostics.
        Operator = "operator",
        /// Changes definitions, connections and keys.
        Developer = "developer",
        /// Changes people, tenants, and reads the audit log.
        Administrator = "administrator",
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of_word(text).ok_or_else(|| format!("'{text}' is not a role: use one of viewer, operator, developer, administrator"))
    }
}

/// The scope of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every tenant, future tenants included, and everything that belongs to no tenant.
    Everywhere,
    /// One tenant.
    Tenant(Name),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("*"),
            Self::Tenant(tenant) => f.write_str(tenant.as_str()),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Everywhere),
            name => name.parse().map(Self::Tenant).map_err(|error| format!("{error}; or * for every tenant")),
        }
    }
}

/// The roles of a person or a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Scope, Role>);

impl Grants {
    /// Returns one role everywhere.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Self(BTreeMap::from([(Scope::Everywhere, role)]))
    }

    /// Returns the role in a tenant: the stronger one of its role there and its role everywhere.
    #[must_use]
    pub fn role_in(&self, tenant: &Name) -> Option<Role> {
        self.0.get(&Scope::Tenant(tenant.clone())).copied().max(self.role_everywhere())
    }

    /// Returns the role that holds in every tenant.
    #[must_use]
    pub fn role_everywhere(&self) -> Option<Role> {
        self.0.get(&Scope::Everywhere).copied()
    }

    /// Returns the strongest role anywhere.
    #[must_use]
    pub fn strongest(&self) -> Option<Role> {
        self.0.values().copied().max()
    }

    /// Returns every scope with its role.
    pub fn iter(&self) -> impl Iterator<Item = (&Scope, Role)> {
        self.0.iter().map(|(scope, role)| (scope, *role))
    }

    /// Returns these grants where they are within `scopes`, and no stronger than `most`.
    #[must_use]
    pub fn narrowed(&self, scopes: &[Scope], most: Role) -> Self {
        let mut narrowed = BTreeMap::new();
        for scope in scopes {
            match scope {
                Scope::Everywhere => narrowed.extend(self.0.iter().map(|(scope, role)| (scope.clone(), (*role).min(most)))),
                Scope::Tenant(tenant) => narrowed.extend(self.role_in(tenant).map(|role| (scope.clone(), role.min(most)))),
            }
        }
        Self(narrowed)
    }
}

impl FromIterator<(Scope, Role)> for Grants {
    fn from_iter<T: IntoIterator<Item = (Scope, Role)>>(grants: T) -> Self {
        Self(grants.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(all: &[(&str, Role)]) -> Grants {
        all.iter().map(|(scope, role)| (scope.parse().unwrap(), *role)).collect()
    }

    #[test]
    fn the_stronger_role_holds() {
        let grants = grants(&[("*", Role::Viewer), ("a", Role::Developer)]);
        assert_eq!(grants.role_in(&"a".parse().unwrap()), Some(Role::Developer));
        assert_eq!(grants.role_in(&"b".parse().unwrap()), Some(Role::Viewer));
        assert_eq!(Grants::default().role_in(&"a".parse().unwrap()), None);
    }

    #[test]
    fn a_token_never_has_more_than_its_owner() {
        let owner = grants(&[("*", Role::Viewer), ("a", Role::Developer)]);
        assert_eq!(owner.narrowed(&[Scope::Everywhere], Role::Operator), grants(&[("*", Role::Viewer), ("a", Role::Operator)]));
        let both = ["a".parse().unwrap(), "b".parse().unwrap()];
        assert_eq!(owner.narrowed(&both, Role::Administrator), grants(&[("a", Role::Developer), ("b", Role::Viewer)]));
        assert_eq!(grants(&[("a", Role::Viewer)]).narrowed(&both[1..], Role::Administrator), Grants::default());
    }
}
