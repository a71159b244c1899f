//! The addresses that connectors may connect to.
//!
//! Definitions are written by tenants and contain any host, so a workflow could read data that only Forebay's network can reach: a cloud's
//! metadata service, a database on loopback. Private addresses are therefore refused unless the operator allows them. A name is resolved
//! once, its addresses are checked, and the connection is made to one of those: a second resolution could return other addresses.

use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{PrivateAddresses, error_chain};
use reqwest::Url;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The setting with the permitted private addresses.
pub const SETTING: &str = "FOREBAY_PRIVATE_ADDRESSES";

/// The permitted private addresses; public ones are always permitted. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(PrivateAddresses);

impl From<PrivateAddresses> for Reach {
    fn from(allowed: PrivateAddresses) -> Self {
        Self(allowed)
    }
}

/// An address that is not permitted. It is the cause of an HTTP client's error: see [`Reach::refusal_in`].
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
    /// Refuses all private addresses.
    #[must_use]
    pub fn deny() -> Self {
        Self(PrivateAddresses::Deny)
    }

    /// Permits all addresses.
    #[must_use]
    pub fn allow() -> Self {
        Self(PrivateAddresses::Allow)
    }

    /// Returns true if a connection to the address is permitted.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.0.permit(address)
    }

    /// Returns the permitted addresses of a host, in the order of the resolver, at least one. `host` is a name, or an address with or
    /// without brackets.
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

    /// Checks a URL whose host is an address: HTTP clients do not resolve those, so they do not use [`dns_resolver`](Self::dns_resolver).
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

    /// Returns a resolver for `reqwest::ClientBuilder::dns_resolver`: names without permitted addresses do not resolve.
    #[must_use]
    pub fn dns_resolver(&self) -> Arc<impl reqwest::dns::Resolve + use<>> {
        Arc::new(Resolver(self.clone()))
    }

    /// Returns the refusal that made an HTTP call fail, if there is one. Unlike other connection errors, it is permanent.
    #[must_use]
    pub fn refusal_in<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Refused> {
        error_chain(error).find_map(|cause| cause.downcast_ref())
    }
}

struct Resolver(Reach);

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            // Port 0: the client replaces it by that of the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let permitted: Vec<_> = found.iter().copied().filter(|address| reach.permits(address.ip())).collect();
            match found.first() {
                Some(first) if permitted.is_empty() => Err(Refused { host: host.to_owned(), address: first.ip() }.into()),
                _ => Ok(Box::new(permitted.into_iter()) as reqwest::dns::Addrs),
            }
        })
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
