//! `format_number`: converts a number to text, by a pattern.

use jaq_core::{Error, ValR};

use super::Notation;
use super::decimal::Decimal;
use crate::meter::tick;
use crate::natives::arguments::{failed, misfit, text};
use crate::value::Value;

/// Maximum bytes of a pattern.
const MAX_PATTERN_BYTES: usize = 200;
const FUNCTION: &str = "format_number";

/// A pattern such as `#,##0.00`: other characters before and after it are text, and a `%` in that text multiplies by 100.
#[derive(Debug)]
struct Pattern<'p> {
    prefix: &'p str,
    suffix: &'p str,
    is_grouped: bool,
    least_whole: usize,
    least_fraction: usize,
    most_fraction: usize,
}

impl<'p> Pattern<'p> {
    fn of(pattern: &'p Value) -> Result<Self, Error<Value>> {
        let takes = "a pattern such as \"#,##0.00\"";
        let text = text(FUNCTION, takes, pattern)?;
        let unfit = || misfit(FUNCTION, takes, pattern);
        let is_part = |character: char| matches!(character, '#' | '0' | ',' | '.');
        let start = text.find(is_part).filter(|_| text.len() <= MAX_PATTERN_BYTES).ok_or_else(unfit)?;
        let end = text.rfind(is_part).ok_or_else(unfit)? + 1;
        let body = &text[start..end];
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        let is_whole = whole.chars().all(|character| matches!(character, '#' | '0' | ','));
        let is_fraction = fraction.trim_start_matches('0').chars().all(|character| character == '#');
        if !is_whole || !body.contains(['#', '0']) {
            return Err(unfit());
        }
        let mut groups = whole.split(',');
        let is_first_empty = groups.next().is_none_or(str::is_empty);
        let is_grouped = whole.contains(',');
        if fraction.contains(',') || is_grouped && (is_first_empty || groups.any(|group| group.len() != 3)) {
            let hint = "in a pattern `,` stands between groups and `.` is the decimal point, as in \"#,##0.00\"; \
                        {decimal: \",\"} writes a comma, and {grouping: \"indian\"} groups of two digits";
            return Err(failed(FUNCTION, format_args!("the groups of the pattern \"{body}\" have not three digits each; {hint}")));
        }
        if !is_fraction {
            return Err(unfit());
        }
        Ok(Self {
            prefix: &text[..start],
            suffix: &text[end..],
            is_grouped,
            least_whole: whole.matches('0').count(),
            least_fraction: fraction.matches('0').count(),
            most_fraction: fraction.len(),
        })
    }

    fn is_of_hundred(&self) -> bool {
        self.prefix.contains('%') || self.suffix.contains('%')
    }
}

pub(super) fn format_number(value: &Value, pattern: &Value, options: &Value) -> ValR<Value> {
    let pattern = Pattern::of(pattern)?;
    let notation = Notation::of(FUNCTION, options)?;
    let mut number = Decimal::of(FUNCTION, value)?;
    if pattern.is_of_hundred() {
        number = number.times_hundred();
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
    let mut out = String::from(if number.is_negative() { "-" } else { "" });
    out.push_str(pattern.prefix);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && pattern.is_grouped && notation.grouping.is_before(whole.len() - index) {
            out.push_str(notation.group);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push_str(notation.decimal);
        out.push_str(&fraction);
    }
    out.push_str(pattern.suffix);
    Ok(Value::string(out))
}
