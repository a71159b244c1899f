//! `without_paths($paths)`: a value less what is at each of the paths.

use jaq_core::{Error, ValR};

use super::meter::{reserve, tick};
use super::value::{Members, Repr, Value, described};

/// Paths without slices; a path that leads nowhere is passed over.
pub(super) fn without_paths(value: Value, paths: &Value) -> ValR<Value> {
    let not_paths = || Error::str(format_args!("paths must be an array of arrays, not {}", described(paths)));
    let paths: Option<Vec<&[Value]>> = paths.as_array().ok_or_else(not_paths)?.iter().map(Value::as_array).collect();
    let mut paths = paths.ok_or_else(not_paths)?;
    paths.sort();
    without(value, &paths)
}

/// `paths` are sorted, so those with the same first step stand together, and the shortest of them first.
fn without(value: Value, paths: &[&[Value]]) -> ValR<Value> {
    tick(1);
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
                    *member = without(std::mem::take(member), &rests(group))?;
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
            let mut gone = Vec::new();
            for group in paths.chunk_by(|left, right| left[0] == right[0]) {
                let index = group[0][0].as_f64().ok_or_else(|| misfit("array", &group[0][0]))?.floor();
                let index = if index < 0.0 { index + items.len() as f64 } else { index };
                if index < 0.0 || index >= items.len() as f64 {
                    continue;
                }
                let index = index as usize;
                if group[0].len() == 1 {
                    gone.push(index);
                } else {
                    items[index] = without(std::mem::take(&mut items[index]), &rests(group))?;
                }
            }
            gone.sort_unstable();
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

fn rests<'p>(group: &[&'p [Value]]) -> Vec<&'p [Value]> {
    group.iter().map(|path| &path[1..]).collect()
}

fn misfit(from: &str, key: &Value) -> Error<Value> {
    Error::str(format_args!("cannot delete {} from an {from}", described(key)))
}
