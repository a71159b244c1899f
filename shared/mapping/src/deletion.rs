//! `without_paths($paths)`: a value without the parts at these paths.

use std::ops::Range;

use jaq_core::{Error, ValR};

use super::meter::{reserve, tick};
use super::value::{Members, Repr, Value, bounds, described};

/// Removes the parts. A path that does not exist is skipped. All paths refer to the original value: removing one part does not shift the
/// others.
pub(super) fn without_paths(value: Value, paths: &Value) -> ValR<Value> {
    let not_paths = || Error::str(format_args!("paths must be an array of arrays, not {}", described(paths)));
    let paths: Option<Vec<&[Value]>> = paths.as_array().ok_or_else(not_paths)?.iter().map(Value::as_array).collect();
    without(value, paths.ok_or_else(not_paths)?)
}

fn without(value: Value, mut paths: Vec<&[Value]>) -> ValR<Value> {
    tick(1);
    // Paths with the same first step are adjacent, the shortest first.
    paths.sort();
    if paths.iter().any(|path| path.is_empty()) {
        return Ok(Value::NULL);
    }
    match value.repr {
        Repr::Obj(object) => {
            reserve(object.members.len() * 56);
            let mut members: Members = object.members.clone();
            for group in paths.chunk_by(|left, right| left[0] == right[0]) {
                let name = group[0][0].as_str().ok_or_else(|| misfit("object", &group[0][0]))?;
                if group[0].len() == 1 {
                    continue;
                }
                if let Some(member) = members.get_mut(name) {
                    *member = without(std::mem::take(member), rests(group))?;
                }
            }
            let mut gone: Vec<&str> = paths.iter().filter(|path| path.len() == 1).filter_map(|path| path[0].as_str()).collect();
            gone.sort_unstable();
            members.retain(|name, _| {
                tick(1);
                gone.binary_search(&&**name).is_err()
            });
            Ok(Value::from_members(members))
        }
        Repr::Arr(array) => {
            reserve(array.items.len() * size_of::<Value>());
            let mut items = array.items.clone();
            let mut found = Vec::new();
            for path in paths {
                places(path, 0..items.len(), &mut found)?;
            }
            found.sort_by_key(|(index, _)| *index);
            let mut gone = Vec::new();
            for group in found.chunk_by(|left, right| left.0 == right.0) {
                let index = group[0].0;
                if group.iter().any(|(_, rest)| rest.is_empty()) {
                    gone.push(index);
                } else {
                    let rests: Vec<&[Value]> = group.iter().map(|(_, rest)| *rest).collect();
                    items[index] = without(std::mem::take(&mut items[index]), rests)?;
                }
            }
            let mut index = 0;
            items.retain(|_| {
                tick(1);
                let kept = gone.binary_search(&index).is_err();
                index += 1;
                kept
            });
            Ok(Value::from_items(items))
        }
        Repr::Null => Ok(Value::NULL),
        repr => Err(Error::str(format_args!("cannot delete from {}", described(&Value::new(repr))))),
    }
}

/// Finds the items of `part` of an array with which `path` begins, each with the rest of the path; several for a slice.
fn places<'p>(path: &'p [Value], part: Range<usize>, found: &mut Vec<(usize, &'p [Value])>) -> Result<(), Error<Value>> {
    let Some((step, rest)) = path.split_first() else { return Ok(()) };
    if let Some(index) = step.as_f64() {
        let index = if index < 0.0 { index.floor() + part.len() as f64 } else { index.floor() };
        if index >= 0.0 && index < part.len() as f64 {
            found.push((part.start + index as usize, rest));
        }
        return Ok(());
    }
    if step.entries().is_none() {
        return Err(misfit("array", step));
    }
    let (start, end) = bounds(step.get("start")..step.get("end"), || part.len())?;
    let slice = part.start + start..part.start + end;
    if !rest.is_empty() {
        return places(rest, slice, found);
    }
    tick(slice.len());
    reserve(slice.len() * size_of::<(usize, &[Value])>());
    found.extend(slice.map(|index| (index, rest)));
    Ok(())
}

fn rests<'p>(group: &[&'p [Value]]) -> Vec<&'p [Value]> {
    group.iter().map(|path| &path[1..]).collect()
}

fn misfit(from: &str, key: &Value) -> Error<Value> {
    Error::str(format_args!("cannot delete {} from an {from}", described(key)))
}
