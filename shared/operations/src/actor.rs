//! The actor of an operation: a principal and its roles.

use forebay_contract::Name;
use forebay_store::{Grants, Principal, PrincipalKind, Role, Scope, TokenRow, UserRow};
use std::net::IpAddr;
use uuid::Uuid;

/// The reason for which an actor is not allowed to do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It may not see the tenant. The response is the same as for a tenant that does not exist.
    #[error("the tenant {tenant} does not exist")]
    Unknown {
        /// The tenant.
        tenant: Name,
    },
    /// It may see the tenant, but its role there is too weak.
    #[error("this needs the role {needed} in {scope}")]
    Role {
        /// The weakest role that suffices.
        needed: Role,
        /// The place, such as the tenant.
        scope: String,
    },
    /// Only a person may do this, not a token.
    #[error("a token may not do this: sign in as a user")]
    Token,
}

/// A principal with its rights at the time of the request.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Private: only the checks return it, and every function of the store that changes something requires it. So no change is made without
    /// a check.
    principal: Principal,
    grants: Grants,
}

/// The tenants that an actor may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// Every tenant.
    All,
    /// These tenants.
    Only(Vec<Name>),
}

impl Visible {
    /// Returns true if a tenant is among them.
    #[must_use]
    pub fn has(&self, tenant: &Name) -> bool {
        self.has_named(tenant.as_str())
    }

    /// Returns true if the tenant of this name is among them.
    #[must_use]
    pub fn has_named(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name.as_str() == tenant),
        }
    }

    /// Returns the tenant, if there is only one: listings then query the store for it alone.
    pub(crate) fn one(&self) -> Option<&Name> {
        match self {
            Self::Only(names) if names.len() == 1 => names.first(),
            _ => None,
        }
    }
}

impl Actor {
    /// Creates the actor of a signed-in person.
    #[must_use]
    pub fn user(user: &UserRow) -> Self {
        let principal = Principal { kind: PrincipalKind::User, name: user.name.clone(), user: Some(user.id), address: None };
        Self { principal, grants: user.grants.clone() }
    }

    /// Creates the actor of a program with a person's token: the rights of the token, and never more than the person has now.
    #[must_use]
    pub fn token(token: &TokenRow, owner: &UserRow) -> Self {
        let principal = Principal {
            kind: PrincipalKind::Token,
            name: format!("{} (token {})", owner.name, token.label),
            user: Some(owner.id),
            address: None,
        };
        Self { principal, grants: owner.grants.narrowed(&token.scopes, token.role) }
    }

    /// Creates the actor of the person at a machine that reaches the database, and could change it directly.
    #[must_use]
    pub fn host(name: &str) -> Self {
        Self { principal: Principal::from(name), grants: Grants::everywhere(Role::Administrator) }
    }

    /// Adds the address of the request, for the audit log.
    #[must_use]
    pub fn at(mut self, address: Option<IpAddr>) -> Self {
        self.principal.address = address;
        self
    }

    /// Returns the user; `None`: the person at the host.
    #[must_use]
    pub fn user_id(&self) -> Option<Uuid> {
        self.principal.user
    }

