//! The state of queues: how many messages wait, and which messages are unreadable, with the actions of a person on these.
//!
//! AMQP does not give the age of waiting messages, and to read the first message would change its place. Workers have the first messages of
//! each queue in hand, and report their age with the heartbeat.

use crate::broker::Broker;
use crate::codec::{UNREADABLE_FROM, UNREADABLE_ID, UNREADABLE_REASON};
use crate::error::BrokerError;
use crate::topology::{Queue, close, short};
use bytes::Bytes;
use futures_util::future::try_join_all;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Maximum unreadable messages among which one is searched.
const MAX_SEARCHED: usize = 10_000;
/// Channels that request depths at the same time: the broker answers the requests of one channel one after the other.
const DEPTH_CHANNELS: usize = 4;
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait; those that workers have in hand are not among them.
    pub ready: u32,
    /// Its consumers, standbys included.
    pub consumers: u32,
}

/// A message that no worker could read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableMessage {
    /// Its id among the unreadable messages.
    pub id: String,
    /// The reason for which it could not be read; empty where that is not known.
    pub reason: String,
    /// The queue at the broker that it came from; `None`: it is not known, and it cannot be returned.
    pub from: Option<String>,
    /// The id that it had there, such as an execution's.
    pub message_id: Option<String>,
    /// Its headers that are texts.
    pub headers: Vec<(String, String)>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its body, whole.
    pub body: Bytes,
}

/// The action of a person on an unreadable message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableAction {
    /// Returns it to the queue that it came from, as it was: for a worker that can read it by now.
    Return,
    /// Deletes it.
    Discard,
}

/// Error of an action on an unreadable message.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// It does not exist, or another process has it in hand at the moment.
    #[error("there is no such unreadable message; it may have been returned or discarded, or somebody else reads it right now")]
    NotFound,
    /// An earlier version moved it here and did not store its queue.
    #[error("it is not known which queue the message came from: it can only be discarded")]
    UnknownQueue,
    /// The queue that it came from is full or gone; the message stays where it is.
    #[error("the queue {0} did not take the message; it stays unreadable")]
    Refused(String),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Reads the state of queues over a connection of its own, made when it is first needed. Cheap to clone.
#[derive(Clone)]
pub struct Inspector {
    broker: Broker,
    /// The name of its connection.
    name: Arc<str>,
    connection: Arc<Mutex<Option<Arc<Connection>>>>,
}

impl Broker {
    /// Returns an inspector of queues, which connects when it is first asked. `purpose` names the connection for RabbitMQ's own tools.
    #[must_use]
    pub fn inspector(&self, purpose: &str) -> Inspector {
        Inspector { broker: self.clone(), name: self.connection_name(purpose).into(), connection: Arc::default() }
    }
}

impl Inspector {
    /// Checks that the broker is the installation's.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; when the broker cannot be asked.
    pub async fn verify(&self) -> Result<(), BrokerError> {
        let connection = self.connected(None).await?;
        let verified = self.broker.check(&connection).await;
        if verified.is_err() {
            // The broker has closed a channel of it, or it is a connection to another broker.
            let mut current = self.connection.lock().await;
            current.take_if(|current| Arc::ptr_eq(current, &connection));
        }
        verified
    }

