//! Looking at queues: how many messages wait, and which were put aside as unreadable, with what a person decides of those.
//!
//! The age of what waits is not to be had from the broker over AMQP: looking at the first message would take it out of its turn. Workers
//! know it, since they have the first messages of each queue in hand, and tell it with their heartbeat.

use crate::codec::{UNREADABLE_FROM, UNREADABLE_ID, UNREADABLE_REASON};
use crate::connection::connect;
use crate::consumer::ConsumersConfig;
use crate::error::BrokerError;
use crate::topology::{Queue, Topology, close, short};
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

/// Maximum unreadable messages that are looked through for one.
const MAX_SEARCHED: usize = 10_000;
/// Channels over which depths are asked for at once: the broker answers those of one channel one after the other.
const DEPTH_CHANNELS: usize = 4;
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How a queue stands.
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
    /// Tells it from the others.
    pub id: String,
    /// Why it could not be read; empty where that is not known.
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

/// What a person decides of an unreadable message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Back to the queue that it came from, as it was: for a worker that can read it by now.
    Return,
    /// It is deleted.
    Discard,
}

/// Why an unreadable message was not settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// It is not there, or somebody else has it in hand at the moment.
    #[error("there is no such unreadable message; it may have been settled, or somebody else looks at it right now")]
    NotFound,
    /// It was put aside by a Forebay that did not write down where it came from.
    #[error("it is not known which queue the message came from: it can only be discarded")]
    Homeless,
    /// The queue that it came from is full or gone; the message stays where it is.
    #[error("the queue {0} did not take the message; it stays unreadable")]
    Refused(String),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Looks at queues over a connection of its own, made when it is first needed. Cheap to clone.
#[derive(Clone)]
pub struct Inspector {
    config: Arc<ConsumersConfig>,
    topology: Topology,
    connection: Arc<Mutex<Option<Arc<Connection>>>>,
}

impl Inspector {
    /// No connection is made yet.
    #[must_use]
    pub fn new(config: ConsumersConfig, topology: Topology) -> Self {
        Self { config: Arc::new(config), topology, connection: Arc::default() }
    }

    /// Sees whether the broker is the installation's, as known by now.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; when the broker cannot be asked.
    pub async fn verify(&self) -> Result<(), BrokerError> {
        let connection = self.connected(None).await?;
        let verified = self.topology.installation().verify(&connection, &self.config.url).await;
        if verified.is_err() {
            // The broker has closed a channel of it, or it leads to another broker than it should.
            let mut known = self.connection.lock().await;
            known.take_if(|known| Arc::ptr_eq(known, &connection));
        }
        verified
    }

    /// How the queues stand, in their order; `None`: the queue does not exist yet, so nothing waits in it.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    pub async fn depths(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        let a_channel = queues.len().div_ceil(DEPTH_CHANNELS).max(1);
        let parts = try_join_all(queues.chunks(a_channel).map(|part| self.depths_by_turns(part))).await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn depths_by_turns(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        let mut channel = self.channel().await?;
        let mut depths = Vec::with_capacity(queues.len());
        for queue in queues {
            match self.topology.found(&channel, *queue).await {
                Ok(queue) => depths.push(Some(Depth { ready: queue.message_count(), consumers: queue.consumer_count() })),
                // The broker closes the channel with that.
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

    /// The oldest unreadable messages, at most `limit`. They stay where they are.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    pub async fn unreadable(&self, limit: usize) -> Result<Vec<UnreadableMessage>, BrokerError> {
        let channel = self.channel().await?;
        let mut messages = Vec::new();
        while messages.len() < limit
            && let Some(message) = self.get(&channel).await?
        {
            messages.push(described(&message));
        }
        // What was taken and not acknowledged returns with that.
        close(&channel).await;
        Ok(messages)
    }

    /// Returns or discards one unreadable message. A returned one is confirmed by the broker before it goes from here: should the
    /// connection be lost in between, it is there twice.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn settle_unreadable(&self, id: &str, settle: Settle) -> Result<(), SettleError> {
        let channel = self.channel().await?;
        let settled = self.settle(&channel, id, settle).await;
        close(&channel).await;
        settled
    }

    async fn settle(&self, channel: &Channel, id: &str, settle: Settle) -> Result<(), SettleError> {
        for _ in 0..MAX_SEARCHED {
            let Some(message) = self.get(channel).await? else { break };
            let unreadable = described(&message);
            if unreadable.id != id {
                continue;
            }
            if settle == Settle::Return {
                let home = unreadable.from.ok_or(SettleError::Homeless)?;
                send_home(channel, &home, &message, unreadable.message_id.as_deref()).await?;
            }
            let lost = |source| SettleError::Broker(BrokerError::Lost { doing: "acknowledging an unreadable message", source });
            return message.delivery.ack(BasicAckOptions::default()).await.map(drop).map_err(lost);
        }
        Err(SettleError::NotFound)
    }

    async fn get(&self, channel: &Channel) -> Result<Option<BasicGetMessage>, BrokerError> {
        let name = self.topology.name(Queue::Unreadable);
        match channel.basic_get(short(&name), BasicGetOptions::default()).await {
            Ok(message) => Ok(message),
            // Nothing was ever put aside. The queue is there from then on: the broker logs an error each time that it is not.
            Err(error) if is_not_found(&error) => {
                let connection = self.connected(None).await?;
                let declared = self.topology.declare(&connection, Queue::Unreadable).await;
                declared.map(|_| None).map_err(|source| BrokerError::Lost { doing: "declaring the queue of unreadable messages", source })
            }
            Err(source) => Err(BrokerError::Lost { doing: "looking at the unreadable messages", source }),
        }
    }

    /// On a new connection, where the one at hand opens none: lapin 4.12 never opens a channel by a number whose earlier channel the broker
    /// has closed, as it does where a queue is missing, and after 2047 channels the numbers come again.
    async fn channel(&self) -> Result<Channel, BrokerError> {
        let known = self.connected(None).await?;
        if let Ok(channel) = known.create_channel().await {
            return Ok(channel);
        }
        let other = self.connected(Some(&known)).await?;
        other.create_channel().await.map_err(|source| BrokerError::Lost { doing: "opening a channel", source })
    }

    async fn connected(&self, instead_of: Option<&Arc<Connection>>) -> Result<Arc<Connection>, BrokerError> {
        let mut connection = self.connection.lock().await;
        if let Some(known) = &*connection
            && known.status().connected()
            && instead_of.is_none_or(|other| !Arc::ptr_eq(known, other))
        {
            return Ok(known.clone());
        }
        let (made, _) = connect(&self.config.url, &self.config.name).await?;
        self.topology.installation().verify(&made, &self.config.url).await?;
        Ok(connection.insert(Arc::new(made)).clone())
    }
}

async fn send_home(channel: &Channel, home: &str, message: &BasicGetMessage, id: Option<&str>) -> Result<(), SettleError> {
    let lost = |source| SettleError::Broker(BrokerError::Lost { doing: "returning an unreadable message", source });
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(lost)?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = as_it_was(&message.delivery.properties, id);
    let confirm = channel.basic_publish(short(""), short(home), options, &message.delivery.data, properties).await.map_err(lost)?;
    match tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        Ok(Err(source)) => Err(lost(source)),
        Ok(Ok(_)) | Err(_) => Err(SettleError::Refused(home.to_owned())),
    }
}

/// The properties that it had before it was put aside.
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
    let mut take = |name: &str| headers.iter().position(|(known, _)| known == name).map(|place| headers.remove(place).1);
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
