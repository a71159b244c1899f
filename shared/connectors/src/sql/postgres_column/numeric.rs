//! PostgreSQL's `numeric`: digits to the base of 10000, a weight, a sign, and the number of decimals.

use super::{Read, number};
use std::fmt::Write;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

pub(super) fn text(raw: &[u8]) -> Read<String> {
    let mut rest = raw;
    let count = u16::from_be_bytes(number(&mut rest)?);
    let weight = i16::from_be_bytes(number(&mut rest)?);
    let sign = u16::from_be_bytes(number(&mut rest)?);
    let decimals = usize::from(u16::from_be_bytes(number(&mut rest)?));
    match sign {
        NOT_A_NUMBER => return Ok("NaN".to_owned()),
        INFINITY => return Ok("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Ok("-Infinity".to_owned()),
        _ => {}
    }
    let mut digits = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        digits.push(u16::from_be_bytes(number(&mut rest)?));
    }
    // The digit of the power `place` of 10000.
    let digit = |place: i32| usize::try_from(i32::from(weight) - place).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0);
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    if weight < 0 {
        text.push('0');
    } else {
        write!(text, "{}", digit(weight.into()))?;
        for place in (0..i32::from(weight)).rev() {
            write!(text, "{:04}", digit(place))?;
        }
    }
    if decimals > 0 {
        let mut fraction = String::new();
        let mut place = -1;
        while fraction.len() < decimals {
            write!(fraction, "{:04}", digit(place))?;
            place -= 1;
        }
        fraction.truncate(decimals);
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text)
}
