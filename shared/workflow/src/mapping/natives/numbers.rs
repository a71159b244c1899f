//! Numbers as people write them, and rounding as accounts need it: on the decimal digits, halves away from zero.

use jaq_core::native::v;
use jaq_core::{Error, ValR};

use super::Function;
use super::arguments::{Options, binary, failed, misfit, nullary, text, unary};
use crate::mapping::meter::{foresee, tick};
use crate::mapping::value::{Value, number_from_text, text_of};

/// Most decimals, and most digits that an exponent may stand for.
const MOST_DIGITS: i64 = 400;
/// Longest `decimal` or `group`, in bytes.
const LONGEST_SEPARATOR: usize = 8;
/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 200;

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("round_to", v(1), |cv| unary(cv, round_to)),
        ("format_number", v(1), |cv| unary(cv, |value, pattern| format_number(value, pattern, &Value::NULL))),
        ("format_number", v(2), |cv| binary(cv, format_number)),
        ("parse_number", v(0), |cv| nullary(cv, |value| parse_number(value, &Value::NULL))),
        ("parse_number", v(1), |cv| unary(cv, parse_number)),
    ]
}

/// A decimal number: `digits` of which the last `scale` stand behind the point.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    scale: usize,
}

impl Decimal {
    fn of(function: &str, value: &Value) -> Result<Self, Error<Value>> {
        if value.as_f64().is_none_or(f64::is_nan) {
            return Err(misfit(function, "a number", value));
        }
        let text = text_of(value);
        tick(text.len());
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent = exponent.parse::<i64>().ok().filter(|exponent| exponent.abs() <= MOST_DIGITS);
        let exponent = exponent.ok_or_else(|| failed(function, "the number has an exponent of more than 400"))?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_negative = whole.starts_with('-');
        let mut digits: Vec<u8> = whole.trim_start_matches('-').bytes().chain(fraction.bytes()).collect();
        let scale = fraction.len() as i64 - exponent;
        // Zeros that the exponent stands for, on either side.
        digits.extend(std::iter::repeat_n(b'0', usize::try_from(-scale).unwrap_or(0)));
        let scale = usize::try_from(scale).unwrap_or(0);
        let missing = (scale + 1).saturating_sub(digits.len());
        digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        Ok(Self { is_negative, digits, scale })
    }

    /// With so many decimals, or with zeros in so many places before the point.
    fn rounded(mut self, decimals: i64) -> Self {
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

    fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == b'0')
    }

    /// Digits before the point without leading zeros, and those behind it.
    fn parts(&self) -> (String, String) {
        let (whole, fraction) = self.digits.split_at(self.digits.len() - self.scale);
        let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        (text(whole).trim_start_matches('0').to_owned(), text(fraction))
    }

    fn into_value(self) -> Value {
        let (whole, fraction) = self.parts();
        let sign = if self.is_negative && !self.is_zero() { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        number_from_text(&format!("{sign}{whole}{point}{fraction}")).unwrap_or_default()
    }
}

fn round_to(value: &Value, decimals: &Value) -> ValR<Value> {
    let range = -MOST_DIGITS..=MOST_DIGITS;
    let places = decimals.as_i64().filter(|decimals| range.contains(decimals));
    let places = places.ok_or_else(|| misfit("round_to", "a whole number of decimals from -400 to 400", decimals))?;
    Ok(Decimal::of("round_to", value)?.rounded(places).into_value())
}

/// A pattern such as `#,##0.00`: what stands before and behind it is text, and a `%` in that text multiplies by 100.
#[derive(Debug)]
struct Pattern<'p> {
    prefix: &'p str,
    suffix: &'p str,
    /// Digits between two group separators; 0 for none.
    group: usize,
    least_whole: usize,
    least_fraction: usize,
    most_fraction: usize,
}

