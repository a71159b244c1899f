//! Regular expressions.
//!
//! A search cannot be interrupted, and takes time proportional to the size of the compiled expression times the length of the text. So
//! before a search the product is compared with the remaining time, and between two searches the meter is asked. Each thread caches the
//! most recent expressions: `test("...")` over an array compiles once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jaq_core::native::{Filter, bome};
use jaq_core::{Bind, Cv, Error, RunPtr, ValR};
use regex_bites::{Regex, RegexBuilder};

use super::meter::{self, reserve, tick};
use super::program::Metered;
use super::value::{Value, described};

/// Sizes that are tried for a compiled expression, in bytes; larger ones are refused.
const SIZES: [usize; 5] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18];
/// Minimum speed of a search: bytes of the compiled expression times bytes of text per second.
const SPEED: f64 = if cfg!(debug_assertions) { 0.5e9 } else { 3e9 };
/// Maximum cached expressions of each thread.
const KEPT: usize = 32;
const LARGEST_KEPT: usize = 1 << 14;
/// Maximum groups in an expression: each makes every step of a search slower.
const MAX_GROUPS: usize = 40;
const MAX_EXPRESSION_LENGTH: usize = 1 << 14;

struct Expression {
    text: String,
    flags: String,
    regex: Regex,
    /// At least the size of the compiled expression, in bytes.
    size: usize,
    global: bool,
    ignore_empty: bool,
}

thread_local! {
    /// The most recently used one is last.
    static EXPRESSIONS: RefCell<Vec<Rc<Expression>>> = const { RefCell::new(Vec::new()) };
}

/// Returns name, arguments and code of each.
pub(super) fn functions() -> Vec<Filter<RunPtr<Metered>>> {
    let two = || -> Box<[Bind]> { [Bind::Var(()), Bind::Var(())].into() };
    vec![
        ("matches", two(), |cv| bome(search(cv, false, true))),
        ("split_matches", two(), |cv| bome(search(cv, true, true))),
        ("split_", two(), |cv| bome(search(cv, true, false))),
    ]
}

/// Returns an array with, in order, the texts between the matches and the matches, each if wanted.
fn search(mut cv: Cv<'_, Metered>, between: bool, matches: bool) -> ValR<Value> {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    let text = cv.1.as_str().ok_or_else(|| Error::str(format_args!("{} cannot be searched; it is not a string", described(&cv.1))))?;
    let not_text = |value: &Value| Error::str(format_args!("a regular expression is a string, not {}", described(value)));
    let expression = expression(pattern.as_str().ok_or_else(|| not_text(&pattern))?, flags.as_str().unwrap_or_default())?;
    check_time(&expression, text)?;

    let mut found = Vec::new();
    let mut last_end = 0;
    let mut characters = Characters { text, byte: 0, count: 0 };
    for groups in expression.regex.captures_iter(text) {
        tick(64);
        let Some(whole) = groups.get(0) else { continue };
        if expression.ignore_empty && whole.is_empty() {
            continue;
        }
        if between {
            found.push(text_value(&text[last_end..whole.start()]));
            last_end = whole.end();
        }
        if matches {
            let start = characters.count_to(whole.start());
            let each = groups.iter().zip(expression.regex.capture_names());
            let each = each.map(|(group, name)| match_value(group.map(|group| group.range()), name, text, whole.start(), start));
            found.push(each.collect());
        }
        if !expression.global {
            break;
        }
    }
    if between {
        found.push(text_value(&text[last_end..]));
    }
    Ok(found.into_iter().collect())
}

fn text_value(text: &str) -> Value {
    reserve(text.len());
    Value::string(text)
}

/// Counts characters up to a byte, which only moves forward.
struct Characters<'t> {
    text: &'t str,
    byte: usize,
    count: usize,
}

impl Characters<'_> {
    fn count_to(&mut self, byte: usize) -> usize {
        self.count += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.count
    }
}

