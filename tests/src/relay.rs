//! Passing bytes on between two connections, with pauses and cuts.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// The passage of the next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// They pass.
    Open,
    /// They are held back.
    Held,
    /// The connection is closed, and bytes that are held back are lost.
    Cut,
}

/// Passes bytes on until an end closes or the connection is cut. `passage` reads the state of the proxy.
pub async fn relay<S>(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<S>, passage: impl Fn(&S) -> Passage) {
    let mut buffer = vec![0; 65_536];
    loop {
        let read = tokio::select! {
            _ = state.wait_for(|state| passage(state) == Passage::Cut) => return,
            read = from.read(&mut buffer) => read,
        };
        let Ok(length @ 1..) = read else { return };
        let Ok(way) = state.wait_for(|state| passage(state) != Passage::Held).await.map(|state| passage(&*state)) else { return };
        if way == Passage::Cut || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
