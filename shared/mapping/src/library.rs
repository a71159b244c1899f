//! The functions that a program can call: definitions and natives, and the explanations for missing ones.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use jaq_core::compile::Undefined;
use jaq_core::load::parse::{Def, Term};
use jaq_core::native::{Filter, Fun};
use jaq_core::{Native, RunPtr};

use super::program::Metered;
use super::{functions, natives, objects, patterns, walk};

/// Definitions of jaq that are replaced by our natives, which are faster or call the meter.
const REPLACED_DEFINITIONS: &[(&str, usize)] = &[
    ("type", 0),
    ("isboolean", 0),
    ("isnumber", 0),
    ("isstring", 0),
    ("isarray", 0),
    ("isobject", 0),
    ("isnan", 0),
    ("infinite", 0),
    ("tonumber", 0),
    ("totype", 2),
    ("join", 1),
    ("add", 0),
    // Functions that act on the process are not available.
    ("halt", 0),
    ("halt_error", 0),
    ("halt_error", 1),
    ("stderr", 0),
    ("debug", 0),
    ("debug", 1),
];

/// Natives of jaq that are left out: they act on the process, depend on the machine, can loop for long without the meter, or are replaced
/// by ours of the same name.
const LEFT_OUT_NATIVES: &[&str] = &[
    "env",
    "halt",
    "debug_empty",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "jn",
    "yn",
    "path",
    "path_value",
    "matches",
    "split_matches",
    "split_",
    "strptime",
    "strftime",
    "gmtime",
    "mktime",
    "todateiso8601",
    "fromdateiso8601",
    "implode",
    "decode_uri",
    "decode_base64",
];

/// Natives of jaq that library.jq calls after it has checked their input.
const RENAMED_NATIVES: &[(&str, &str)] = &[("ltrimstr", "ltrimstr_of_string"), ("rtrimstr", "rtrimstr_of_string")];

/// Names that exist in jq, and the reasons for which they are missing.
const ABSENT: &[(&str, &str)] = &[
    ("env", "a mapping cannot read the environment of the process; put settings in a connection or in the definition"),
    ("$ENV", "a mapping cannot read the environment of the process; put settings in a connection or in the definition"),
    ("$__prog_args", "a mapping has no arguments; it reads `.`"),
    ("input", "a mapping has one input, which is `.`; the output of the definition's `input` is `.input`"),
    ("inputs", "a mapping has one input, which is `.`"),
    ("input_filename", "a mapping reads no files"),
    ("input_line_number", "a mapping reads no files"),
    ("halt", "a mapping cannot stop the process; `error(\"...\")` ends it with an error"),
    ("halt_error", "a mapping cannot stop the process; `error(\"...\")` ends it with an error"),
    ("debug", "a mapping prints nothing; the console shows what each step got and gave"),
    ("stderr", "a mapping prints nothing; the console shows what each step got and gave"),
    ("localtime", "its result would depend on the server; use `gmtime`, which is UTC, or `in_timezone(\"Europe/Stockholm\")`"),
    ("strflocaltime", "its result would depend on the server; use `format_date(format; \"Europe/Stockholm\")`"),
    ("tobytes", "a value is JSON; use `to_base64` and `from_base64`"),
    ("builtins", "docs/jq.md lists the functions that there are"),
    ("get_search_list", "a mapping reads no files"),
    ("modulemeta", "a mapping reads no files"),
    ("jn", "it can loop for long"),
    ("yn", "it can loop for long"),
];

/// Maximum characters of a name that is compared with existing ones.
const MAX_COMPARED_LENGTH: usize = 64;

type Definition = Def<&'static str>;

struct Library {
    definitions: Vec<Definition>,
    /// Indexes of the definitions of each name; several have the same name with other numbers of arguments.
    by_name: HashMap<&'static str, Vec<usize>>,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let parsed = |text| jaq_core::load::parse(text, |parser| parser.defs()).unwrap_or_default();
        let ours = [parsed(include_str!("library.jq")), parsed(include_str!("tables.jq"))].concat();
        let ours_by_name: HashSet<_> = ours.iter().map(|definition| (definition.name, definition.args.len())).collect();
        let is_replaced = |definition: &Definition| {
            let signature = (definition.name, definition.args.len());
            REPLACED_DEFINITIONS.contains(&signature) || ours_by_name.contains(&signature)
        };
        let theirs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|definition| !is_replaced(definition));
        // Under other names for library.jq, which checks the count first; definitions of jaq call the original ones.
        let counted = parsed("def limit_of($n; f): limit($n; f); def skip_of($n; f): skip($n; f);");
        let definitions: Vec<_> = counted.into_iter().chain(theirs).chain(ours).collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (index, definition) in definitions.iter().enumerate() {
            by_name.entry(definition.name).or_default().push(index);
        }
        Library { definitions, by_name }
    })
}

