//! Names of tenants and integrations.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The reason for which a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no name: use 1 to 64 of the characters A-Z a-z 0-9 _ -")]
pub struct NameError {
    text: String,
}

/// The name of a tenant or an integration: `[A-Za-z0-9_-]{1,64}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(NameError { text: text.chars().take(80).collect() }) }
    }
}

/// Returns true for a valid name.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// `tenant/name`, as integrations are named on the command line and in logs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrationPath {
    /// The tenant.
    pub tenant: Name,
    /// The integration's name within the tenant.
    pub name: Name,
}

impl fmt::Display for IntegrationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

/// The reason for which a text is not an [`IntegrationPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntegrationPathError {
    /// It has no slash, or more than one.
    #[error("'{0}' is not of the form TENANT/NAME, such as t37ed/CreateWorkOrder")]
    Form(String),
    /// A part is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for IntegrationPath {
    type Err = IntegrationPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((tenant, name)) if !name.contains('/') => Ok(Self { tenant: tenant.parse()?, name: name.parse()? }),
            _ => Err(IntegrationPathError::Form(text.chars().take(140).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_64_of_letters_digits_underscore_hyphen() {
        for good in ["a", "t37ed", "Create-Work_Order9", &"x".repeat(64)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "a.b", "ä", &"x".repeat(65), "a\0"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_tenant_slash_name() {
        assert_eq!("t/N".parse::<IntegrationPath>().unwrap().to_string(), "t/N");
        for bad in ["t", "t/", "/N", "t/N/x", ""] {
            assert!(bad.parse::<IntegrationPath>().is_err(), "{bad}");
        }
    }
}