impl<'p> Pattern<'p> {
    fn of(text: &'p str) -> Option<Self> {
        let is_part = |character: char| matches!(character, '#' | '0' | ',' | '.');
        let start = text.find(is_part).filter(|_| text.len() <= LONGEST_PATTERN)?;
        let end = text.rfind(is_part)? + 1;
        let body = &text[start..end];
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        let is_whole = whole.chars().all(|character| matches!(character, '#' | '0' | ','));
        let is_fraction = fraction.trim_start_matches('0').chars().all(|character| character == '#');
        if !is_whole || !is_fraction || !body.contains(['#', '0']) {
            return None;
        }
        Some(Self {
            prefix: &text[..start],
            suffix: &text[end..],
            group: whole.rfind(',').map_or(0, |comma| whole.len() - comma - 1),
            least_whole: whole.matches('0').count(),
            least_fraction: fraction.matches('0').count(),
            most_fraction: fraction.len(),
        })
    }
}

/// The decimal point and what stands between groups of digits.
fn separators<'v>(function: &str, options: &Options<'v>) -> Result<(&'v str, &'v str), Error<Value>> {
    let point = options.text("decimal")?.unwrap_or(".");
    // Where the comma is the decimal point, the point is what stands between groups.
    let separator = options.text("group")?.unwrap_or(if point == "," { "." } else { "," });
    if point.is_empty() || point.len() > LONGEST_SEPARATOR || separator.len() > LONGEST_SEPARATOR {
        return Err(failed(
            function,
            format_args!("`decimal` and `group` have at most {LONGEST_SEPARATOR} bytes, and `decimal` one at least"),
        ));
    }
    Ok((point, separator))
}

fn format_number(value: &Value, pattern: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("format_number", &["decimal", "group"], options)?;
    let takes = "a pattern such as \"#,##0.00\"";
    let pattern = Pattern::of(text("format_number", takes, pattern)?).ok_or_else(|| misfit("format_number", takes, pattern))?;
    let (point, separator) = separators("format_number", &options)?;
    let mut number = Decimal::of("format_number", value)?;
    if pattern.prefix.contains('%') || pattern.suffix.contains('%') {
        number.digits.extend(std::iter::repeat_n(b'0', 2_usize.saturating_sub(number.scale)));
        number.scale = number.scale.saturating_sub(2);
    }
    let number = number.rounded(pattern.most_fraction as i64);
    let (mut whole, fraction) = number.parts();
    while whole.len() < pattern.least_whole {
        whole.insert(0, '0');
    }
    let mut fraction = fraction.trim_end_matches('0').to_owned();
    while fraction.len() < pattern.least_fraction {
        fraction.push('0');
    }
    if whole.is_empty() && fraction.is_empty() {
        whole.push('0');
    }
    tick(whole.len());
    let mut out = String::from(if number.is_negative && !number.is_zero() { "-" } else { "" });
    out.push_str(pattern.prefix);
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && pattern.group > 0 && left % pattern.group == 0 {
            out.push_str(separator);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push_str(point);
        out.push_str(&fraction);
    }
    out.push_str(pattern.suffix);
    Ok(Value::string(out))
}

/// Blanks of all kinds are passed over; a minus may stand behind the digits, as SAP writes it.
fn parse_number(value: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("parse_number", &["decimal", "group"], options)?;
    let (point, separator) = separators("parse_number", &options)?;
    let written = text("parse_number", "a string", value)?;
    foresee(written.len());
    let mut plain: String = written.chars().filter(|character| !character.is_whitespace()).collect();
    if !separator.is_empty() {
        plain = plain.replace(separator, "");
    }
    if point != "." {
        // A point that is neither is no part of a number.
        plain = plain.replace('.', "?").replace(point, ".");
    }
    if let Some(digits) = plain.strip_suffix('-') {
        plain = format!("-{digits}");
    }
    number_from_text(&plain).ok_or_else(|| {
        let problem = format_args!("{value} is no number with the decimal \"{point}\" and the group \"{separator}\"");
        failed("parse_number", problem)
    })
}
