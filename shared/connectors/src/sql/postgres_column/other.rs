//! PostgreSQL's ranges, network addresses and bits, in the form of its own text.

use super::{Read, element, number, sized};
use forebay_mapping::to_json;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio_postgres::types::Type;

// Flags of a range (PostgreSQL, src/include/utils/rangetypes.h).
const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

/// Returns `[1,10)`.
pub(super) fn range(kind: &Type, raw: &[u8]) -> Read<String> {
    let mut rest = raw;
    let [flags] = number::<1>(&mut rest)?;
    if flags & EMPTY != 0 {
        return Ok("empty".to_owned());
    }
    let lower = if flags & LOWER_INFINITE == 0 { bound(kind, &mut rest)? } else { String::new() };
    let upper = if flags & UPPER_INFINITE == 0 { bound(kind, &mut rest)? } else { String::new() };
    let (begin, end) = (if flags & LOWER_INCLUSIVE == 0 { '(' } else { '[' }, if flags & UPPER_INCLUSIVE == 0 { ')' } else { ']' });
    Ok(format!("{begin}{lower},{upper}{end}"))
}

fn bound(kind: &Type, rest: &mut &[u8]) -> Read<String> {
    let value = element(kind, rest)?;
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8(to_json(&value))?,
    };
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "+-.:_".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(text);
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Returns `{[1,2),[5,6)}`.
pub(super) fn multirange(kind: &Type, raw: &[u8]) -> Read<String> {
    let mut rest = raw;
    let mut ranges = Vec::new();
    for _ in 0..u32::from_be_bytes(number(&mut rest)?) {
        let length = usize::try_from(u32::from_be_bytes(number(&mut rest)?))?;
        ranges.push(range(kind, sized(&mut rest, length)?)?);
    }
    Ok(format!("{{{}}}", ranges.join(",")))
}

/// Reads the family, the bits of the network, a flag for `cidr`, a length, and the address.
pub(super) fn network(raw: &[u8]) -> Read<String> {
    let mut rest = raw;
    let [_, bits, is_cidr, _] = number::<4>(&mut rest)?;
    let (address, all) = match rest.len() {
        4 => (Ipv4Addr::from(number::<4>(&mut rest)?).to_string(), 32),
        16 => (Ipv6Addr::from(number::<16>(&mut rest)?).to_string(), 128),
        length => return Err(format!("an address of {length} bytes").into()),
    };
    Ok(if is_cidr == 0 && bits == all { address } else { format!("{address}/{bits}") })
}

pub(super) fn hardware_address(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Returns `0101` from a count and the bits, the highest first.
pub(super) fn bits(raw: &[u8]) -> Read<String> {
    let mut rest = raw;
    let count = usize::try_from(i32::from_be_bytes(number(&mut rest)?))?;
    let mut text = String::with_capacity(rest.len() * 8);
    for byte in rest {
        write!(text, "{byte:08b}")?;
    }
    text.truncate(count);
    Ok(text)
}
