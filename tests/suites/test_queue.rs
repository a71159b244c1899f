//! A publisher and a queue for suites that test the publisher itself.

use forebay_broker::{Broker, Destination, Message, MessageKey, Publisher, encode_record};
use forebay_contract::IdIssuer;
use forebay_runtime::settings::Settings;
use forebay_tests::Stack;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use std::num::{NonZeroU8, NonZeroU16};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// The stack's broker at this address, with queues of at most so many messages. Connections wait until it has a mark.
pub(crate) fn broker(stack: &Stack, url: &str, max_length: u32) -> Broker {
    let settings = Settings::read(|name| match name {
        "FOREBAY_AMQP_URL" => Some(url.to_owned()),
        "FOREBAY_QUEUE_PREFIX" => Some(stack.queue_prefix().to_owned()),
        "FOREBAY_SHARED_QUEUES" => Some("1".to_owned()),
        "FOREBAY_QUEUE_MAX_LENGTH" => Some(max_length.to_string()),
        "FOREBAY_CONFIRM_TIMEOUT" => Some("20s".to_owned()),
        _ => None,
    });
    Broker::from(&settings.unwrap())
}

/// The stack's broker, whatever installation it is of.
pub(crate) fn unchecked(stack: &Stack, url: &str, max_length: u32) -> Broker {
    broker(stack, url, max_length).unchecked(stack.queue_prefix(), NonZeroU16::MIN)
}

pub(crate) const MAX_LENGTH: u32 = 100_000;

/// A publisher that ends with the test, once it is connected.
pub(crate) async fn publisher(stack: &Stack, url: &str, max_length: u32) -> (Publisher, DropGuard) {
    let shutdown = CancellationToken::new();
    let channels = NonZeroU8::new(3).unwrap();
    let publisher = unchecked(stack, url, max_length).publisher("test", channels, MessageKey::new(b"test", false), shutdown.clone());
    publisher.ready().await;
    (publisher, shutdown.drop_guard())
}

pub(crate) fn message(body: impl Into<Vec<u8>>) -> Message {
    encode_record(&IdIssuer::new(b"test").issue(Uuid::new_v4()).unwrap(), body.into(), &MessageKey::new(b"test", false))
}

/// A queue of the test, which is deleted with its connection.
pub(crate) struct TestQueue {
    _connection: Connection,
    pub(crate) channel: Channel,
    pub(crate) name: String,
}

impl TestQueue {
    pub(crate) async fn new(stack: &Stack) -> Self {
        let connection = Connection::connect(&stack.broker_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = format!("{}test", stack.queue_prefix());
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), own, FieldTable::default()).await.unwrap();
        Self { _connection: connection, channel, name }
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination::Named(self.name.clone())
    }

    /// Returns the bodies in the queue.
    pub(crate) async fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        let no_ack = BasicGetOptions { no_ack: true };
        while let Some(got) = self.channel.basic_get(self.name.as_str().into(), no_ack).await.unwrap() {
            bodies.push(got.delivery.data.clone());
        }
        bodies
    }
}
