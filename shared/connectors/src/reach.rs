//! Which addresses connectors may connect to.
//!
//! Definitions are written by tenants and name hosts of their choice, so a workflow could be made to read what only Forebay's own
//! network reaches: a cloud's metadata service, a database on loopback. Private addresses are therefore refused unless the operator
//! allows them. A name is resolved once, its addresses are checked, and the connection is made to one of those: a second resolution
//! could give another answer.

use forebay_contract::outcome::{ErrorCode, ExecutionError};
use reqwest::Url;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// The setting that says which private addresses may be reached.
pub const SETTING: &str = "FOREBAY_PRIVATE_ADDRESSES";

/// Which private addresses may be reached; public ones always may. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(Private);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Private {
    Deny,
    Allow,
    Only(Arc<[Network]>),
}

/// An address with the number of its leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no [`Reach`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{part}' is no network: write `deny`, `allow`, or networks with commas, such as 10.0.0.0/8,127.0.0.1/32")]
pub struct ReachError {
    part: String,
}

/// An address that may not be connected to. Travels as the cause of an HTTP client's error: see [`Reach::refusal_in`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    host: String,
    address: IpAddr,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        let named = if host.parse() == Ok(*address) { host.clone() } else { format!("{host} has the address {address}, which") };
        let whose = if host.parse() == Ok(*address) { " is a private address that" } else { " is private and" };
        write!(f, "{named}{whose} may not be reached from here; an operator allows it by {SETTING}, such as {SETTING}={address}/")?;
        write!(f, "{}", if address.is_ipv4() { 32 } else { 128 })
    }
}

impl Error for Refused {}

impl From<Refused> for ExecutionError {
    fn from(refused: Refused) -> Self {
        ExecutionError::permanent(ErrorCode::Unreachable, refused.to_string())
    }
}

impl Reach {
    /// Every private address is refused.
    #[must_use]
    pub fn deny() -> Self {
        Self(Private::Deny)
    }

    /// Every address may be reached.
    #[must_use]
    pub fn allow() -> Self {
        Self(Private::Allow)
    }

    /// Whether a connection to the address may be made.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let carried = carried(address);
        if !is_private(carried) {
            return true;
        }
        match &self.0 {
            Private::Deny => false,
            Private::Allow => true,
            Private::Only(networks) => networks.iter().any(|network| network.holds(carried) || network.holds(address)),
        }
    }

    /// The addresses of a host that may be connected to, in the order in which the resolver gave them; never none. `host` is a name,
    /// or an address with or without brackets.
    ///
    /// # Errors
    /// [`Unreachable`](ErrorCode::Unreachable): the name cannot be resolved (transient), or all its addresses are refused.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ExecutionError> {
        let found = match literal(host) {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => tokio::net::lookup_host((host, port)).await.map(Iterator::collect).map_err(|error| {
                ExecutionError::transient(ErrorCode::Unreachable, format!("{host} could not be resolved to an address: {error}"))
            })?,
        };
        self.permitted(host, found)
    }

    fn permitted(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ExecutionError> {
        let permitted: Vec<_> = found.iter().copied().filter(|address| self.permits(address.ip())).collect();
        match (permitted.is_empty(), found.first()) {
            (false, _) => Ok(permitted),
            (true, Some(first)) => Err(Refused { host: host.to_owned(), address: first.ip() }.into()),
            (true, None) => Err(ExecutionError::transient(ErrorCode::Unreachable, format!("{host} has no address"))),
        }
    }

    /// Checks a URL whose host is an address: HTTP clients do not resolve those, and so never ask [`dns_resolver`](Self::dns_resolver).
    ///
    /// # Errors
    /// The address is refused.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default();
        match literal(host) {
            Some(address) if !self.permits(address) => Err(Refused { host: address.to_string(), address }),
            _ => Ok(()),
        }
    }

    /// For `reqwest::ClientBuilder::dns_resolver`: names whose addresses are all refused do not resolve.
    #[must_use]
    pub fn dns_resolver(&self) -> Arc<impl reqwest::dns::Resolve + use<>> {
        Arc::new(Resolver(self.clone()))
    }

    /// The refusal that made an HTTP call fail, if one did: another attempt meets it again, as nothing else that keeps a client from
    /// connecting.
    #[must_use]
    pub fn refusal_in<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Refused> {
        let mut cause = Some(error);
        while let Some(this) = cause {
            if let Some(refused) = this.downcast_ref() {
                return Some(refused);
            }
            cause = this.source();
        }
        None
    }
}

struct Resolver(Reach);

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            // Port 0: the client puts the URL's own there.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let permitted: Vec<_> = found.iter().copied().filter(|address| reach.permits(address.ip())).collect();
            match found.first() {
                Some(first) if permitted.is_empty() => Err(Refused { host: host.to_owned(), address: first.ip() }.into()),
                _ => Ok(Box::new(permitted.into_iter()) as reqwest::dns::Addrs),
            }
        })
    }
}

