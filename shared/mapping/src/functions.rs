//! Functions in Rust that replace those of jaq: they call the meter, or are faster, or follow jq.

use jaq_core::native::{Filter, bome, unary, v};
use jaq_core::{Bind, Cv, Error, RunPtr, ValR, ValT as _, ValXs};

use super::deletion::without_paths;
use super::meter::{reserve, tick};
use super::program::Metered;
use super::value::{Repr, Value, described, is_nan, number_from_text, parse_text, positions_of, text_of, to_json};

type Function = Filter<RunPtr<Metered>>;

/// Returns name, arguments and code of each.
pub(super) fn functions() -> Vec<Function> {
    let takes_filter = || -> Box<[Bind]> { [Bind::Fun(())].into() };
    vec![
        ("type", v(0), |cv| bome(Ok(Value::from(cv.1.kind())))),
        ("isboolean", v(0), |cv| is(&cv.1, "boolean")),
        ("isnumber", v(0), |cv| is(&cv.1, "number")),
        ("isstring", v(0), |cv| is(&cv.1, "string")),
        ("isarray", v(0), |cv| is(&cv.1, "array")),
        ("isobject", v(0), |cv| is(&cv.1, "object")),
        ("isnan", v(0), |cv| bome(Ok(Value::from(matches!(&cv.1.repr, Repr::Num(number) if is_nan(number)))))),
        ("infinite", v(0), |_| bome(Ok(Value::from(f64::INFINITY)))),
        ("tonumber", v(0), |cv| bome(to_number(cv.1))),
        ("tojson", v(0), |cv| bome(Ok(Value::string(String::from_utf8(to_json(&cv.1)).unwrap_or_default())))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("length", v(0), |cv| bome(length(cv.1))),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key))),
        ("contains", v(1), |cv| unary(cv, |value, part| contains(&value, &part).map(Value::from))),
        ("indices", v(1), |cv| unary(cv, |value, part| indices(&value, &part))),
        ("bsearch", v(1), |cv| unary(cv, |value, wanted| binary_search(&value, &wanted))),
        ("join", v(1), |cv| unary(cv, |value, separator| join(&value, &separator))),
        ("add", v(0), |cv| bome(add(cv.1))),
        ("path", takes_filter(), |cv| paths(cv, false)),
        ("path_value", takes_filter(), |cv| paths(cv, true)),
        ("without_paths", v(1), |cv| unary(cv, |value, paths| without_paths(value, &paths))),
        ("room_for", v(1), |cv| unary(cv, |value, times| Ok(room_for(value, &times)))),
    ]
}

fn is<'a>(value: &Value, kind: &str) -> ValXs<'a, Value> {
    bome(Ok(Value::from(value.kind() == kind)))
}

fn to_number(value: Value) -> ValR<Value> {
    match &value.repr {
        Repr::Num(_) => Ok(value),
        Repr::Str(text) => {
            let number = number_from_text(text.trim());
            number.ok_or_else(|| Error::str(format_args!("cannot read {} as a number", described(&value))))
        }
        _ => Err(Error::str(format_args!("cannot read {} as a number", described(&value)))),
    }
}

fn from_json(value: &Value) -> ValR<Value> {
    let text = value.as_str().ok_or_else(|| Error::str(format_args!("fromjson takes a string, not {}", described(value))))?;
    parse_text(text.trim()).map_err(|error| Error::str(format_args!("cannot read {} as JSON: {error}", described(value))))
}

fn length(value: Value) -> ValR<Value> {
    Ok(match &value.repr {
        Repr::Null => Value::from(0_usize),
        Repr::Bool(_) => return Err(Error::str(format_args!("{} has no length", described(&value)))),
        Repr::Num(number) if value.as_f64().is_some_and(|number| number < 0.0) => return -Value::new(Repr::Num(number.clone())),
        Repr::Num(_) => return Ok(value),
        Repr::Str(text) => {
            tick(text.len() / 256);
            Value::from(text.chars().count())
        }
        Repr::Arr(array) => Value::from(array.items.len()),
        Repr::Obj(object) => Value::from(object.members.len()),
    })
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    match (&value.repr, &key.repr) {
        (Repr::Obj(object), Repr::Str(name)) => Ok(Value::from(object.members.contains_key(&**name))),
        (Repr::Arr(array), Repr::Num(_)) => {
            Ok(Value::from(key.as_f64().is_some_and(|index| index >= 0.0 && index < array.items.len() as f64)))
        }
        _ => Err(Error::str(format_args!("cannot look in {} for the key {}", described(value), described(key)))),
    }
}

