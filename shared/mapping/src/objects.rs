//! Object literals: `{a: F, b: G}` is a call of `object_2("a"; F; "b"; G)`.
//!
//! jaq creates an object for each member and merges them one after another. Evaluating all members first and creating one object takes half
//! the time, has the same outputs in the same order, and needs no more stack.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::native::{Filter, bome, v};
use jaq_core::path::{Opt, Part, Path};
use jaq_core::{Cv, Error, RunPtr, ValXs};

use super::meter::tick;
use super::program::Metered;
use super::value::{Members, Repr, Value, described};

type Entry<'s> = (Term<&'s str>, Option<Term<&'s str>>);

/// Names of the functions, by the number of members less one.
const NAMES: [&str; 16] = [
    "object_1",
    "object_2",
    "object_3",
    "object_4",
    "object_5",
    "object_6",
    "object_7",
    "object_8",
    "object_9",
    "object_10",
    "object_11",
    "object_12",
    "object_13",
    "object_14",
    "object_15",
    "object_16",
];

/// Maximum members of a literal that becomes a call.
pub(super) const MAX_MEMBERS: usize = NAMES.len();

/// Returns the call for a literal of `entries`, or the literal unchanged if a call is not equivalent: `{}`, and a computed name without a
/// value (`{"a\(1)"}`), which is evaluated twice.
pub(super) fn literal(entries: Vec<Entry<'_>>) -> Term<&str> {
    let is_plain = |(key, value): &Entry<'_>| value.is_some() || matches!(key, Term::Var(_)) || plain_text(key).is_some();
    let name = entries.len().checked_sub(1).and_then(|index| NAMES.get(index));
    let Some(name) = name.filter(|_| entries.iter().all(is_plain)) else { return Term::Obj(entries) };
    let mut arguments = Vec::with_capacity(entries.len() * 2);
    for (key, value) in entries {
        match (key, value) {
            (Term::Var(variable), None) => {
                arguments.push(Term::Str(None, vec![StrPart::Str(&variable[1..])]));
                arguments.push(Term::Var(variable));
            }
            (key, None) => {
                let member = Path(vec![(Part::Index(key.clone()), Opt::Essential)]);
                arguments.push(key);
                arguments.push(Term::Path(Box::new(Term::Id), member));
            }
            (key, Some(value)) => {
                arguments.push(key);
                arguments.push(value);
            }
        }
    }
    Term::Call(name, arguments)
}

fn plain_text<'t>(term: &'t Term<&str>) -> Option<&'t str> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Returns name, arguments and code of each.
pub(super) fn functions() -> Vec<Filter<RunPtr<Metered>>> {
    const RUN: [RunPtr<Metered>; 16] = [
        object::<1>,
        object::<2>,
        object::<3>,
        object::<4>,
        object::<5>,
        object::<6>,
        object::<7>,
        object::<8>,
        object::<9>,
        object::<10>,
        object::<11>,
        object::<12>,
        object::<13>,
        object::<14>,
        object::<15>,
        object::<16>,
    ];
    NAMES.iter().zip(RUN).enumerate().map(|(index, (name, run))| (*name, v(2 * (index + 1)), run)).collect()
}

/// Returns an object of the names and values in the arguments of `cv`.
fn object<'a, const MEMBERS: usize>(mut cv: Cv<'a, Metered>) -> ValXs<'a, Value> {
    tick(MEMBERS);
    // The last argument comes first.
    let mut pairs: [(Value, Value); MEMBERS] = std::array::from_fn(|_| {
        let value = cv.0.pop_var();
        (cv.0.pop_var(), value)
    });
    pairs.reverse();
    let mut members = Members::with_capacity_and_hasher(MEMBERS, Default::default());
    for (key, value) in pairs {
        match key.repr {
            Repr::Str(name) => members.insert(name, value.stepped(0)),
            _ => return bome(Err(Error::str(format_args!("an object's key must be a string, not {}", described(&key))))),
        };
    }
    bome(Ok(Value::from_members(members)))
}
