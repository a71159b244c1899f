//! Reads `Forwarded` (RFC 7239) and `X-Forwarded-For`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hop of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// Its address.
    Address(IpAddr),
    /// `unknown`, an obfuscated name, or nothing.
    Hidden,
}

/// One hop, as the proxy that it called describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) hop: Hop,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The elements of a `Forwarded` header, the one that was added last first; `None`: it is malformed.
pub(super) fn forwarded(lines: &[&[u8]]) -> Option<Vec<Element>> {
    let text = joined(lines)?;
    let mut scanner = Scanner { rest: &text };
    let mut elements = Vec::new();
    loop {
        elements.push(scanner.element()?);
        scanner.skip_blanks();
        if scanner.rest.is_empty() {
            break;
        }
        scanner.take(',')?;
    }
    elements.reverse();
    Some(elements)
}

/// The addresses of `X-Forwarded-For`, the one that was added last first; `None`: it is malformed. Some proxies add a port.
pub(super) fn x_forwarded_for(lines: &[&[u8]]) -> Option<Vec<Hop>> {
    let text = joined(lines)?;
    Some(text.rsplit(',').map(|node| hop(node.trim())).collect())
}

/// Several lines of a header mean the same as one with commas (RFC 9110, section 5.3).
fn joined(lines: &[&[u8]]) -> Option<String> {
    let lines: Option<Vec<&str>> = lines.iter().map(|line| std::str::from_utf8(line).ok()).collect();
    Some(lines?.join(","))
}

/// A node (RFC 7239, section 6), without its port. Bare IPv6 addresses are what `X-Forwarded-For` has.
fn hop(node: &str) -> Hop {
    let bare = || node.parse::<IpAddr>().ok();
    let in_brackets = || {
        let (address, port) = node.strip_prefix('[')?.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        is_port(port).then_some(IpAddr::V6(address))
    };
    let with_port = || {
        let (address, _) = node.split_once(':')?;
        let address: Ipv4Addr = address.parse().ok()?;
        is_port(&node[node.find(':')?..]).then_some(IpAddr::V4(address))
    };
    bare().or_else(in_brackets).or_else(with_port).map_or(Hop::Hidden, |address| Hop::Address(address.to_canonical()))
}

/// Returns true for no text, and for `:` and a port, which may be obfuscated.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

struct Scanner<'t> {
    rest: &'t str,
}

impl Scanner<'_> {
    /// Pairs with semicolons between them; an empty element is allowed (RFC 9110, section 5.6.1).
    fn element(&mut self) -> Option<Element> {
        let mut element = Element { hop: Hop::Hidden, proto: None, host: None };
        let mut names = Vec::new();
        loop {
            self.skip_blanks();
            if !self.rest.is_empty() && !self.rest.starts_with([',', ';']) {
                let name = self.token()?.to_ascii_lowercase();
                self.take('=')?;
                let value = if self.rest.starts_with('"') { self.quoted()? } else { self.token()? };
                match name.as_str() {
                    "for" => element.hop = hop(&value),
                    "proto" => element.proto = Some(value),
                    "host" => element.host = Some(value),
                    // `by` and extensions.
                    _ => {}
                }
                // Of two values, none counts.
                if names.contains(&name) {
                    return None;
                }
                names.push(name);
                self.skip_blanks();
            }
            if !self.rest.starts_with(';') {
                return Some(element);
            }
            self.take(';')?;
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// A token (RFC 9110, section 5.6.2). A colon and brackets are none of its characters, but are written without quotes often enough.
    fn token(&mut self) -> Option<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:[]".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_owned())
    }

    fn quoted(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                '\\' => text.push(characters.next()?.1),
                c => text.push(c),
            }
        }
        None
    }
}
