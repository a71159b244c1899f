//! The value that mappings read and create.
//!
//! It is exactly JSON: object keys are strings, strings are UTF-8. Clones are cheap and share their content: the context of an execution is
//! created once, and each mapping reads it. The arithmetic of numbers is that of jaq (exact integers of any practical size, decimals
//! unchanged until they are used in arithmetic). The rest is our own, since each operation must call the meter, and since an array or
//! object must know its depth.

mod arithmetic;
mod convert;
mod order;
mod paths;
mod read;
mod text;
mod updates;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

pub(super) use arithmetic::described;
pub(super) use convert::number_from_text;
pub(super) use jaq_json::Num;
pub(super) use order::{is_nan, write_key};
pub(super) use paths::{bounds, positions_of};
pub(super) use read::parse_text;
pub use read::{ParseError, parse_json};
pub(crate) use text::Text;
pub use write::to_json;
pub(super) use write::{json_size, shortened, text_of};

use super::limits::MAX_DEPTH;
use super::meter;

/// Members of an object, in the order in which they were added.
pub(super) type Members = jaq_json::Map<Text, Value>;

/// A JSON value: cheap to clone, safe to share between threads, at most [`MAX_DEPTH`] levels deep.
#[derive(Clone, Default)]
pub struct Value {
    pub(super) repr: Repr,
    /// Number of steps of a path so far while jaq collects a path, plus one; 0 otherwise. jaq stores a path in a list that is dropped
    /// recursively, so its length must be bounded, and the value is our only object that accompanies it.
    pub(super) steps: u32,
}

#[derive(Clone, Default)]
pub(super) enum Repr {
    #[default]
    Null,
    Bool(bool),
    Num(Num),
    Str(Text),
    Arr(Arc<Array>),
    Obj(Arc<Object>),
}

/// Approximate bytes of a member of an object.
const MEMBER_BYTES: usize = 56;

#[derive(Clone)]
pub(super) struct Array {
    /// At least one more than the depth of each item, and at most [`MAX_DEPTH`].
    pub(super) depth: u32,
    pub(super) items: Vec<Value>,
}

#[derive(Clone)]
pub(super) struct Object {
    /// See the depth of an array.
    pub(super) depth: u32,
    pub(super) members: Members,
}

impl Value {
    /// `null`.
    pub const NULL: Value = Value { repr: Repr::Null, steps: 0 };

    pub(super) const fn new(repr: Repr) -> Self {
        Value { repr, steps: 0 }
    }

    /// Creates a string.
    pub fn string(text: impl Into<String>) -> Self {
        Value::new(Repr::Str(Text::new(text)))
    }

    /// Creates an array of `items`.
    pub fn array(items: impl IntoIterator<Item = Value>) -> Self {
        items.into_iter().collect()
    }