    /// Returns true if it is a program with a token.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.principal.kind == PrincipalKind::Token
    }

    /// Refuses programs with a token.
    ///
    /// # Errors
    /// [`Denied::Token`].
    pub(crate) fn must_be_person(&self) -> Result<(), Denied> {
        if self.is_token() { Err(Denied::Token) } else { Ok(()) }
    }

    /// Returns the principal, for operations on its own data, which need no role.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.principal.name
    }

    /// Returns the roles.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Returns true if it has at least this role in a tenant: for pages, which show only permitted actions. Operations use [`Self::may`].
    #[must_use]
    pub fn has(&self, tenant: &Name, role: Role) -> bool {
        self.grants.role_in(tenant) >= Some(role)
    }

    /// Returns the principal, if it has at least this role in the tenant.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may(&self, tenant: &Name, needed: Role) -> Result<&Principal, Denied> {
        match self.grants.role_in(tenant) {
            None => Err(Denied::Unknown { tenant: tenant.clone() }),
            Some(role) if role < needed => Err(Denied::Role { needed, scope: tenant.to_string() }),
            Some(_) => Ok(&self.principal),
        }
    }

    /// Returns the principal, if it has at least this role in all tenants: for the parts of an installation that belong to no tenant.
    ///
    /// # Errors
    /// [`Denied::Role`].
    pub fn may_everywhere(&self, needed: Role) -> Result<&Principal, Denied> {
        match self.grants.role_everywhere() {
            Some(role) if role >= needed => Ok(&self.principal),
            _ => Err(Denied::Role { needed, scope: "all tenants".to_owned() }),
        }
    }

    /// Returns the tenants in which it has at least this role, for listings.
    #[must_use]
    pub fn tenants(&self, needed: Role) -> Visible {
        if self.grants.role_everywhere() >= Some(needed) {
            return Visible::All;
        }
        let mut names = Vec::new();
        for (scope, role) in self.grants.iter() {
            if let Scope::Tenant(name) = scope
                && role >= needed
            {
                names.push(name.clone());
            }
        }
        Visible::Only(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::UnixMicros;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn user(grants: &[(&str, Role)]) -> UserRow {
        UserRow {
            id: Uuid::nil(),
            name: "anna".to_owned(),
            full_name: String::new(),
            grants: grants.iter().map(|(scope, role)| (scope.parse().unwrap(), *role)).collect(),
            enabled: true,
            has_password: true,
            has_subject: false,
            revision: 1,
            created_at: UnixMicros::default(),
            last_sign_in_at: None,
        }
    }

    #[test]
    fn each_role_may_what_the_weaker_ones_may_and_nothing_more() {
        for held in Role::ALL {
            let actor = Actor::user(&user(&[("t", held)]));
            for needed in Role::ALL {
                assert_eq!(actor.may(&name("t"), needed).is_ok(), held >= needed, "{held} for {needed}");
                assert_eq!(actor.may(&name("other"), needed), Err(Denied::Unknown { tenant: name("other") }), "another tenant is not seen");
                assert!(actor.may_everywhere(needed).is_err(), "a role in one tenant is none in the installation");
            }
        }
    }

    #[test]
    fn listings_show_the_tenants_of_the_role() {
        let actor = Actor::user(&user(&[("a", Role::Viewer), ("b", Role::Developer)]));
        assert_eq!(actor.tenants(Role::Viewer), Visible::Only(vec![name("a"), name("b")]));
        assert_eq!(actor.tenants(Role::Operator), Visible::Only(vec![name("b")]));
        assert_eq!(Actor::user(&user(&[])).tenants(Role::Viewer), Visible::Only(Vec::new()));
        assert_eq!(Actor::user(&user(&[("*", Role::Viewer)])).tenants(Role::Viewer), Visible::All);
        assert_eq!(Actor::host("root@build-1").tenants(Role::Administrator), Visible::All);
    }

    #[test]
    fn a_token_follows_what_its_owner_has_now() {
        let token = TokenRow {
            id: Uuid::nil(),
            user: Uuid::nil(),
            user_name: "anna".to_owned(),
            label: "CI".to_owned(),
            hint: String::new(),
            role: Role::Administrator,
            scopes: vec![Scope::Tenant(name("a")), Scope::Tenant(name("b"))],
            created_at: UnixMicros::default(),
            expires_at: UnixMicros::MAX,
            last_used_at: None,
        };
        let actor = Actor::token(&token, &user(&[("a", Role::Viewer), ("c", Role::Administrator)]));
        assert_eq!(actor.name(), "anna (token CI)");
        assert!(actor.has(&name("a"), Role::Viewer) && !actor.has(&name("a"), Role::Operator));
        assert!(!actor.has(&name("b"), Role::Viewer) && !actor.has(&name("c"), Role::Viewer));
    }
}
