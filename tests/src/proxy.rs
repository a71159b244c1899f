//! A TCP proxy in front of a server: it holds bytes back, or hangs up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The behaviour of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything passes.
    Open,
    /// Bytes of the client arrive, but none return.
    Deaf,
    /// Nothing passes in either direction.
    Shut,
    /// Connections are closed, and bytes that were held back are dropped.
    Cut,
}

#[derive(Clone, Copy)]
struct State {
    way: Way,
    cuts: usize,
}

/// A proxy on a free port of 127.0.0.1, for as long as the process runs.
pub struct Proxy {
    state: watch::Sender<State>,
    connections: Arc<AtomicUsize>,
    /// The server's URL, with the proxy's address.
    pub url: String,
}

impl Proxy {
    /// Starts a proxy; `url` is that of the server, such as `amqp://guest:guest@127.0.0.1:5672/%2f`.
    ///
    /// # Errors
    /// When the URL has no user or no path, or no port can be listened on.
    pub async fn start(url: &str) -> std::io::Result<Self> {
        let parts = url.split_once('@').and_then(|(before, rest)| Some((before, rest.split_once('/')?)));
        let Some((before, (server, path))) = parts else {
            let message = "the URL of a server has no user or no path; give one such as amqp://guest:guest@127.0.0.1:5672/%2f";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{before}@{}/{path}", listener.local_addr()?);
        let (state, watched) = watch::channel(State { way: Way::Open, cuts: 0 });
        let (server, connections) = (server.to_owned(), Arc::new(AtomicUsize::new(0)));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Before the connection is passed on: a cut in between closes it too.
                let State { way, cuts } = *watched.borrow();
                if way == Way::Cut {
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(client, server.clone(), watched.clone(), cuts));
            }
        });
        Ok(Self { state, connections, url })
    }

    /// Connections to the server, from the beginning.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Changes the behaviour from now on.
    pub fn set(&self, way: Way) {
        self.state.send_modify(|state| *state = State { way, cuts: state.cuts + usize::from(way == Way::Cut) });
    }
}

/// Passes a connection that was made after `cuts` cuts. A server that is away closes it.
async fn pass(client: TcpStream, server: String, state: watch::Receiver<State>, cuts: usize) {
    let Ok(server) = TcpStream::connect(&server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let held_by = |ways: &'static [Way]| Gate { state: state.clone(), cuts, ways };
    tokio::join!(relay(from_client, to_server, held_by(&[Way::Shut])), relay(from_server, to_client, held_by(&[Way::Shut, Way::Deaf])));
}

/// Holds the bytes of one direction back.
struct Gate {
    state: watch::Receiver<State>,
    cuts: usize,
    ways: &'static [Way],
}

impl Gate {
    async fn until_cut(&self) {
        // An error: the proxy has ended, so no cut can follow.
        if self.state.clone().wait_for(|state| state.cuts > self.cuts).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until bytes may pass; `false`: the connection is cut.
    async fn until_open(&self) -> bool {
        let state =
            self.state.clone().wait_for(|state| state.cuts > self.cuts || !self.ways.contains(&state.way)).await.map(|state| *state);
        state.is_ok_and(|state| state.cuts == self.cuts)
    }
}

/// Passes bytes on until an end closes or the connection is cut.
async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, gate: Gate) {
    let mut buffer = vec![0; 65_536];
    loop {
        let read = tokio::select! {
            () = gate.until_cut() => return,
            read = from.read(&mut buffer) => read,
        };
        let Ok(length @ 1..) = read else { return };
        if !gate.until_open().await || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
