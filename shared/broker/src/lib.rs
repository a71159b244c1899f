//! All of AMQP, and the only user of lapin: connections, topology, confirmed publishing, consuming and replies.
//!
//! Other crates use [`Envelope`](forebay_contract::envelope::Envelope)s, [`Reply`]s and [`Queue`]s, and no type of AMQP.

mod acks;
mod broker;
mod codec;
mod connection;
mod consumer;
mod error;
mod inspect;
mod installation;
mod lock;
mod marks;
#[cfg(test)]
mod model;
mod publish_connection;
mod publisher;
mod remote;
mod replies;
mod signature;
mod topology;

pub use broker::Broker;
pub use codec::{Message, Reply, decode_envelope, encode_envelope, encode_record};
pub use consumer::{Consumers, Delivery, Subscription};
pub use error::{BrokerError, DecodeError, PublishError};
pub use inspect::{Depth, Inspector, UnreadableAction, UnreadableError, UnreadableMessage};
pub use installation::Installation;
#[cfg(any(test, feature = "fuzzing"))]
pub use publish_connection::replay::every_message_is_resolved;
pub use publisher::{Publisher, PublisherState};
pub use remote::{RemoteError, RemoteMessage, RemotePublisher, endpoint};
pub use replies::{Replies, Waiting};
pub use signature::MessageKey;
pub use topology::{Destination, PublishPolicy, Queue, RETRY_DELAYS, Topology, stable_hash};
