//! Subscriptions. They share connections, and each has a channel of its own.
//!
//! Order is kept by a lost connection, a killed process and `channel.close()`. It is lost by `basic.cancel` with deliveries in hand and by
//! `nack` with requeue. So this module neither cancels nor nacks: a subscription ends by closing its channel, also when it is dropped
//! (lapin sends a cancel when a consumer is dropped before its channel is closed).

use crate::acks::Acks;
use crate::broker::Broker;
use crate::codec::decode_envelope;
use crate::error::{BrokerError, DecodeError, chain};
use crate::signature::{Kind, MessageKey, Parts};
use crate::topology::{Queue, short};
use bytes::Bytes;
use forebay_contract::envelope::Envelope;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Consumer};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Channels on one connection: more of them share one reader and one socket, and all are lost together.
const CHANNELS_PER_CONNECTION: usize = 100;

/// Opens subscriptions; connects when the first is asked for, and again after a loss.
#[derive(Clone)]
pub struct Consumers {
    broker: Broker,
    /// The name of its connections.
    name: String,
    connections: Arc<Mutex<Vec<Arc<Connection>>>>,
}

impl Broker {
    /// Returns consumers, which connect when the first subscription is made. `purpose` names the connections for RabbitMQ's own tools.
    #[must_use]
    pub fn consumers(&self, purpose: &str) -> Consumers {
        Consumers { broker: self.clone(), name: self.connection_name(purpose), connections: Arc::default() }
    }
}

impl Consumers {
    /// Subscribes to a queue, which is declared first. At most `prefetch` deliveries are unacknowledged at a time.
    ///
    /// # Errors
    /// Those of the connection and of the broker.
    pub async fn subscribe(&self, queue: Queue, prefetch: u16) -> Result<Subscription, BrokerError> {
        let connection = self.connection().await?;
        let lost = |doing| move |source| BrokerError::Lost { doing, source };
        self.broker.topology().declare(&connection, queue).await.map_err(lost("declaring a queue"))?;
        let channel = connection.create_channel().await.map_err(lost("opening a channel"))?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(lost("setting the prefetch"))?;
        let name = self.broker.topology().name(queue);
        let consumer = channel
            .basic_consume(short(&name), short(""), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .map_err(lost("subscribing"))?;
        let lost = CancellationToken::new();
        let acks = Acks::start(channel.clone(), lost.clone());
        Ok(Subscription { name: name.into(), lost, inner: Some(Inner { connection, channel, consumer, acks }) })
    }

    /// Returns a live connection with room for one more channel. Each subscription holds its connection, so the number of holders is the
    /// number of channels.
    async fn connection(&self) -> Result<Arc<Connection>, BrokerError> {
        let mut connections = self.connections.lock().await;
        connections.retain(|connection| connection.status().connected());
        let roomy = connections.iter().find(|connection| Arc::strong_count(connection) <= CHANNELS_PER_CONNECTION);
        if let Some(connection) = roomy {
            return Ok(connection.clone());
        }
        // Nothing is taken from the queues of another installation.
        let connection = Arc::new(self.broker.connect_checked(&self.name).await?);
        connections.push(connection.clone());
        Ok(connection)
    }

    /// Closes all connections. Subscriptions end; their unacknowledged deliveries return to the queues in order.
    pub async fn close(&self) {
        for connection in self.connections.lock().await.drain(..) {
            let _ = connection.close(200, "shutdown".into()).await;
        }
    }
}

struct Inner {
    connection: Arc<Connection>,
    channel: Channel,
    consumer: Consumer,
    acks: Acks,
}

/// One subscription.
pub struct Subscription {
    name: Arc<str>,
    lost: CancellationToken,
    inner: Option<Inner>,
}

impl Subscription {
    /// The queue's name at the broker.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        &self.name
    }

    /// Returns a token that is cancelled when this process loses the deliveries of the subscription: their executions must stop.
    #[must_use]
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Returns the next delivery; `None`: the channel or the connection is lost.
    pub async fn next(&mut self) -> Option<Delivery> {
        let inner = self.inner.as_mut()?;
        match inner.consumer.next().await {
            Some(Ok(delivery)) => Some(Delivery {
                queue: self.name.clone(),
                redelivered: delivery.redelivered,
                properties: delivery.properties,
                body: delivery.data.into(),
                tag: delivery.delivery_tag,
                acks: inner.acks.clone(),
            }),
            Some(Err(error)) => {
                tracing::warn!(messaging.destination.name = &*self.name, error = %chain(&error), "the subscription was lost");
                self.lost.cancel();
                None
            }
            None => {
                self.lost.cancel();
                None
            }
        }
    }

