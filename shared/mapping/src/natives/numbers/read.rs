//! `parse_number`: converts the text of a number to the number. An ambiguous text is an error, never a guess.

use jaq_core::{Error, ValR};

use super::{Grouping, Notation};
use crate::meter::foresee;
use crate::natives::arguments::{failed, text};
use crate::value::{Value, number_from_text};

const FUNCTION: &str = "parse_number";

/// Blanks between groups: space, no-break space, figure space, thin space, narrow no-break space. CLDR uses three of them.
const BLANKS: [char; 5] = [' ', '\u{a0}', '\u{2007}', '\u{2009}', '\u{202f}'];
/// Apostrophes between groups in Switzerland: as typed, and as typeset (CLDR).
const APOSTROPHES: [char; 2] = ['\'', '\u{2019}'];

/// Notations that an error may suggest, the common ones first.
const USUAL: [Notation<'static>; 7] = [
    Notation { decimal: ".", group: ",", grouping: Grouping::Thousands },
    Notation { decimal: ",", group: ".", grouping: Grouping::Thousands },
    Notation { decimal: ",", group: " ", grouping: Grouping::Thousands },
    Notation { decimal: ".", group: " ", grouping: Grouping::Thousands },
    Notation { decimal: ".", group: "'", grouping: Grouping::Thousands },
    Notation { decimal: ",", group: "'", grouping: Grouping::Thousands },
    Notation { decimal: ".", group: ",", grouping: Grouping::Indian },
];

pub(super) fn parse_number(value: &Value, options: &Value) -> ValR<Value> {
    let notation = Notation::of(FUNCTION, options)?;
    let written = text(FUNCTION, "a string", value)?;
    foresee(written.len());
    notation.read(written).ok_or_else(|| unreadable(value, written, notation))
}

fn unreadable(value: &Value, written: &str, notation: Notation<'_>) -> Error<Value> {
    let Notation { decimal, group, grouping } = notation;
    let groups = if group.is_empty() { "without groups".to_owned() } else { format!("\"{group}\" between {}", grouping.described()) };
    let fits = USUAL.iter().find_map(|usual| Some((usual, usual.read(written)?)));
    let hint = match fits {
        Some((usual, number)) => format!("; {} reads it as {number}", usual.call()),
        None if written.trim().is_empty() => "; the text is empty".to_owned(),
        None if written.contains(is_foreign) => "; cut off what is no part of a number, such as a currency or a unit, first".to_owned(),
        None => String::new(),
    };
    failed(FUNCTION, format_args!("{value} is no number with the decimal \"{decimal}\" and {groups}{hint}"))
}

/// Returns true for a character that no notation uses.
fn is_foreign(character: char) -> bool {
    !character.is_ascii_digit() && !matches!(character, '.' | ',' | '-' | '+' | '\u{2212}') && !is_blank(character)
}

fn is_blank(character: char) -> bool {
    BLANKS.contains(&character)
}

impl Notation<'_> {
    /// Returns the call that reads numbers in this notation.
    fn call(&self) -> String {
        let mut options = Vec::new();
        if self.decimal != "." {
            options.push(format!("decimal: \"{}\"", self.decimal));
        }
        if self.group != "," && !(self.group == "." && self.decimal == ",") {
            options.push(format!("group: \"{}\"", self.group));
        }
        if self.grouping == Grouping::Indian {
            options.push("grouping: \"indian\"".to_owned());
        }
        if options.is_empty() { FUNCTION.to_owned() } else { format!("{FUNCTION}({{{}}})", options.join(", ")) }
    }

    /// Returns the number in `written`: blanks around it, a sign before or a minus after it (as in SAP), digits with or without groups, and
    /// a fraction or an exponent.
    fn read(&self, written: &str) -> Option<Value> {
        let text = written.trim();
        let (is_negative, text) = if let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix('+') {
            (false, rest)
        } else if let Some(rest) = text.strip_suffix(['-', '\u{2212}']) {
            (true, rest)
        } else {
            (false, text)
        };
        let text = text.trim();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (whole, fraction) = match mantissa.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        if fraction.is_some_and(|fraction| !is_digits(fraction)) {
            return None;
        }
        let groups = self.groups(whole);
        let is_one = groups.len() == 1;
        let fits = if is_one { is_digits(whole) } else { exponent.is_empty() && self.are_grouped(&groups) };
        if !fits {
            return None;
        }
        let sign = if is_negative { "-" } else { "" };
        let point = if fraction.is_some() { "." } else { "" };
        number_from_text(&format!("{sign}{}{point}{}{exponent}", groups.concat(), fraction.unwrap_or_default()))
    }

    fn groups<'t>(&self, whole: &'t str) -> Vec<&'t str> {
        match self.group {
            "" => vec![whole],
            group if group.chars().count() == 1 && group.contains(is_blank) => whole.split(is_blank).collect(),
            "'" | "\u{2019}" => whole.split(APOSTROPHES).collect(),
            group => whole.split(group).collect(),
        }
    }

    /// Returns true for groups of the required sizes. The first has no leading zero: `0,125` is a number with another decimal point.
    fn are_grouped(&self, groups: &[&str]) -> bool {
        let [first, middle @ .., last] = groups else { return false };
        let size = match self.grouping {
            Grouping::Thousands => 3,
            Grouping::Indian => 2,
        };
        let is_first = (1..=size).contains(&first.len()) && !first.starts_with('0');
        is_first && middle.iter().all(|group| group.len() == size) && last.len() == 3 && groups.iter().all(|group| is_digits(group))
    }
}

/// Returns true for ASCII digits only; also for none.
fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
