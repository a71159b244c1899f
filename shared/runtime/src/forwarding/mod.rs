//! The client of a request behind proxies: its address, and the scheme and host that it used.
//!
//! Anybody can write `Forwarded` and `X-Forwarded-*`. They count only as far as each hop that has added to them is a proxy of
//! [`TrustedProxies`], read from the hop that is connected to this process towards the client. The first hop that is not trusted is the
//! client.

mod header;
#[cfg(test)]
mod tests;

use header::{Hop, forwarded, x_forwarded_for};
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::IpAddr;

/// Maximum hops that are read; a chain of proxies is short.
const MAX_HOPS: usize = 32;

/// The client of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address; of IPv4 in IPv6 (`::ffff:192.0.2.1`), the IPv4 address. `None`: the connection has none, as a Unix socket.
    pub address: Option<IpAddr>,
    /// True if it used HTTPS.
    pub is_https: bool,
    /// The host that it used, with its port, as a trusted proxy names it; `None`: the `Host` header counts. The text is not checked.
    pub host: Option<String>,
}

/// Proxies whose `Forwarded` and `X-Forwarded-*` headers count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses and networks with commas between them, such as `10.0.0.1,192.168.0.0/16,::1`.
    ///
    /// # Errors
    /// The part that is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            let network =
                network.map_err(|_| format!("'{part}' is neither an address nor a network: write such as 10.0.0.1 or 10.0.0.0/8"))?;
            networks.push(canonical(network).trunc());
        }
        Ok(Self(networks))
    }

    /// Returns whether this is the address of a trusted proxy.
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request. `peer`: the other end of the connection; `is_tls`: whether that is encrypted; `values`: the values of a
    /// header of the request, by its name in lower case, in their order.
    ///
    /// Where `Forwarded` and `X-Forwarded-For` both are there and disagree, one of them was written by the client and not by the proxy,
    /// which one cannot be known: then the proxy itself counts as the client.
    pub fn client<'h>(&self, peer: Option<IpAddr>, is_tls: bool, values: impl Fn(&'static str) -> Vec<&'h [u8]>) -> Client {
        let address = peer.map(|peer| peer.to_canonical());
        let direct = Client { address, is_https: is_tls, host: None };
        let Some(peer) = address.filter(|peer| self.has(*peer)) else { return direct };
        let (forwarded_lines, for_lines) = (values("forwarded"), values("x-forwarded-for"));
        let elements = if forwarded_lines.is_empty() { None } else { Some(forwarded(&forwarded_lines)) };
        let addresses = if for_lines.is_empty() { None } else { Some(x_forwarded_for(&for_lines)) };
        match (elements, addresses) {
            (None, None) => Client { is_https: is_https(&last(&values("x-forwarded-proto")), is_tls), host: x_host(&values), ..direct },
            // It cannot be read, so nothing of it is known to be written by a proxy.
            (Some(None), _) | (_, Some(None)) => direct,
            (Some(Some(elements)), None) => self.by_forwarded(peer, &elements, is_tls),
            (None, Some(Some(hops))) => {
                let (client, _) = self.walk(peer, hops.into_iter());
                Client { address: Some(client), is_https: is_https(&last(&values("x-forwarded-proto")), is_tls), host: x_host(&values) }
            }
            (Some(Some(elements)), Some(Some(hops))) => {
                let client = self.by_forwarded(peer, &elements, is_tls);
                if client.address == Some(self.walk(peer, hops.into_iter()).0) { client } else { direct }
            }
        }
    }

    fn by_forwarded(&self, peer: IpAddr, elements: &[header::Element], is_tls: bool) -> Client {
        let (address, passed) = self.walk(peer, elements.iter().map(|element| element.hop));
        // The element of the trusted proxy that the client is connected to says how.
        let nearest = passed.and_then(|index| elements.get(index));
        let proto = nearest.and_then(|element| element.proto.clone()).unwrap_or_default();
        Client { address: Some(address), is_https: is_https(&proto, is_tls), host: nearest.and_then(|element| element.host.clone()) }
    }

    /// Goes from the connected proxy towards the client, past every hop that is trusted: the client's address, and the index of the last
    /// hop that was read. `hops`: the nearest to this process first.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Hop>) -> (IpAddr, Option<usize>) {
        let (mut current, mut read) = (peer, None);
        for (index, hop) in hops.take(MAX_HOPS).enumerate() {
            if !self.has(current) {
                break;
            }
            read = Some(index);
            match hop {
                Hop::Address(address) => current = address,
                // The proxy does not say who it is: nobody further away is known.
                Hop::Hidden => break,
            }
        }
        (current, read)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A network of IPv4 addresses that is written as one of IPv6 addresses.
fn canonical(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(address), length) if matches!(network, IpNet::V6(_)) && length >= 96 => {
            Ipv4Net::new(address, length - 96).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

fn is_https(proto: &str, otherwise: bool) -> bool {
    match proto.trim().to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => otherwise,
    }
}

/// The part that the connected proxy has written: the last one of a list.
fn last(lines: &[&[u8]]) -> String {
    let text = lines.last().map(|line| String::from_utf8_lossy(line)).unwrap_or_default();
    text.rsplit(',').next().unwrap_or_default().trim().to_owned()
}

fn x_host<'h>(values: &impl Fn(&'static str) -> Vec<&'h [u8]>) -> Option<String> {
    Some(last(&values("x-forwarded-host"))).filter(|host| !host.is_empty())
}
