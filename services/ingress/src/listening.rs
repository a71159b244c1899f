//! The address of the ingress: bound when it is built, listened on when it can accept calls, and closed in order at the end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpSocket;

/// Maximum connections that wait to be accepted, the same as for listeners of `std`.
const BACKLOG: u32 = 1024;

/// An address that is bound and not listened on: connections to it are refused until then.
#[derive(Debug)]
pub(crate) struct BoundAddress(TcpSocket);

impl BoundAddress {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As for listeners of `std`: lingering connections of an earlier process do not block the address; another listener does.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self(socket))
    }

    /// Returns the address, with the port that was chosen if the settings have port 0.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        self.0.listen(BACKLOG)?.into_std()
    }
}

/// The parts of the time for stopping: first calls are still accepted, then running calls are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoppingTimes {
    /// The time for which the process is not ready but accepts calls.
    pub(crate) lame_duck: Duration,
    /// The time for running calls while no more are accepted, at least a second.
    pub(crate) drain: Duration,
}

impl StoppingTimes {
    pub(crate) fn new(lame_duck: Duration, drain_timeout: Duration) -> Self {
        let lame_duck = lame_duck.min(drain_timeout);
        Self { lame_duck, drain: (drain_timeout - lame_duck).max(Duration::from_secs(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_to_an_address_are_refused_until_it_is_listened_on() {
        let bound = BoundAddress::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.address().unwrap();
        assert_eq!(std::net::TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let _listener = bound.listen().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
    }

    #[tokio::test]
    async fn an_address_on_which_somebody_listens_cannot_be_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = BoundAddress::bind(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_lame_duck_time_is_a_part_of_the_time_for_stopping() {
        let seconds = Duration::from_secs;
        let times = |lame_duck, drain| StoppingTimes { lame_duck: seconds(lame_duck), drain: seconds(drain) };
        assert_eq!(StoppingTimes::new(seconds(5), seconds(25)), times(5, 20));
        assert_eq!(StoppingTimes::new(seconds(0), seconds(25)), times(0, 25));
        assert_eq!(StoppingTimes::new(seconds(60), seconds(25)), times(25, 1));
    }
}