    /// Returns the state of the queues, in their order; `None`: the queue does not exist yet, so nothing waits in it.
    ///
    /// # Errors
    /// Those of the connection and of the broker.
    pub async fn depths(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        let a_channel = queues.len().div_ceil(DEPTH_CHANNELS).max(1);
        let parts = try_join_all(queues.chunks(a_channel).map(|part| self.depths_by_turns(part))).await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn depths_by_turns(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        let mut channel = self.channel().await?;
        let mut depths = Vec::with_capacity(queues.len());
        for queue in queues {
            match self.broker.topology().found(&channel, *queue).await {
                Ok(queue) => depths.push(Some(Depth { ready: queue.message_count(), consumers: queue.consumer_count() })),
                // The broker has closed the channel.
                Err(error) if is_not_found(&error) => {
                    depths.push(None);
                    channel = self.channel().await?;
                }
                Err(source) => return Err(BrokerError::Lost { doing: "asking for the depth of a queue", source }),
            }
        }
        close(&channel).await;
        Ok(depths)
    }

    /// Returns the oldest unreadable messages, at most `limit`. They stay in their queue.
    ///
    /// # Errors
    /// Those of the connection and of the broker.
    pub async fn unreadable(&self, limit: usize) -> Result<Vec<UnreadableMessage>, BrokerError> {
        let channel = self.channel().await?;
        let mut messages = Vec::new();
        while messages.len() < limit
            && let Some(message) = self.get(&channel).await?
        {
            messages.push(described(&message));
        }
        // Messages that were taken and not acknowledged return when the channel closes.
        close(&channel).await;
        Ok(messages)
    }

    /// Returns or discards one unreadable message. The broker confirms a returned message before it is deleted here: if the
    /// connection is lost in between, the message exists twice.
    ///
    /// # Errors
    /// [`UnreadableError`].
    pub async fn resolve_unreadable(&self, id: &str, action: UnreadableAction) -> Result<(), UnreadableError> {
        let channel = self.channel().await?;
        let resolved = self.resolve(&channel, id, action).await;
        close(&channel).await;
        resolved
    }

    async fn resolve(&self, channel: &Channel, id: &str, action: UnreadableAction) -> Result<(), UnreadableError> {
        for _ in 0..MAX_SEARCHED {
            let Some(message) = self.get(channel).await? else { break };
            let unreadable = described(&message);
            if unreadable.id != id {
                continue;
            }
            if action == UnreadableAction::Return {
                let queue = unreadable.from.ok_or(UnreadableError::UnknownQueue)?;
                send_back(channel, &queue, &message, unreadable.message_id.as_deref()).await?;
            }
            let lost = |source| UnreadableError::Broker(BrokerError::Lost { doing: "acknowledging an unreadable message", source });
            return message.delivery.ack(BasicAckOptions::default()).await.map(drop).map_err(lost);
        }
        Err(UnreadableError::NotFound)
    }

    async fn get(&self, channel: &Channel) -> Result<Option<BasicGetMessage>, BrokerError> {
        let name = self.broker.topology().name(Queue::Unreadable);
        match channel.basic_get(short(&name), BasicGetOptions::default()).await {
            Ok(message) => Ok(message),
            // No message was ever unreadable. The queue is declared: the broker logs an error for each question about a missing queue.
            Err(error) if is_not_found(&error) => {
                let connection = self.connected(None).await?;
                let declared = self.broker.topology().declare(&connection, Queue::Unreadable).await;
                declared.map(|_| None).map_err(|source| BrokerError::Lost { doing: "declaring the queue of unreadable messages", source })
            }
            Err(source) => Err(BrokerError::Lost { doing: "looking at the unreadable messages", source }),
        }
    }

    /// Opens a channel; on a new connection where the present one opens none: lapin 4.12 never opens a channel by a number whose earlier
    /// channel the broker has closed, as it does where a queue is missing, and after 2047 channels the numbers come again.
    async fn channel(&self) -> Result<Channel, BrokerError> {
        let current = self.connected(None).await?;
        if let Ok(channel) = current.create_channel().await {
            return Ok(channel);
        }
        let other = self.connected(Some(&current)).await?;
        other.create_channel().await.map_err(|source| BrokerError::Lost { doing: "opening a channel", source })
    }

    async fn connected(&self, instead_of: Option<&Arc<Connection>>) -> Result<Arc<Connection>, BrokerError> {
        let mut connection = self.connection.lock().await;
        if let Some(current) = &*connection
            && current.status().connected()
            && instead_of.is_none_or(|other| !Arc::ptr_eq(current, other))
        {
            return Ok(current.clone());
        }
        let made = self.broker.connect_checked(&self.name).await?;
        Ok(connection.insert(Arc::new(made)).clone())
    }
}

async fn send_back(channel: &Channel, queue: &str, message: &BasicGetMessage, id: Option<&str>) -> Result<(), UnreadableError> {
    let lost = |source| UnreadableError::Broker(BrokerError::Lost { doing: "returning an unreadable message", source });
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(lost)?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = as_it_was(&message.delivery.properties, id);
    let confirm = channel.basic_publish(short(""), short(queue), options, &message.delivery.data, properties).await.map_err(lost)?;
    match tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        Ok(Err(source)) => Err(lost(source)),
        Ok(Ok(_)) | Err(_) => Err(UnreadableError::Refused(queue.to_owned())),
    }
}

/// Returns the properties that the message had before it was moved to the unreadable queue.
fn as_it_was(properties: &BasicProperties, id: Option<&str>) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        if ![UNREADABLE_FROM, UNREADABLE_ID, UNREADABLE_REASON].contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let properties = properties.clone().with_headers(headers);
    match id {
        Some(id) => properties.with_message_id(short(id)),
        None => properties,
    }
}

fn described(message: &BasicGetMessage) -> UnreadableMessage {
    let properties = &message.delivery.properties;
    let mut headers = Vec::new();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        if let AMQPValue::LongString(text) = value {
            headers.push((name.to_string(), text.to_string()));
        }
    }
    let mut take = |name: &str| headers.iter().position(|(header, _)| header == name).map(|place| headers.remove(place).1);
    let (reason, from, message_id) = (take(UNREADABLE_REASON).unwrap_or_default(), take(UNREADABLE_FROM), take(UNREADABLE_ID));
    UnreadableMessage {
        id: properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        reason,
        from,
        message_id,
        headers,
        content_type: properties.content_type().as_ref().map(ToString::to_string),
        body: message.delivery.data.clone().into(),
    }
}

fn is_not_found(error: &lapin::Error) -> bool {
    let not_found = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == not_found)
}
