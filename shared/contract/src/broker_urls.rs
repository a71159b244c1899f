//! The addresses of the broker: one URL, one with several hosts, or a list of URLs.

use amq_protocol_uri::AMQPUri;

const FORMS: &str = "write amqp://USER:PASSWORD@HOST:PORT/VHOST, with amqps:// for TLS";
/// The beginnings of URLs, in lower case.
const SCHEMES: [&str; 2] = ["amqp://", "amqps://"];

/// Reads the addresses of the broker's nodes, at least one.
///
/// `amqp://user:password@a,b:5673,c/vhost` is three of them; `amqp://a/vhost,amqp://b/vhost` is two. A port that is not given is 5672,
/// with `amqps` 5671; user and password are `guest`, host `localhost` and virtual host `/` unless given.
///
/// # Errors
/// The problem and the remedy, without any part of the text: it may be the password.
pub fn read_broker_urls(text: &str) -> Result<Vec<AMQPUri>, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a URL has no spaces or control characters: percent-encode them".to_owned());
    }
    let mut uris = Vec::new();
    for url in separate_urls(text) {
        for host in separate_hosts(url)? {
            uris.push(host.read()?);
        }
    }
    Ok(uris)
}

/// Each URL of a list. A comma divides two where a scheme follows it.
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

/// A URL of each host of one that has several.
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
    // A / in a password ends the authority in front of the @.
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
            // These texts name no part of the URL; others may.
            known if known.starts_with("invalid ") && !known.contains('\'') => format!("{known}; {FORMS}"),
            _ => format!("it is no URL that can be understood; {FORMS}"),
        })?;
        // The parser takes an address of IPv6 for no host, and an absent host for localhost.
        if let Some((address, _)) = self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User, password, host, port and virtual host of each.
    fn addresses(text: &str) -> Vec<(String, String, String, u16, String)> {
        let uris = read_broker_urls(text).unwrap();
        let parts = uris.into_iter().map(|uri| {
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
            let error = read_broker_urls(text).unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