impl FromStr for Reach {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        match text.trim() {
            "deny" => return Ok(Self::deny()),
            "allow" => return Ok(Self::allow()),
            _ => {}
        }
        let networks: Result<Vec<Network>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        networks.map(|networks| Self(Private::Only(networks.into())))
    }
}

impl FromStr for Network {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        let unfit = || ReachError { part: text.chars().take(80).collect() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| unfit())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| unfit()))?;
        if bits <= most { Ok(Self { address, bits }) } else { Err(unfit()) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same_start(own.to_bits().into(), other.to_bits().into(), 32 - u32::from(self.bits)),
            (IpAddr::V6(own), IpAddr::V6(other)) => same_start(own.to_bits(), other.to_bits(), 128 - u32::from(self.bits)),
            _ => false,
        }
    }
}

/// Whether two numbers are the same but for their last bits.
fn same_start(left: u128, right: u128, last: u32) -> bool {
    (left ^ right).checked_shr(last).unwrap_or(0) == 0
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// The IPv4 address that an IPv6 address stands for, on this machine or behind a translator; else the address itself.
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // Mapped (RFC 4291) and translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // Compatible, deprecated; `::` and `::1` are not of these.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        // NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => address,
    }
}

/// What the public internet does not route, or routes to more than one receiver: the registries of RFC 6890.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || first == 0
                || first >= 240
                || (first == 100 && (64..128).contains(&second))
                || (first == 198 && (18..20).contains(&second))
                || (first == 192 && second == 0 && third == 0)
        }
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let [first, second, third, ..] = v6.segments();
    let is_site_local = first & 0xffc0 == 0xfec0;
    // RFC 8215: NAT64 of an operator's own.
    let is_local_translation = first == 0x64 && second == 0xff9b && third == 1;
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_multicast()
        || is_site_local
        || is_local_translation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_every_form_are_refused_and_public_ones_are_not() {
        let private = [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ];
        for address in private {
            assert!(!Reach::deny().permits(address.parse().unwrap()), "{address}");
            assert!(Reach::allow().permits(address.parse().unwrap()), "{address}");
        }
        let public =
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "9.255.255.255", "192.0.2.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"];
        for address in public {
            assert!(Reach::deny().permits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_list_allows_its_networks_and_nothing_else() {
        let reach: Reach = "10.0.0.0/8, 127.0.0.1,fd00::/8".parse().unwrap();
        for (address, permitted) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fc12::1", false),
            ("11.0.0.1", true),
        ] {
            assert_eq!(reach.permits(address.parse().unwrap()), permitted, "{address}");
        }
        assert!("0.0.0.0/0".parse::<Reach>().unwrap().permits("169.254.169.254".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "internal", "10.0.0.0/8;::1", "10.0.0.0/"] {
            assert!(text.parse::<Reach>().is_err(), "{text}");
        }
        assert_eq!(("deny".parse(), " allow ".parse()), (Ok(Reach::deny()), Ok(Reach::allow())));
    }

    #[tokio::test]
    async fn a_refused_host_is_told_with_the_setting_that_allows_it() {
        let error = Reach::deny().resolve("localhost", 80).await.unwrap_err();
        assert!(!error.transient && error.code == ErrorCode::Unreachable, "{error:?}");
        assert!(error.message.starts_with("localhost has the address ") && error.message.contains(SETTING), "{error}");
        let error = Reach::deny().resolve("[::1]", 80).await.unwrap_err();
        assert!(error.message.contains("FOREBAY_PRIVATE_ADDRESSES=::1/128"), "{error}");
        assert_eq!(Reach::allow().resolve("127.0.0.1", 80).await.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        let error = Reach::allow().resolve("no-such-host.invalid", 80).await.unwrap_err();
        assert!(error.transient && error.message.contains("no-such-host.invalid"), "{error:?}");
    }

    #[test]
    fn a_url_with_an_address_is_checked_in_whatever_way_it_is_written() {
        for url in ["http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://[::1]:8080/", "https://[::ffff:127.0.0.1]/"] {
            let url = Url::parse(url).unwrap();
            let refused = Reach::deny().check_url(&url).unwrap_err();
            assert!(refused.to_string().contains("is a private address that may not be reached"), "{refused}");
            assert_eq!(Reach::allow().check_url(&url), Ok(()));
        }
        assert_eq!(Reach::deny().check_url(&Url::parse("https://erp.example/").unwrap()), Ok(()));
    }

    #[tokio::test]
    async fn an_http_client_does_not_connect_to_a_name_of_a_refused_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let client = |reach: Reach| {
            let builder = reqwest::Client::builder().tls_backend_preconfigured(forebay_tls::client_config());
            builder.dns_resolver(reach.dns_resolver()).no_proxy().build().unwrap()
        };
        let error = client(Reach::deny()).get(&url).send().await.unwrap_err();
        let refused = Reach::refusal_in(&error).expect("a refusal");
        assert!(refused.to_string().contains(SETTING), "{refused}");
        let permitted = client(Reach::allow());
        let call = tokio::spawn(async move { permitted.get(&url).send().await });
        tokio::time::timeout(std::time::Duration::from_secs(5), listener.accept()).await.expect("a connection").unwrap();
        call.abort();
    }
}
