//! Arguments of functions: values of certain kinds, and options by name.

use std::fmt::Display;

use jaq_core::native::bome;
use jaq_core::{Cv, Error, ValR, ValXs};

use crate::program::Metered;
use crate::value::{Value, described};

/// Returns an error of `function` with the text `problem`.
pub(super) fn failed(function: &str, problem: impl Display) -> Error<Value> {
    Error::str(format_args!("{function}: {problem}"))
}

/// Returns an error for a value that the function does not accept.
pub(super) fn misfit(function: &str, takes: &str, got: &Value) -> Error<Value> {
    Error::str(format_args!("{function} takes {takes}, not {}", described(got)))
}

pub(super) fn text<'v>(function: &str, what: &str, value: &'v Value) -> Result<&'v str, Error<Value>> {
    value.as_str().ok_or_else(|| misfit(function, what, value))
}

/// Calls a function of its input only.
pub(super) fn nullary<'a>(cv: Cv<'a, Metered>, function: impl Fn(&Value) -> ValR<Value>) -> ValXs<'a, Value> {
    bome(function(&cv.1))
}

/// Calls a function of its input and one argument.
pub(super) fn unary<'a>(mut cv: Cv<'a, Metered>, function: impl Fn(&Value, &Value) -> ValR<Value>) -> ValXs<'a, Value> {
    let argument = cv.0.pop_var();
    bome(function(&cv.1, &argument))
}

/// Calls a function of its input and two arguments.
pub(super) fn binary<'a>(mut cv: Cv<'a, Metered>, function: impl Fn(&Value, &Value, &Value) -> ValR<Value>) -> ValXs<'a, Value> {
    let second = cv.0.pop_var();
    let first = cv.0.pop_var();
    bome(function(&cv.1, &first, &second))
}

/// The options of a function: an object with known names. Null means no options.
pub(super) struct Options<'v> {
    function: &'static str,
    value: &'v Value,
}

impl<'v> Options<'v> {
    pub(super) fn new(function: &'static str, known: &[&str], value: &'v Value) -> Result<Self, Error<Value>> {
        let takes = || format!("options ({})", known.join(", "));
        if !value.is_null() {
            let members = value.entries().ok_or_else(|| misfit(function, &takes(), value))?;
            for (name, _) in members {
                if !known.contains(&name) {
                    return Err(failed(function, format_args!("there is no option `{name:.60}`; it takes {}", takes())));
                }
            }
        }
        Ok(Self { function, value })
    }

    /// Returns the value of an option that is present and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    fn misfit(&self, name: &str, takes: &str, got: &Value) -> Error<Value> {
        failed(self.function, format_args!("`{name}` is {takes}, not {}", described(got)))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Error<Value>> {
        let flag = |value: &Value| value.as_bool().ok_or_else(|| self.misfit(name, "true or false", value));
        self.get(name).map(flag).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>, Error<Value>> {
        let text = |value: &'v Value| value.as_str().ok_or_else(|| self.misfit(name, "a string", value));
        self.get(name).map(text).transpose()
    }

    /// Returns a whole number in this range.
    pub(super) fn whole(&self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Error<Value>> {
        let takes = format!("a whole number from {} to {}", range.start(), range.end());
        let whole = |value: &Value| value.as_i64().filter(|number| range.contains(number)).ok_or_else(|| self.misfit(name, &takes, value));
        self.get(name).map(whole).transpose()
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Error<Value>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        texts.map(Some).ok_or_else(|| self.misfit(name, "an array of strings", value))
    }
}
