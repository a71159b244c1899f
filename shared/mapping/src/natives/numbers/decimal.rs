//! Decimal digits, rounded as in accounting: halves away from zero.

use jaq_core::Error;

use crate::meter::tick;
use crate::natives::arguments::{failed, misfit};
use crate::value::{Value, number_from_text, text_of};

/// Maximum decimals, and maximum digits that an exponent may add.
pub(super) const MAX_DIGITS: i64 = 400;

/// A decimal number: `digits`, of which the last `scale` are after the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::natives) struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    scale: usize,
}

impl Decimal {
    pub(in crate::natives) fn of(function: &str, value: &Value) -> Result<Self, Error<Value>> {
        if value.as_f64().is_none_or(f64::is_nan) {
            return Err(misfit(function, "a number", value));
        }
        let text = text_of(value);
        tick(text.len());
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent = exponent.parse::<i64>().ok().filter(|exponent| (-MAX_DIGITS..=MAX_DIGITS).contains(exponent));
        let exponent = exponent.ok_or_else(|| failed(function, "the number has an exponent of more than 400"))?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_negative = whole.starts_with('-');
        let mut digits: Vec<u8> = whole.trim_start_matches('-').bytes().chain(fraction.bytes()).collect();
        let scale = fraction.len() as i64 - exponent;
        // The zeros of the exponent, on either side.
        digits.extend(std::iter::repeat_n(b'0', usize::try_from(-scale).unwrap_or(0)));
        let scale = usize::try_from(scale).unwrap_or(0);
        let missing = (scale + 1).saturating_sub(digits.len());
        digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        Ok(Self { is_negative, digits, scale })
    }

    /// Rounds to this many decimals; a negative number rounds places before the point to zeros.
    pub(in crate::natives) fn rounded(mut self, decimals: i64) -> Self {
        let dropped = self.scale as i64 - decimals;
        if dropped <= 0 {
            return self;
        }
        let dropped = dropped as usize;
        let missing = (dropped + 1).saturating_sub(self.digits.len());
        self.digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        let kept = self.digits.len() - dropped;
        let goes_up = self.digits[kept] >= b'5';
        self.digits.truncate(kept);
        if goes_up {
            self.count_up();
        }
        if decimals < 0 {
            self.digits.extend(std::iter::repeat_n(b'0', decimals.unsigned_abs() as usize));
        }
        self.scale = usize::try_from(decimals).unwrap_or(0);
        self
    }

    /// Adds one to the last digit.
    fn count_up(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.digits.insert(0, b'1');
    }

    pub(super) fn times_hundred(mut self) -> Self {
        self.digits.extend(std::iter::repeat_n(b'0', 2_usize.saturating_sub(self.scale)));
        self.scale = self.scale.saturating_sub(2);
        self
    }

    /// Returns the number times ten to the power of `places`, if that is an integer of 128 bits.
    pub(in crate::natives) fn scaled(&self, places: usize) -> Option<i128> {
        let zeros = places.checked_sub(self.scale)?;
        let digits: String = self.digits.iter().map(|digit| char::from(*digit)).chain(std::iter::repeat_n('0', zeros)).collect();
        let number: i128 = digits.parse().ok()?;
        Some(if self.is_negative { -number } else { number })
    }

    /// Returns true if it is less than zero.
    pub(super) fn is_negative(&self) -> bool {
        self.is_negative && !self.is_zero()
    }

    fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == b'0')
    }

    /// Returns the digits before the point, without leading zeros, and those after it.
    pub(super) fn parts(&self) -> (String, String) {
        let (whole, fraction) = self.digits.split_at(self.digits.len() - self.scale);
        let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        (text(whole).trim_start_matches('0').to_owned(), text(fraction))
    }

    pub(super) fn into_value(self) -> Value {
        let (whole, fraction) = self.parts();
        let sign = if self.is_negative() { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        number_from_text(&format!("{sign}{whole}{point}{fraction}")).unwrap_or_default()
    }
}
