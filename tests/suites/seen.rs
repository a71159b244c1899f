//! A publisher of its own and a queue to look into, for suites that try the publisher itself.

use forebay_broker::{Destination, Installation, Limits, Message, MessageKey, Publisher, PublisherConfig, Topology, encode_record};
use forebay_contract::IdIssuer;
use forebay_tests::Stack;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub(crate) const LIMITS: Limits = Limits { max_length: 100_000, max_bytes: 1 << 30 };

/// A publisher that ends with the test, once it is connected.
pub(crate) async fn publisher(stack: &Stack, url: String, limits: Limits) -> (Publisher, DropGuard) {
    let shutdown = CancellationToken::new();
    let config = PublisherConfig { url, name: "test".to_owned(), channels: 3, confirm_timeout: Duration::from_secs(20) };
    let publisher = Publisher::start(config, Topology::new(stack.queue_prefix(), 1, limits, Installation::unchecked()), shutdown.clone());
    publisher.ready().await;
    (publisher, shutdown.drop_guard())
}

pub(crate) fn message(body: impl Into<Vec<u8>>) -> Message {
    encode_record(&IdIssuer::new(b"test").issue(Uuid::new_v4()).unwrap(), body.into(), &MessageKey::new(b"test", false))
}

/// A queue of the test's own, which goes with its connection.
pub(crate) struct Seen {
    _connection: Connection,
    pub(crate) channel: Channel,
    pub(crate) name: String,
}

impl Seen {
    pub(crate) async fn new(stack: &Stack) -> Self {
        let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = format!("{}seen", stack.queue_prefix());
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), own, FieldTable::default()).await.unwrap();
        Self { _connection: connection, channel, name }
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination::Named(self.name.clone())
    }

    /// The bodies that are there.
    pub(crate) async fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        let no_ack = BasicGetOptions { no_ack: true };
        while let Some(got) = self.channel.basic_get(self.name.as_str().into(), no_ack).await.unwrap() {
            bodies.push(got.delivery.data.clone());
        }
        bodies
    }
}