/// For strings: `part` is a substring; arrays: each item is contained in some item; objects: each member is contained in the member of the
/// same name.
fn contains(value: &Value, part: &Value) -> Result<bool, Error<Value>> {
    tick(1);
    match (&value.repr, &part.repr) {
        (Repr::Str(text), Repr::Str(part)) => {
            tick(text.len() / 64);
            Ok(text.contains(&**part))
        }
        (Repr::Arr(array), Repr::Arr(parts)) => {
            for part in &parts.items {
                if !array.items.iter().map(|item| same_kind_contains(item, part)).find_map(found).transpose()?.unwrap_or(false) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Repr::Obj(object), Repr::Obj(parts)) => {
            for (name, part) in &parts.members {
                let Some(member) = object.members.get(name) else { return Ok(false) };
                if !same_kind_contains(member, part)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ if value.kind() == part.kind() => Ok(value == part),
        _ => Err(Error::str(format_args!("{} and {} cannot be checked for containment", described(value), described(part)))),
    }
}

/// Within arrays and objects, values of other kinds are not contained, without an error.
fn same_kind_contains(value: &Value, part: &Value) -> Result<bool, Error<Value>> {
    if value.kind() == part.kind() { contains(value, part) } else { Ok(false) }
}

fn found(result: Result<bool, Error<Value>>) -> Option<Result<bool, Error<Value>>> {
    match result {
        Ok(false) => None,
        other => Some(other),
    }
}

fn indices(value: &Value, part: &Value) -> ValR<Value> {
    match (&value.repr, &part.repr) {
        (Repr::Null, _) => Ok(Value::NULL),
        (Repr::Str(_), Repr::Str(part)) if part.is_empty() => Ok(Value::NULL),
        (Repr::Str(text), Repr::Str(part)) => Ok(text_positions(text, part)),
        (Repr::Arr(array), Repr::Arr(part)) => Ok(positions_of(&array.items, &part.items)),
        (Repr::Arr(array), _) => {
            let matching = array.items.iter().enumerate().filter(|(_, item)| *item == part);
            Ok(matching.map(|(index, _)| Value::from(index)).collect())
        }
        _ => Err(Error::str(format_args!("cannot look in {} for {}", described(value), described(part)))),
    }
}

/// Returns the positions of `part`, including overlapping ones, in characters.
fn text_positions(text: &str, part: &str) -> Value {
    let mut positions = Vec::new();
    for (index, (offset, _)) in text.char_indices().enumerate() {
        tick(1);
        if text[offset..].starts_with(part) {
            tick(part.len() / 256);
            positions.push(Value::from(index));
        }
    }
    Value::from_items(positions)
}

fn binary_search(value: &Value, wanted: &Value) -> ValR<Value> {
    let items = value.as_array().ok_or_else(|| Error::str(format_args!("bsearch takes an array, not {}", described(value))))?;
    let place = items.binary_search(wanted);
    Ok(Value::from(place.map_or_else(|place| -1 - place as isize, |place| place as isize)))
}

/// Returns the sum of the items or members; null if there are none.
fn add(value: Value) -> ValR<Value> {
    let mut sum = Value::NULL;
    for item in value.values() {
        sum = (sum + item?)?;
    }
    Ok(sum)
}

fn join(value: &Value, separator: &Value) -> ValR<Value> {
    let items = value.as_array().ok_or_else(|| Error::str(format_args!("join takes an array, not {}", described(value))))?;
    let separator = match &separator.repr {
        Repr::Str(separator) => separator,
        Repr::Null => "",
        _ => return Err(Error::str(format_args!("join takes a string to put between, not {}", described(separator)))),
    };
    let mut joined = String::new();
    for (index, item) in items.iter().enumerate() {
        let text = match &item.repr {
            Repr::Arr(_) | Repr::Obj(_) => return Err(Error::str(format_args!("join cannot take {}", described(item)))),
            Repr::Null => String::new(),
            Repr::Str(text) => {
                append(&mut joined, if index > 0 { separator } else { "" });
                append(&mut joined, text);
                continue;
            }
            _ => text_of(item),
        };
        append(&mut joined, if index > 0 { separator } else { "" });
        append(&mut joined, &text);
    }
    Ok(Value::string(joined))
}

fn append(text: &mut String, part: &str) {
    tick(1);
    if text.len() + part.len() > text.capacity() {
        reserve(2 * text.len() + part.len());
    }
    text.push_str(part);
}

/// Returns `path(f)`, or the pairs of path and value for `path_value(f)`. The input is marked, so that each further step is counted.
fn paths<'a>(mut cv: Cv<'a, Metered>, with_value: bool) -> ValXs<'a, Value> {
    let (filter, context) = cv.0.pop_fun();
    let mut input = cv.1;
    input.steps = 1;
    let found = filter.paths((context, (input, Default::default())));
    Box::new(found.map(move |found| {
        let (value, steps) = found?;
        let mut path: Vec<Value> = steps.iter().cloned().collect();
        path.reverse();
        tick(path.len());
        let path = path.into_iter().collect();
        Ok(if with_value { Value::array([path, value.stepped(0)]) } else { path })
    }))
}

/// Checks that `times` the length of a text fits into memory, before jaq creates such a text.
fn room_for(value: Value, times: &Value) -> Value {
    let times = times.as_i64().and_then(|times| usize::try_from(times).ok()).unwrap_or(1);
    reserve(value.as_str().map_or(0, str::len).saturating_mul(times));
    value
}