    /// Creates an object of `members`, in their order; of two with the same name, the last counts.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Self {
        Value::from_members(members.into_iter().map(|(name, value)| (Text::new(name), value)).collect())
    }

    /// Creates an object whose names are shared with other objects.
    pub(crate) fn object_sharing(members: impl IntoIterator<Item = (Text, Value)>) -> Self {
        Value::from_members(members.into_iter().collect())
    }

    pub(super) fn from_items(items: Vec<Value>) -> Self {
        let depth = depth_over(items.iter());
        Value::new(Repr::Arr(Arc::new(Array { depth, items })))
    }

    pub(super) fn from_members(members: Members) -> Self {
        let depth = depth_over(members.values());
        Value::new(Repr::Obj(Arc::new(Object { depth, members })))
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.repr, Repr::Null)
    }

    /// Returns the value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.repr {
            Repr::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// True for every value except `null` and `false`, as in `if` and `select` of jq.
    pub fn is_truthy(&self) -> bool {
        !matches!(self.repr, Repr::Null | Repr::Bool(false))
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.repr {
            Repr::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a string, number or boolean as text; `None` for other kinds.
    pub(crate) fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.repr {
            Repr::Str(text) => Some(Cow::Borrowed(text)),
            Repr::Num(_) | Repr::Bool(_) => Some(Cow::Owned(text_of(self))),
            Repr::Null | Repr::Arr(_) | Repr::Obj(_) => None,
        }
    }

    /// Returns a number without a fraction that fits into 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.whole_number().and_then(|number| i64::try_from(number).ok())
    }

    /// True for a number that was computed, or read as a float: its last digits may be inexact.
    pub(super) fn is_float(&self) -> bool {
        matches!(self.repr, Repr::Num(Num::Float(_)))
    }

    /// Returns a number, rounded to the nearest 64-bit float.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.repr {
            Repr::Num(number) => Some(convert::float_of(number)),
            _ => None,
        }
    }

    /// Returns the items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match &self.repr {
            Repr::Arr(array) => Some(&array.items),
            _ => None,
        }
    }

    /// Returns the member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match &self.repr {
            Repr::Obj(object) => object.members.get(name),
            _ => None,
        }
    }

    /// Returns the members of an object, in order; `None` if it is not an object.
    pub fn entries(&self) -> Option<impl ExactSizeIterator<Item = (&str, &Value)>> {
        match &self.repr {
            Repr::Obj(object) => Some(object.members.iter().map(|(name, value)| (&**name, value))),
            _ => None,
        }
    }

    /// Returns `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub fn kind(&self) -> &'static str {
        match self.repr {
            Repr::Null => "null",
            Repr::Bool(_) => "boolean",
            Repr::Num(_) => "number",
            Repr::Str(_) => "string",
            Repr::Arr(_) => "array",
            Repr::Obj(_) => "object",
        }
    }

    /// Returns the levels of arrays and objects: 0 for a scalar. It is an upper bound: it may exceed the true depth after a deep part was
    /// removed.
    pub(super) fn depth(&self) -> u32 {
        match &self.repr {
            Repr::Arr(array) => array.depth,
            Repr::Obj(object) => object.depth,
            _ => 0,
        }
    }

    /// Returns this value, one step of a path further than `from`.
    #[inline]
    pub(super) fn stepped(mut self, from: u32) -> Self {
        if from > 0 {
            meter::path_step(from);
            self.steps = from + 1;
        } else {
            self.steps = 0;
        }
        self
    }
}

/// Returns the depth of an array or object of `children`. Stops the run, by the meter, if that is too deep.
pub(super) fn depth_over<'v>(children: impl Iterator<Item = &'v Value> + Clone) -> u32 {
    let depth = children.clone().map(Value::depth).max().unwrap_or(0) + 1;
    if depth <= MAX_DEPTH { depth } else { exact_depth_over(children) }
}

/// The stored depths are upper bounds: they are counted exactly before the run is stopped.
#[cold]
fn exact_depth_over<'v>(children: impl Iterator<Item = &'v Value>) -> u32 {
    let depth = children.map(|child| exact_depth(child, 1)).max().unwrap_or(0) + 1;
    if depth > MAX_DEPTH {
        meter::too_deep();
    }
    depth
}

fn exact_depth(value: &Value, level: u32) -> u32 {
    meter::tick(1);
    if level > MAX_DEPTH + 1 {
        meter::too_deep();
    }
    match &value.repr {
        Repr::Arr(array) => array.items.iter().map(|item| exact_depth(item, level + 1)).max().unwrap_or(0) + 1,
        Repr::Obj(object) => object.members.values().map(|member| exact_depth(member, level + 1)).max().unwrap_or(0) + 1,
        _ => 0,
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let values = values.into_iter();
        // The lower bound comes from our iterators or those of jaq; it is a hint, so it is not reserved without a limit.
        let mut items: Vec<Value> = Vec::with_capacity(values.size_hint().0.min(64));
        let mut depth = 0;
        for value in values {
            meter::tick(1);
            if items.len() == items.capacity() {
                meter::reserve(items.capacity() * 2 * size_of::<Value>());
            }
            depth = depth.max(value.depth());
            items.push(value.stepped(0));
        }
        if depth < MAX_DEPTH {
            return Value::new(Repr::Arr(Arc::new(Array { depth: depth + 1, items })));
        }
        Value::from_items(items)
    }
}
