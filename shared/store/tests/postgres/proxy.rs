//! A network that can be cut.

use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to an address while it is open.
pub(crate) struct Proxy {
    pub(crate) address: String,
    open: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = Arc::new(watch::Sender::new(true));
        let gate = open.clone();
        tokio::spawn(async move {
            loop {
                let (mut incoming, _) = listener.accept().await.unwrap();
                if !*gate.borrow() {
                    continue;
                }
                let (target, mut gate) = (target.clone(), gate.subscribe());
                tokio::spawn(async move {
                    let Ok(mut outgoing) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut incoming, &mut outgoing) => {}
                        _ = gate.wait_for(|open| !*open) => {}
                    }
                });
            }
        });
        Self { address, open }
    }

    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.open.send_replace(true);
    }
}
