//! URLs that may carry a password, which must not reach a log.

use std::fmt;

/// A URL that may carry a password: Debug and Display write `***` in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactedUrl(String);

impl RedactedUrl {
    /// Takes a URL whose scheme is one of `schemes` and that names something after `://`.
    ///
    /// # Errors
    /// The expected form, without the text itself: a broken URL cannot be redacted safely.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let meant = || {
            let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
            format!("a URL that starts with {} is needed", forms.join(" or "))
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(meant)?;
        if !schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
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

    /// The URL with its password, for the client that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The scheme in lower case, such as `amqps`.
    #[must_use]
    pub fn scheme(&self) -> String {
        self.0.split(':').next().unwrap_or_default().to_ascii_lowercase()
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
    fn a_broken_url_is_refused_without_being_repeated() {
        for text in ["guest:hunter2@localhost", "http://hunter2", "amqp://", "amqp://hunter2 x"] {
            let error = RedactedUrl::parse(text, &["amqp", "amqps"]).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
