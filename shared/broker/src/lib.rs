//! All of AMQP, and the only user of lapin: connections, topology, confirmed publishing, consuming and replies.
//!
//! The parts above speak of [`Envelope`](forebay_contract::envelope::Envelope)s, [`Reply`]s and [`Queue`]s;
//! nothing of AMQP leaves this crate.

mod acks;
mod codec;
mod connection;
mod consumer;
mod error;
mod inspect;
mod installation;
mod lock;
#[cfg(test)]
mod model;
mod publish_connection;
mod publisher;
mod remote;
mod replies;
mod signature;
mod topology;

pub use codec::{DecodeError, Message, Reply, decode_envelope, encode_envelope, encode_record, encode_reply, encode_unreadable};
pub use consumer::{Consumers, ConsumersConfig, Delivery, Subscription};
pub use error::{BrokerError, PublishError};
pub use inspect::{Depth, Inspector, UnreadableAction, UnreadableError, UnreadableMessage};
pub use installation::Installation;
#[cfg(any(test, feature = "fuzzing"))]
pub use publish_connection::replay::every_message_is_resolved;
pub use publisher::{Destination, Publisher, PublisherConfig, PublisherState};
pub use remote::{RemoteError, RemoteMessage, RemotePublisher, endpoint};
pub use replies::{Replies, Waiting};
pub use signature::MessageKey;
pub use topology::{Limits, Queue, RETRY_DELAYS, Topology, order_of, stable_hash};