/// Returns `{offset, length, string, name}`; a group that did not take part has no string, as in jq. `whole` is the start of the whole
/// match in bytes, and `start` the same in characters.
fn match_value(group: Option<std::ops::Range<usize>>, name: Option<&str>, text: &str, whole: usize, start: usize) -> Value {
    tick(8);
    let (offset, length, string) = match group {
        Some(range) => {
            let part = &text[range.clone()];
            let before = if range.start >= whole { text[whole..range.start].chars().count() } else { 0 };
            (Value::from(start + before), Value::from(part.chars().count()), text_value(part))
        }
        None => (Value::from(-1_isize), Value::from(0_usize), Value::NULL),
    };
    let named = name.map(|name| ("name", Value::from(name)));
    Value::object([("offset", offset), ("length", length), ("string", string)].into_iter().chain(named))
}

fn expression(text: &str, flags: &str) -> Result<Rc<Expression>, Error<Value>> {
    let kept = EXPRESSIONS.with_borrow_mut(|kept| {
        let index = kept.iter().position(|expression| expression.text == text && expression.flags == flags)?;
        let expression = kept.remove(index);
        kept.push(expression.clone());
        Some(expression)
    });
    if let Some(expression) = kept {
        return Ok(expression);
    }
    let expression = Rc::new(compile(text, flags)?);
    if expression.size <= LARGEST_KEPT {
        EXPRESSIONS.with_borrow_mut(|kept| {
            if kept.len() >= KEPT {
                kept.remove(0);
            }
            kept.push(expression.clone());
        });
    }
    Ok(expression)
}

fn compile(text: &str, flags: &str) -> Result<Expression, Error<Value>> {
    if text.len() > MAX_EXPRESSION_LENGTH {
        return Err(Error::str(format_args!("a regular expression has at most {MAX_EXPRESSION_LENGTH} characters")));
    }
    let (mut global, mut ignore_empty) = (false, false);
    let mut builder = RegexBuilder::new(text);
    for flag in flags.chars() {
        match flag {
            'g' => global = true,
            'n' => ignore_empty = true,
            'i' => drop(builder.case_insensitive(true)),
            'm' => drop(builder.multi_line(true)),
            's' => drop(builder.dot_matches_new_line(true)),
            'l' => drop(builder.swap_greed(true)),
            'x' => drop(builder.ignore_whitespace(true)),
            'p' => drop(builder.multi_line(true).dot_matches_new_line(true)),
            other => {
                return Err(Error::str(format_args!("`{other}` is no flag of a regular expression; there are g, n, i, m, s, l, x, p")));
            }
        }
    }
    let mut outcome = Err(String::new());
    for size in SIZES {
        tick(size / 64);
        match builder.size_limit(size).build() {
            Ok(regex) => {
                outcome = Ok((regex, size));
                break;
            }
            Err(error) => outcome = Err(error.to_string()),
        }
    }
    let (regex, size) =
        outcome.map_err(|error| Error::str(format_args!("`{text:.80}` is no regular expression that can be used: {error}")))?;
    if regex.captures_len() > MAX_GROUPS {
        return Err(Error::str(format_args!("a regular expression has at most {MAX_GROUPS} groups")));
    }
    let (text, flags) = (text.to_string(), flags.to_string());
    Ok(Expression { text, flags, regex, size, global, ignore_empty })
}

/// Stops the run if one search may take longer than the remaining time.
fn check_time(expression: &Expression, text: &str) -> Result<(), Error<Value>> {
    let groups = 1 + expression.regex.captures_len() / 4;
    let Some(time) = meter::time_missing(expression.size as f64 * text.len() as f64 * groups as f64 / SPEED) else { return Ok(()) };
    if time.left < Duration::from_secs(1) {
        meter::stop(time.stop);
    }
    Err(Error::str(format_args!("the regular expression `{:.80}` is too expensive for a text of {} bytes", expression.text, text.len())))
}
