//! The contract that all parts of Forebay share: definitions, the envelope on the broker, outcomes and ids.
//! Types and their validation; no I/O.

pub mod alert;
pub mod authentication;
pub mod body;
mod broker_urls;
mod causes;
pub mod connection;
mod credential_header;
pub mod definition;
mod duration;
mod encryption_keys;
pub mod envelope;
mod fields;
mod id;
pub mod json;
mod label;
mod mail_address;
mod name;
pub mod outcome;
mod private_addresses;
mod published;
mod query;
mod request;
pub mod schedule;
pub mod schema;
mod secret;
mod shared_queue;
mod unix_time;
mod variables;

pub use broker_urls::{BrokerUrls, broker_address};
pub use causes::{causes, error_chain, with_causes};
pub use duration::{DurationError, format_duration, parse_duration, show_duration};
pub use encryption_keys::EncryptionKeys;
pub use id::{ExecutionId, ExecutionIdError, IdIssuer};
pub use label::{DEFAULT_LABEL, Label, LabelError, MAX_LABELS, label_value};
pub use mail_address::{MailAddress, MailAddressError};
pub use name::{IntegrationPath, IntegrationPathError, Name, NameError};
pub use private_addresses::{Network, PrivateAddresses, PrivateAddressesError};
pub use published::document_schema;
pub use query::{QueryError, read_query};
pub use secret::{Secret, exposed_secret};
pub use shared_queue::SharedQueueNumber;
pub use unix_time::{UnixMicros, UnixMillis};
pub use variables::{StepVariables, VariableLog};
