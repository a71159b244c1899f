//! Texts of requests, each with the rule that the document of the API gives for it.

use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{DurationError, ExecutionId, Name, NameError, Secret, exposed_secret, format_duration, parse_duration};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The form that [`parse_duration`] reads.
const DURATION: &str = "^[0-9]{1,9}(ms|s|m|h|d)$";

/// Gives a type around a `String` its constructors and its text.
macro_rules! texts {
    ($($name:ident),+ $(,)?) => {$(
        impl $name {
            /// Wraps a text; its rule is not checked here.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text itself.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }
    )+};
}

/// Makes texts print themselves. Secrets are not among them.
macro_rules! shown_texts {
    ($($name:ident),+ $(,)?) => {
        texts!($($name),+);
        $(
            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Debug::fmt(&self.0, f)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }
        )+
    };
}

/// Gives a type around a [`Secret`] its constructor and its secret.
macro_rules! secret_texts {
    ($($name:ident),+ $(,)?) => {$(
        impl $name {
            /// Wraps a secret; its rule is not checked here.
            #[must_use]
            pub fn new(secret: Secret) -> Self {
                Self(secret)
            }

            /// The secret itself.
            #[must_use]
            pub fn into_secret(self) -> Secret {
                self.0
            }
        }
    )+};
}

shown_texts!(
    NameText,
    TenantScope,
    DurationText,
    KeyLifetime,
    MomentText,
    KeyLabel,
    ExecutionIdText,
    StatusList,
    ErrorCodeName,
    DocsAccessName,
    RoleName,
    FullName,
    UserName,
);
secret_texts!(Password, KeyValue);

/// The name of a tenant or of something in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
pub struct NameText(String);

impl NameText {
    /// Reads the name.
    ///
    /// # Errors
    /// The text is not a name.
    pub fn parse(&self) -> Result<Name, NameError> {
        self.0.parse()
    }
}

impl From<&Name> for NameText {
    fn from(name: &Name) -> Self {
        Self(name.to_string())
    }
}

/// A tenant, or `*`: every tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = r"^(\*|[A-Za-z0-9_-]{1,64})$")]
pub struct TenantScope(String);

/// A duration, such as `90d`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^[0-9]{1,9}(ms|s|m|h|d)$")]
pub struct DurationText(String);

impl DurationText {
    /// Reads the duration.
    ///
    /// # Errors
    /// The text is not a duration.
    pub fn parse(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.0)
    }
}

impl From<Duration> for DurationText {
    fn from(duration: Duration) -> Self {
        Self(format_duration(duration))
    }
}

/// The time until a key expires, such as `90d`, or `never`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^([0-9]{1,9}(ms|s|m|h|d)|never)$")]
pub struct KeyLifetime(String);

impl KeyLifetime {
    const NEVER: &str = "never";

    /// The key does not expire.
    #[must_use]
    pub fn never() -> Self {
        Self::new(Self::NEVER)
    }

    /// Reads the duration; `None`: the key does not expire.
    ///
    /// # Errors
    /// The text is neither a duration nor `never`.
    pub fn parse(&self) -> Result<Option<Duration>, DurationError> {
        if self.0 == Self::NEVER { Ok(None) } else { parse_duration(&self.0).map(Some) }
    }
}

impl From<Duration> for KeyLifetime {
    fn from(duration: Duration) -> Self {
        Self(format_duration(duration))
    }
}

/// A time, such as `2026-11-24T20:00:00Z`, or how long ago, such as `1h`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MomentText(String);

impl PartialSchema for MomentText {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        AnyOfBuilder::new().item(time).item(text().pattern(Some(DURATION))).into()
    }
}

impl ToSchema for MomentText {}

/// The purpose of a key or token: not empty, without control characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
pub struct KeyLabel(String);

/// The id of an execution. Its last character holds what is left of 192 bits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^[0-9a-vA-V]{38}[08goGO]$")]
pub struct ExecutionIdText(String);

