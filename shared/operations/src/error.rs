//! Errors of operations, by the possible reaction of the user.

use crate::actor::Denied;
use forebay_broker::{BrokerError, PublishError, UnreadableError};
use forebay_contract::Name;
use forebay_contract::definition::Problem;
use forebay_store::{KeyRow, StoreError};

/// The reason for which an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The person is not allowed to do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The document is not valid.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// A value is not valid.
    #[error("{0}")]
    Invalid(String),
    /// It does not exist, or the person may not see it.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It is not possible in the present state.
    #[error("{0}")]
    Refused(String),
    /// A key of this tenant has the same value.
    #[error("the key '{}' (id {}) already has this value: grant it the integration, or use another value", .key.label, .key.id)]
    KeyExists {
        /// The existing key.
        key: Box<KeyRow>,
        /// The integrations of the new key.
        requested: Vec<Name>,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker did not accept a message.
    #[error("the message could not be published: {reason}{}", if .0.may_be_delivered() { ". The broker may deliver it nevertheless" } else { "" }, reason = .0)]
    Publish(#[from] PublishError),
    /// The broker did not respond.
    #[error("the broker does not respond")]
    Broker(#[source] BrokerError),
    /// The message would reach no worker: the broker, the queue prefix or the number of shared queues is not that of the installation.
    #[error("{0}")]
    OtherBroker(String),
    /// Too many passwords are being checked.
    #[error("too many passwords are checked at the same time: try again in a moment")]
    Busy,
    /// The operating system failed.
    #[error("{0}")]
    Failed(String),
}

impl From<BrokerError> for OperationError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::NotOfInstallation(reason) => Self::OtherBroker(reason),
            error => Self::Broker(error),
        }
    }
}

impl From<UnreadableError> for OperationError {
    fn from(error: UnreadableError) -> Self {
        match error {
            UnreadableError::Broker(error) => error.into(),
            UnreadableError::NotFound => Self::NotFound("the message".to_owned()),
            other @ (UnreadableError::UnknownQueue | UnreadableError::Refused(_)) => Self::Refused(other.to_string()),
        }
    }
}
