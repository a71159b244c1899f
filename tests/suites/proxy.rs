//! Holds bytes back between a publisher and the broker, or hangs up.

use forebay_tests::{Passage, Stack, relay};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The behaviour of a proxy between publisher and broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Bytes of the publisher arrive, and it hears nothing.
    Deaf,
    /// Nothing gets through in either direction.
    Shut,
    /// Connections are cut. What was held back of theirs goes with them.
    Cut,
}

#[derive(Clone, Copy)]
struct State {
    way: Way,
    cuts: usize,
}

/// A proxy between publisher and broker.
pub(crate) struct Proxy {
    state: watch::Sender<State>,
    /// Connections to the broker, from the beginning.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) url: String,
}

impl Proxy {
    /// `query` is appended to the broker's URL.
    pub(crate) async fn start(stack: &Stack, query: &str) -> Self {
        let broker = stack.broker_url();
        let (start, rest) = broker.split_once('@').unwrap();
        let (address, vhost) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{start}@{}/{vhost}{query}", listener.local_addr().unwrap());
        let (state, watched) = watch::channel(State { way: Way::Open, cuts: 0 });
        let address = address.to_owned();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A broker that has just been cut off is not to be had at once.
                let State { way, cuts } = *watched.borrow();
                if way == Way::Cut {
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let broker = TcpStream::connect(&address).await.unwrap();
                let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
                let passage = move |held: &'static [Way]| {
                    move |state: &State| match state {
                        State { cuts: all, .. } if *all > cuts => Passage::Cut,
                        State { way, .. } if held.contains(way) => Passage::Held,
                        State { .. } => Passage::Open,
                    }
                };
                tokio::spawn(relay(from_client, to_broker, watched.clone(), passage(&[Way::Shut])));
                tokio::spawn(relay(from_broker, to_client, watched.clone(), passage(&[Way::Deaf, Way::Shut])));
            }
        });
        Self { state, connections, url }
    }

    pub(crate) fn set(&self, way: Way) {
        self.state.send_modify(|state| *state = State { way, cuts: state.cuts + usize::from(way == Way::Cut) });
    }
}