impl From<&ExecutionId> for ExecutionIdText {
    fn from(id: &ExecutionId) -> Self {
        Self(id.to_string())
    }
}

/// One or several execution statuses, with commas between them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusList(String);

impl PartialSchema for StatusList {
    fn schema() -> RefOr<Schema> {
        let words = ExecutionStatus::ALL.map(ExecutionStatus::as_str).join("|");
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({words})(,({words}))*$"))).into()
    }
}

impl ToSchema for StatusList {}

impl From<ExecutionStatus> for StatusList {
    fn from(status: ExecutionStatus) -> Self {
        Self(status.to_string())
    }
}

/// The kind of a failure, such as `mapping`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCodeName(String);

impl PartialSchema for ErrorCodeName {
    fn schema() -> RefOr<Schema> {
        one_of(ErrorCode::ALL.map(ErrorCode::as_str))
    }
}

impl ToSchema for ErrorCodeName {}

impl From<ErrorCode> for ErrorCodeName {
    fn from(code: ErrorCode) -> Self {
        Self(code.as_str().to_owned())
    }
}

/// The readers of the documentation of a tenant's webhooks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocsAccessName(String);

impl DocsAccessName {
    /// All of them.
    pub const ALL: [&str; 3] = ["open", "key", "off"];
}

impl PartialSchema for DocsAccessName {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL)
    }
}

impl ToSchema for DocsAccessName {}

/// A role.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleName(String);

impl RoleName {
    /// All of them, the weakest first.
    pub const ALL: [&str; 4] = ["viewer", "operator", "developer", "administrator"];
}

impl PartialSchema for RoleName {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL)
    }
}

impl ToSchema for RoleName {}

/// The full name of a user.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
pub struct FullName(String);

/// The name that a user signs in with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 200, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
pub struct UserName(String);

/// A password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 12, max_length = 200)]
pub struct Password(#[serde(with = "exposed_secret")] Secret);

/// The value of an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 16, max_length = 512, pattern = "^[!-~]+$")]
pub struct KeyValue(#[serde(with = "exposed_secret")] Secret);

fn one_of<const N: usize>(words: [&'static str; N]) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_duration_or_never() {
        assert_eq!(KeyLifetime::from(Duration::from_secs(60)).parse(), Ok(Some(Duration::from_secs(60))));
        assert_eq!(KeyLifetime::never().parse(), Ok(None));
        assert!(KeyLifetime::new("always").parse().is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = || Secret::new("hunter2");
        assert_eq!(format!("{:?} {:?}", Password::new(secret()), KeyValue::new(secret())), "Password(***) KeyValue(***)");
        let key = crate::keys::CreatedKey { id: uuid::Uuid::nil(), key: secret() };
        let token = crate::tokens::CreatedToken { id: uuid::Uuid::nil(), token: secret() };
        assert!(!format!("{key:?} {token:?}").contains("hunter2"));
        assert_eq!(serde_json::to_value(&key).unwrap()["key"], "hunter2");
        assert_eq!(serde_json::from_value::<crate::keys::CreatedKey>(serde_json::to_value(&key).unwrap()).unwrap(), key);
    }

    #[test]
    fn a_text_has_its_rule_in_the_document() {
        let lifetime = serde_json::to_value(KeyLifetime::schema()).unwrap();
        assert_eq!(lifetime["pattern"], "^([0-9]{1,9}(ms|s|m|h|d)|never)$");
        let error = serde_json::to_value(ErrorCodeName::schema()).unwrap();
        assert!(error["enum"].as_array().unwrap().iter().any(|word| word == "mapping"), "{error}");
        let moment = serde_json::to_value(MomentText::schema()).unwrap();
        assert_eq!(moment["anyOf"][1]["pattern"], DURATION);
        assert_eq!(serde_json::to_value(DurationText::schema()).unwrap()["pattern"], DURATION);
    }
}
