//! Email addresses, for steps, connections and alert rules.

use email_address::{EmailAddress, Options};
use std::fmt;
use std::net::IpAddr;

/// An address that a mail server accepts, with its display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress {
    name: Option<String>,
    address: String,
}

/// The reason for which a text is not a [`MailAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no address of mail: {problem}; write one such as ann@example.com or 'Ann <ann@example.com>'")]
pub struct MailAddressError {
    text: String,
    problem: String,
}

impl MailAddress {
    /// Creates an address from its parts; the name is plain text, without quotes.
    ///
    /// # Errors
    /// An address that is not `local@domain` (RFC 5321, section 4.1.2), and a name with a control character.
    pub fn new(name: Option<&str>, address: &str) -> Result<Self, MailAddressError> {
        let wrong = |text: &str, problem: &str| MailAddressError { text: text.escape_debug().to_string(), problem: problem.to_owned() };
        if let Some(control) = name.into_iter().chain([address]).flat_map(str::chars).find(|character| character.is_control()) {
            return Err(wrong(address, &format!("it holds the control character {control:?}")));
        }
        let (local, domain) = address.rsplit_once('@').ok_or_else(|| wrong(address, "it has no @"))?;
        let options = Options::default().without_display_text().with_domain_literal();
        EmailAddress::parse_with_options(address, options).map_err(|error| wrong(address, &in_a_sentence(&error.to_string())))?;
        if !EmailAddress::is_valid_local_part(local) {
            return Err(wrong(address, "the part before @ is no name of a mailbox"));
        }
        if let Some(literal) = domain.strip_prefix('[') {
            let ip = literal.trim_end_matches(']');
            if ip.strip_prefix("IPv6:").unwrap_or(ip).parse::<IpAddr>().is_err() {
                return Err(wrong(address, "between the brackets stands no IP address"));
            }
        }
        let name = name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { name, address: address.to_owned() })
    }

    /// Reads `ann@example.com`, `Ann Lee <ann@example.com>` or `"Lee, Ann" <ann@example.com>`: exactly one address.
    ///
    /// # Errors
    /// Those of [`MailAddress::new`], and a comma, a bracket or a quote that is not allowed at its place.
    pub fn parse(text: &str) -> Result<Self, MailAddressError> {
        let text = text.trim();
        let wrong = |problem: &str| MailAddressError { text: text.escape_debug().to_string(), problem: problem.to_owned() };
        let Some(inside) = text.strip_suffix('>') else { return Self::new(None, text) };
        let (name, address) = inside.rsplit_once('<').ok_or_else(|| wrong("it has a > without a <"))?;
        let name = unquoted(name.trim()).map_err(wrong)?;
        Self::new(Some(&name), address.trim())
    }

    /// Returns the display name, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns `local@domain`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Returns a sentence of the library as a part of ours: `Invalid character.` becomes `invalid character`.
fn in_a_sentence(text: &str) -> String {
    let mut characters = text.trim_end_matches('.').chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

/// Decodes a name: a quoted string without its quotes, or words without characters that have a meaning in addresses (RFC 5322, section
/// 3.2.3). A dot is accepted, since it is common.
fn unquoted(name: &str) -> Result<String, &'static str> {
    let Some(rest) = name.strip_prefix('"') else {
        let is_special = |character: char| "()<>[]:;@\\,\"".contains(character);
        return if name.contains(is_special) {
            Err("put a name with one of ( ) < > [ ] : ; @ \\ , \" into quotes")
        } else {
            Ok(name.to_owned())
        };
    };
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next() {
            None => return Err("the quote before its name is not closed"),
            Some('"') => break,
            Some('\\') => text.extend(characters.next()),
            Some(character) => text.push(character),
        }
    }
    if characters.next().is_some() { Err("after the quoted name stands more than <address>") } else { Ok(text) }
}

impl fmt::Display for MailAddress {
    /// Writes the form that [`MailAddress::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => f.write_str(&self.address),
            Some(name) => write!(f, "\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_address_is_read_with_its_name() {
        let cases = [
            ("ann@example.com", None, "ann@example.com"),
            (" <ann@example.com> ", None, "ann@example.com"),
            ("Ann Lee <ann@example.com>", Some("Ann Lee"), "ann@example.com"),
            ("Dr. Ann <ann@example.com>", Some("Dr. Ann"), "ann@example.com"),
            (r#""Lee, \"Ann\" <x>" <ann@example.com>"#, Some(r#"Lee, "Ann" <x>"#), "ann@example.com"),
            ("Åsa <åsa@räksmörgås.example>", Some("Åsa"), "åsa@räksmörgås.example"),
            ("o'neil+x@sub.example.com", None, "o'neil+x@sub.example.com"),
            ("root@mailhost", None, "root@mailhost"),
            ("ops@[192.0.2.1]", None, "ops@[192.0.2.1]"),
        ];
        for (text, name, address) in cases {
            let read = MailAddress::parse(text).unwrap();
            assert_eq!((read.name(), read.address()), (name, address), "{text}");
            assert_eq!(MailAddress::parse(&read.to_string()).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn the_reason_is_a_part_of_one_sentence() {
        let message = MailAddress::parse("an na@example.com").unwrap_err().to_string();
        assert!(message.contains("'an na@example.com' is no address of mail: invalid character; write one such as"), "{message}");
    }

    #[test]
    fn an_address_that_no_server_takes_or_that_would_be_two_is_refused() {
        let cases = [
            "",
            "anna",
            "@example.com",
            "anna@",
            "a@b@c",
            "an na@example.com",
            "anna@exam ple.com",
            "a@b.example, c@d.example",
            "a@b.example; c@d.example",
            "a@b.example,",
            "Lee, Ann <ann@example.com>",
            "<a@b.example> <c@d.example>",
            "Ann <anna>",
            "Ann <a@b.example",
            "a@b.example>",
            "\"Ann <a@b.example>",
            "\"Ann\" x <a@b.example>",
            "staff: a@b.example;",
            "a@b.example\r\nBcc: c@d.example",
            "Ann\r\nX: y <a@b.example>",
            "a..b@example.com",
            ".a@example.com",
            "a@example..com",
            "a@-example.com",
            "ops@[nowhere]",
            "a@b.example (comment)",
        ];
        for text in cases {
            assert!(MailAddress::parse(text).is_err(), "{text:?}: {:?}", MailAddress::parse(text));
        }
    }
    proptest! {
        #[test]
        fn no_text_ends_in_a_panic_and_an_address_is_read_again_as_the_same(text in "([a-zé@.<>\"\\\\,; ()\\[\\]:0-9]|IPv6:|\\PC){0,40}") {
            for text in [text.clone(), format!("{text}@example.com"), format!("{text} <a@b.example>"), format!("a@{text}")] {
                let Ok(address) = MailAddress::parse(&text) else { continue };
                prop_assert_eq!(MailAddress::parse(&address.to_string()), Ok(address), "{}", text);
            }
        }
    }
}