    /// Ends the subscription. Unacknowledged deliveries return to the queue in order.
    pub async fn close(mut self) {
        self.lost.cancel();
        if let Some(inner) = self.inner.take() {
            inner.close().await;
        }
    }
}

impl Inner {
    async fn close(self) {
        self.acks.flush().await;
        // If closing fails, the channel and its subscription are gone already.
        let _ = self.channel.close(200, "done".into()).await;
        drop(self.consumer);
        drop(self.connection);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.lost.cancel();
        if let (Some(inner), Ok(runtime)) = (self.inner.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(inner.close());
        }
    }
}

/// One message, not yet acknowledged. [`Delivery::ack`] consumes it, so it cannot be acknowledged twice.
pub struct Delivery {
    queue: Arc<str>,
    redelivered: bool,
    properties: BasicProperties,
    body: Bytes,
    tag: u64,
    acks: Acks,
}

impl Delivery {
    /// Returns true if it was delivered before, to this worker or to another, and not acknowledged.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Returns the number of earlier deliveries, where the broker counts them (quorum queues); 0 for the first delivery.
    #[must_use]
    pub fn redeliveries(&self) -> u32 {
        let count = self.properties.headers().as_ref().and_then(|headers| headers.inner().get("x-delivery-count"));
        match count {
            Some(AMQPValue::LongLongInt(count)) => u32::try_from(*count).unwrap_or_default(),
            Some(AMQPValue::LongInt(count)) => u32::try_from(*count).unwrap_or_default(),
            Some(AMQPValue::LongUInt(count)) => *count,
            _ => 0,
        }
    }

    /// Returns the reason for which a message is in the `dead` queue: `expired`, `delivery_limit`, ...
    #[must_use]
    pub fn death_reason(&self) -> Option<String> {
        last_death_reason(self.properties.headers().as_ref()?)
    }

    /// The message id; empty when it has none.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("", |id| id.as_str())
    }

    /// The message as an envelope.
    ///
    /// # Errors
    /// [`DecodeError`] when it can never be executed.
    pub fn envelope(&self, key: &MessageKey) -> Result<Envelope, DecodeError> {
        decode_envelope(&self.properties, self.body.clone(), key)
    }

    /// The body of a message that [`encode_record`](crate::encode_record) made.
    ///
    /// # Errors
    /// [`DecodeError::NotSigned`].
    pub fn record(&self, key: &MessageKey) -> Result<&Bytes, DecodeError> {
        let parts = Parts { kind: Kind::Record, id: self.message_id(), head: b"", reply_to: "", body: &self.body };
        key.verify(&self.properties, &parts)?;
        Ok(&self.body)
    }

    /// Returns the message as it goes to the `unreadable` queue, with the reason.
    pub(crate) fn as_unreadable(&self, reason: &str) -> crate::Message {
        crate::codec::encode_unreadable(&self.properties, self.body.clone(), &self.queue, reason)
    }

    /// Acknowledges the message. If the channel is gone by then, the broker delivers it again.
    pub fn ack(self) {
        self.acks.done(self.tag);
    }
}

/// The reason of the newest entry of `x-death`, which the broker puts first. The header `x-first-death-reason` would not
/// do: a message that waited in a retry queue has expired there before.
fn last_death_reason(headers: &FieldTable) -> Option<String> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(newest) = deaths.as_slice().first()? else { return None };
    match newest.inner().get("reason")? {
        AMQPValue::LongString(reason) => Some(reason.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::{FieldArray, LongString};

    fn death(reason: &str) -> AMQPValue {
        let mut entry = FieldTable::default();
        entry.insert("reason".into(), AMQPValue::LongString(LongString::from(reason)));
        AMQPValue::FieldTable(entry)
    }

    #[test]
    fn the_newest_death_counts_not_the_wait_in_a_retry_queue() {
        let mut headers = FieldTable::default();
        headers.insert("x-first-death-reason".into(), AMQPValue::LongString(LongString::from("expired")));
        headers.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(vec![death("delivery_limit"), death("expired")])));
        assert_eq!(last_death_reason(&headers).as_deref(), Some("delivery_limit"));
        assert_eq!(last_death_reason(&FieldTable::default()), None);
    }
}
