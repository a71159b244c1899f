//! The addresses of the broker: one URL, one with several hosts, or a list of URLs.

use amq_protocol_uri::AMQPUri;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const FORMS: &str = "write amqp://USER:PASSWORD@HOST:PORT/VHOST, with amqps:// for TLS";
/// The schemes of URLs, in lower case.
const SCHEMES: [&str; 2] = ["amqp://", "amqps://"];

/// The addresses of a broker's nodes, at least one. Cheap to clone. Debug and Display write hosts, ports and a virtual host that is not the
/// default one, never a user name or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrls(Arc<[AMQPUri]>);

impl BrokerUrls {
    /// Returns the address of each node with its credentials, at least one.
    #[must_use]
    pub fn nodes(&self) -> &[AMQPUri] {
        &self.0
    }
}

impl FromStr for BrokerUrls {
    /// The problem and the remedy, without any part of the text: it may be the password.
    type Err = String;

    /// Reads `amqp://user:password@a,b:5673,c/vhost` as three nodes and `amqp://a/vhost,amqp://b/vhost` as two. A port that is not given is
    /// 5672, with `amqps` 5671; user and password are `guest`, host `localhost` and virtual host `/` unless given.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a URL has no spaces or control characters: percent-encode them".to_owned());
        }
        let mut uris = Vec::new();
        for url in separate_urls(text) {
            for host in separate_hosts(url)? {
                uris.push(host.read()?);
            }
        }
        Ok(Self(uris.into()))
    }
}

impl fmt::Display for BrokerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, uri) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", broker_address(uri))?;
        }
        match self.0.first() {
            Some(uri) if uri.vhost != "/" => write!(f, " (virtual host {})", uri.vhost),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for BrokerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns `HOST:PORT`, with brackets around an address of IPv6.
#[must_use]
pub fn broker_address(uri: &AMQPUri) -> String {
    let (host, port) = (&uri.authority.host, uri.authority.port);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns the URLs of a list. A comma is a separator if a scheme follows it.
fn separate_urls(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let is_start = |at: &usize| SCHEMES.iter().any(|scheme| lower[at + 1..].starts_with(scheme));
    let mut urls = Vec::new();
    let mut from = 0;
    for comma in lower.match_indices(',').map(|(at, _)| at).filter(is_start) {
        urls.push(&text[from..comma]);
        from = comma + 1;
    }
    urls.push(&text[from..]);
    urls
}

/// A URL with one host.
struct HostUrl<'a> {
    host: &'a str,
    text: String,
}

/// Returns a URL for each host.
fn separate_hosts(url: &str) -> Result<Vec<HostUrl<'_>>, String> {
    let (scheme, rest) = url.split_once("://").ok_or(FORMS)?;
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&format!("{scheme}://").as_str()) {
        return Err(FORMS.to_owned());
    }
    if rest.is_empty() {
        return Err(format!("nothing follows {scheme}://; {FORMS}"));
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    // A / in a password ends the authority before the @.
    if tail.contains('@') {
        return Err("there is an @ after the first /, ? or #: percent-encode these characters in the user name and the password (@ is %40, / is %2F, ? is %3F, # is %23)".to_owned());
    }
    if tail.contains('#') {
        return Err("a broker's URL has no # part: percent-encode the character as %23".to_owned());
    }
    let at = if user.is_empty() { "" } else { "@" };
    let mut urls = Vec::new();
    for host in hosts.split(',') {
        if host.is_empty() && hosts.contains(',') {
            return Err("a comma has no host beside it; write hosts as HOST:PORT,HOST:PORT".to_owned());
        }
        urls.push(HostUrl { host, text: format!("{scheme}://{user}{at}{host}{tail}") });
    }
    Ok(urls)
}

