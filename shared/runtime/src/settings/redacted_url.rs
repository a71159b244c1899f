//! URLs that may carry a password, which must not be in a log.

use std::fmt;

/// A URL that may carry a password: Debug and Display write `***` in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactedUrl(String);

impl RedactedUrl {
    /// Reads a URL whose scheme is one of `schemes` and that has a text after `://`.
    ///
    /// # Errors
    /// The expected form, without the text itself: a broken URL cannot be redacted safely.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let meant = || {
            let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
            format!("a URL that starts with {} is needed", forms.join(" or "))
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(meant)?;
        if !schemes.iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)) {
            return Err(meant());
        }
        if rest.is_empty() {
            return Err(format!("nothing follows {scheme}://: write the host"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a URL has no spaces or control characters: percent-encode them".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the URL with its password, for the client that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A URL of HTTP or HTTPS with a host, which may carry a password: Debug and Display write `***` in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(RedactedUrl);

impl HttpUrl {
    /// Reads a URL with the scheme `http` or `https` and a host.
    ///
    /// # Errors
    /// The problem and the expected form, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = RedactedUrl::parse(text, &["http", "https"])?;
        match reqwest::Url::parse(text) {
            Ok(_) => Ok(Self(url)),
            Err(error) => Err(format!("{error}: write http://HOST:PORT or https://HOST:PORT, with a path where there is one")),
        }
    }

    /// Returns the URL as it was given, with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns the URL without a slash at its end, for paths that are added.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.expose().trim_end_matches('/')
    }

    /// Returns true if the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.expose().split(':').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        write!(f, "{scheme}://")?;
        // Up to the last @, wherever it is: some clients accept a password with / or ? in it, and showing less of a
        // URL that has an @ elsewhere does no harm.
        let rest = match rest.rsplit_once('@') {
            Some((user, host)) => {
                match user.split_once(':') {
                    Some((name, _password)) => write!(f, "{name}:***@")?,
                    None => write!(f, "{user}@")?,
                }
                host
            }
            None => rest,
        };
        let Some((address, query)) = rest.split_once('?') else { return f.write_str(rest) };
        write!(f, "{address}")?;
        for (index, pair) in query.split('&').enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            match pair.split_once('=') {
                Some((name, _)) if is_secret_parameter(name) => write!(f, "{separator}{name}=***")?,
                _ => write!(f, "{separator}{pair}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "token", "secret", "key"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_printed_without_its_password() {
        let cases = [
            ("amqp://guest:hunter2@127.0.0.1:5672/%2f", "amqp://guest:***@127.0.0.1:5672/%2f"),
            ("amqp://127.0.0.1:5672", "amqp://127.0.0.1:5672"),
            ("amqp://guest@127.0.0.1", "amqp://guest@127.0.0.1"),
            ("amqp://a:hunter2/x?y@host/db", "amqp://a:***@host/db"),
            ("amqp://a:hunt@er2@host/db", "amqp://a:***@host/db"),
            ("amqp://h/db?sslpassword=hunter2&heartbeat=10", "amqp://h/db?sslpassword=***&heartbeat=10"),
        ];
        for (text, shown) in cases {
            let url = RedactedUrl::parse(text, &["amqp"]).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn a_url_of_http_has_a_host_and_a_port_that_can_be_one() {
        let url = HttpUrl::parse("HTTPS://me:hunter2@forebay.example/base//").unwrap();
        assert!(url.is_https() && !HttpUrl::parse("http://h").unwrap().is_https());
        assert_eq!(url.base(), "HTTPS://me:hunter2@forebay.example/base");
        assert_eq!(format!("{url} {url:?}"), "HTTPS://me:***@forebay.example/base// HTTPS://me:***@forebay.example/base//");
        for text in ["http://me:hunter2@h:99999", "http://", "https://me:hunter2@:80", "ftp://me:hunter2@h", "http://[::hunter2"] {
            let error = HttpUrl::parse(text).unwrap_err();
            assert!(error.contains("http") && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_broken_url_is_refused_without_being_repeated() {
        for text in ["guest:hunter2@localhost", "http://hunter2", "amqp://", "amqp://hunter2 x"] {
            let error = RedactedUrl::parse(text, &["amqp", "amqps"]).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
