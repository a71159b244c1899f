//! Frames that RabbitMQ does not send by itself come from a peer that the test writes.

use super::frames::{self, Frame};
use super::*;
use lapin::protocol::{AMQPClass, channel, confirm, connection};
use lapin::types::FieldTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The broker's side of one connection.
struct Peer {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Peer {
    /// Takes a connection of one channel with confirms, that for larger messages, and that without confirms.
    async fn accept(listener: TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        let mut peer = Self { stream, arrived: Vec::new() };
        let (mechanisms, locales) = ("PLAIN".into(), "en_US".into());
        let start = connection::Start { version_major: 0, version_minor: 9, server_properties: FieldTable::default(), mechanisms, locales };
        peer.send(0, AMQPClass::Connection(connection::AMQPMethod::Start(start))).await;
        peer.next().await;
        let tune = connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: 0 };
        peer.send(0, AMQPClass::Connection(connection::AMQPMethod::Tune(tune))).await;
        peer.next().await;
        peer.next().await;
        peer.send(0, AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))).await;
        for number in 1..=3 {
            peer.next().await;
            peer.send(number, AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))).await;
            if number < 3 {
                peer.next().await;
                peer.send(number, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))).await;
            }
        }
        peer
    }

    async fn send(&mut self, channel: u16, method: AMQPClass) {
        let mut frame = Vec::new();
        frames::method(&mut frame, channel, &method);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next method.
    async fn next(&mut self) -> AMQPClass {
        loop {
            if let Some((frame, length)) = Frame::first(&self.arrived, usize::MAX).unwrap() {
                let method = frame.method().unwrap();
                self.arrived.drain(..length);
                return method;
            }
            assert!(self.stream.read_buf(&mut self.arrived).await.unwrap() > 0, "the connection was closed");
        }
    }
}

#[tokio::test]
async fn a_request_to_update_the_secret_is_answered_and_the_connection_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: AMQPUri = format!("amqp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let peer = tokio::spawn(Peer::accept(listener));
    let ended = CancellationToken::new();
    let _connection = PublishConnection::open(uri, "test", NonZeroU8::MIN, ended.clone()).await.unwrap();
    let mut peer = peer.await.unwrap();
    for _ in 0..2 {
        let update = connection::UpdateSecret { new_secret: "new".into(), reason: "expired".into() };
        peer.send(0, AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(update))).await;
        let answer = peer.next().await;
        assert!(matches!(answer, AMQPClass::Connection(connection::AMQPMethod::UpdateSecretOk(_))), "{answer:?}");
    }
    assert!(!ended.is_cancelled());
}