impl HostUrl<'_> {
    fn read(&self) -> Result<AMQPUri, String> {
        let mut uri: AMQPUri = self.text.parse().map_err(|error: String| match error.as_str() {
            "invalid port number" => "the port is not a number from 0 to 65535; a : in a password is %3A".to_owned(),
            "empty host" => format!("the host is missing; {FORMS}"),
            // These error texts contain no part of the URL; others may.
            text if text.starts_with("invalid ") && !text.contains('\'') => format!("{text}; {FORMS}"),
            _ => format!("it is no URL that can be understood; {FORMS}"),
        })?;
        // The parser does not accept an IPv6 address as host, and replaces an absent host by localhost.
        if let Some((address, _)) = self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns user, password, host, port and virtual host of each address.
    fn addresses(text: &str) -> Vec<(String, String, String, u16, String)> {
        let urls: BrokerUrls = text.parse().unwrap();
        let parts = urls.nodes().to_vec().into_iter().map(|uri| {
            let (user, authority) = (uri.authority.userinfo, (uri.authority.host, uri.authority.port));
            (user.username, user.password, authority.0, authority.1, uri.vhost)
        });
        parts.collect()
    }

    fn address(user: &str, password: &str, host: &str, port: u16, vhost: &str) -> (String, String, String, u16, String) {
        (user.to_owned(), password.to_owned(), host.to_owned(), port, vhost.to_owned())
    }

    #[test]
    fn one_url_several_hosts_and_lists_of_urls_are_read() {
        assert_eq!(addresses("amqp://me:pw@rabbit:5673/%2f"), [address("me", "pw", "rabbit", 5673, "/")]);
        assert_eq!(addresses("AMQPS://rabbit"), [address("guest", "guest", "rabbit", 5671, "/")]);
        let three = [address("me", "p,w", "a", 5672, "v"), address("me", "p,w", "b", 5673, "v"), address("me", "p,w", "::1", 5672, "v")];
        assert_eq!(addresses("amqp://me:p,w@a,b:5673,[::1]/v?heartbeat=7"), three);
        let two = [address("me", "x", "a", 5672, "/"), address("you", "y", "b", 5671, "v")];
        assert_eq!(addresses("amqp://me:x@a/%2f,amqps://you:y@b/v"), two);
    }

    #[test]
    fn a_broker_is_shown_without_credentials_and_with_its_virtual_host() {
        let shown = |text: &str| {
            let urls: BrokerUrls = text.parse().unwrap();
            assert_eq!(format!("{urls:?}"), urls.to_string());
            urls.to_string()
        };
        assert_eq!(shown("amqp://me:hunter2@rabbit:5672/%2f"), "rabbit:5672");
        assert_eq!(shown("amqp://me:hunter2@rabbit:5673/other"), "rabbit:5673 (virtual host other)");
        assert_eq!(shown("amqp://me:hunter2@a,b:1,[::1]/other"), "a:5672, b:1, [::1]:5672 (virtual host other)");
    }

    #[test]
    fn an_unreadable_url_is_refused_without_being_repeated() {
        let cases = [
            ("guest:hunter2@localhost", "write amqp://"),
            ("http://hunter2", "write amqp://"),
            ("amqp:hunter2", "write amqp://"),
            ("amqp://", "nothing follows"),
            ("amqp://hunter2 x", "no spaces"),
            ("amqp://me:hunter2@host:x/v", "port"),
            ("amqp://me:hunter2@host:99999/v", "port"),
            ("amqp://me:hun/ter2@host/v", "%2F"),
            ("amqp://me:hunter2@host/v#x", "%23"),
            ("amqp://me:hunter2@a,,b/v", "comma"),
            ("amqp://me:hunter2@a,/v", "comma"),
            ("amqp://me:hunter2@/v", "host"),
            ("amqp://me:hunter2@host/v?heartbeat=hunter2", "digit"),
            ("amqp://me:hunter2@host/v?auth_mechanism=hunter2", "understood"),
            ("amqp://me:hunter2@a/v,amqp://b:x", "port"),
        ];
        for (text, part) in cases {
            let error = text.parse::<BrokerUrls>().unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
