//! A TCP proxy that can close all its connections, or let nothing pass on them.

use forebay_tests::{Passage, relay};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    is_stalled: bool,
    cuts: usize,
}

impl Proxy {
    /// Passes connections to `target`, such as `127.0.0.1:5672`.
    pub(crate) async fn start(target: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (state, watched) = watch::channel(State::default());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Before it is passed on: a cut in between closes it too.
                let cuts = watched.borrow().cuts;
                let (target, watched) = (target.clone(), watched.clone());
                tokio::spawn(async move {
                    // A server that is away closes the connection.
                    let Ok(server) = TcpStream::connect(&target).await else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    let passage = |state: &State| match state {
                        State { cuts: all, .. } if *all > cuts => Passage::Cut,
                        State { is_stalled: true, .. } => Passage::Held,
                        State { is_stalled: false, .. } => Passage::Open,
                    };
                    tokio::join!(relay(from_client, to_server, watched.clone(), passage), relay(from_server, to_client, watched, passage));
                });
            }
        });
        Ok(Self { address, state })
    }

    /// Closes all connections. The bytes that are held back are lost.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    pub(crate) fn stall(&self, is_stalled: bool) {
        self.state.send_modify(|state| state.is_stalled = is_stalled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn connected() -> (Proxy, TcpStream, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).await.unwrap();
        let client = TcpStream::connect(&proxy.address).await.unwrap();
        (proxy, client, server.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn bytes_pass_except_while_stalled() {
        let (proxy, mut client, mut server) = connected().await;
        let mut byte = [0];
        client.write_all(b"a").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        proxy.stall(true);
        client.write_all(b"b").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(100), server.read_exact(&mut byte)).await.is_err());
        proxy.stall(false);
        server.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"b");
    }

    #[tokio::test]
    async fn a_cut_closes_both_ends_and_loses_what_was_held_back() {
        let (proxy, mut client, mut server) = connected().await;
        proxy.stall(true);
        client.write_all(b"a").await.unwrap();
        proxy.cut();
        proxy.stall(false);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