/// Returns the definitions that `program` needs, directly or through others, in the order of their dependencies.
///
/// jaq compiles all given definitions and stores them with the program: all of them would take 150 KiB for each mapping.
pub(super) fn definitions_for<'s>(program: &Term<&'s str>) -> Vec<Def<&'s str>> {
    let library = library();
    let wanted = indices_needed(program);
    let kept = library.definitions.iter().enumerate().filter(|(index, _)| wanted.contains(index));
    kept.map(|(_, definition)| definition.clone()).collect()
}

/// Returns the indexes of the definitions that `program` needs.
fn indices_needed(program: &Term<&str>) -> HashSet<usize> {
    let mut wanted: HashSet<usize> = HashSet::new();
    let mut pending = indices_of_called(program);
    while let Some(index) = pending.pop() {
        if wanted.insert(index) {
            pending.extend(indices_of_called(&library().definitions[index].body));
        }
    }
    wanted
}

/// False if `program` can call a function with a different result each time. A definition in the program with the name of such a function
/// also counts.
pub(super) fn is_deterministic(program: &Term<&str>) -> bool {
    let definitions = indices_needed(program).into_iter().map(|index| &library().definitions[index].body);
    !definitions.chain([program]).any(calls_not_deterministic)
}

fn calls_not_deterministic(term: &Term<&str>) -> bool {
    let mut found = false;
    walk::each_term(term, &mut |term| {
        if let Term::Call(name, arguments) = term {
            found |= natives::NOT_DETERMINISTIC.contains(&(*name, arguments.len()));
        }
    });
    found
}

/// Returns the definitions with the name of a function that `term` calls.
fn indices_of_called(term: &Term<&str>) -> Vec<usize> {
    let mut indices = Vec::new();
    walk::each_term(term, &mut |term| {
        if let Term::Call(name, _) | Term::Str(Some(name), _) = term {
            indices.extend(library().by_name.get(name).into_iter().flatten());
        }
    });
    indices
}

/// Returns the natives: those of jaq that are not left out, and ours.
pub(super) fn natives() -> impl Iterator<Item = Fun<Metered>> {
    let theirs = jaq_core::funs::<Metered>().chain(jaq_std::funs::<Metered>());
    let theirs = theirs.filter(|(name, ..)| !LEFT_OUT_NATIVES.contains(name)).map(|(name, arguments, function)| {
        let renamed = RENAMED_NATIVES.iter().find(|(old, _)| *old == name);
        (renamed.map_or(name, |(_, new)| *new), arguments, function)
    });
    let ours = functions::functions().into_iter().chain(objects::functions()).chain(patterns::functions()).chain(natives::functions());
    theirs.chain(ours.map(|(name, arguments, run): Filter<RunPtr<Metered>>| (name, arguments, Native::<Metered>::new(run))))
}

/// Returns the reason for which `name` is unknown, with similar names.
pub(super) fn explain_undefined(name: &str, undefined: &Undefined) -> String {
    if let Some((_, reason)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
        return format!("`{name}` does not exist here: {reason}");
    }
    match undefined {
        Undefined::Filter(arity) => explain_function(name, *arity),
        Undefined::Label => format!("there is no `label {name}` around this"),
        Undefined::Var => format!("the variable `{name}` is not defined here"),
        _ => format!("`{name}` is not defined"),
    }
}

fn explain_function(name: &str, arity: usize) -> String {
    let natives: Vec<_> = natives().map(|(name, arguments, _)| (name, arguments.len())).collect();
    let known = library().definitions.iter().map(|definition| (definition.name, definition.args.len())).chain(natives);
    let known: Vec<(&str, usize)> = known.collect();
    let mut arities: Vec<usize> = known.iter().filter(|(other, _)| *other == name).map(|(_, arity)| *arity).collect();
    arities.sort_unstable();
    arities.dedup();
    let count = |arity: usize| if arity == 1 { "1 argument".to_string() } else { format!("{arity} arguments") };
    if let Some((last, rest)) = arities.split_last() {
        let mut takes: String = rest.iter().map(|arity| format!("{arity} or ")).collect();
        takes.push_str(&count(*last));
        return format!("`{name}` takes {takes}, not {arity}");
    }
    if name.len() > MAX_COMPARED_LENGTH {
        return "there is no such function".to_string();
    }
    let similar = known.iter().map(|(other, _)| (edits(name, other), *other)).min();
    match similar {
        Some((distance, other)) if distance <= 1 + name.len() / 4 => format!("there is no function `{name}`; was `{other}` meant?"),
        _ => format!("there is no function `{name}`"),
    }
}

/// Returns the number of characters that must be inserted, removed or changed to make `right` from `left`.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // A name may be as long as a program, but known names are not longer than this.
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().take(200).enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(character != *other);
            diagonal = *cell;
            before = changed.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
