//! Visits the terms of a parsed program.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::Part;

/// Calls `visit` for `term` and for each term within it, outer ones first.
pub(super) fn each_term<'t, 's>(term: &'t Term<&'s str>, visit: &mut dyn FnMut(&'t Term<&'s str>)) {
    visit(term);
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    each_term(term, visit);
                }
            }
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => each_term(inner, visit),
        Term::Obj(entries) => {
            for (key, value) in entries {
                each_term(key, visit);
                each_of(value, visit);
            }
        }
        Term::BinOp(left, operator, right) => {
            each_term(left, visit);
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                each_in_pattern(pattern, visit);
            }
            each_term(right, visit);
        }
        Term::Fold(_, over, pattern, parts) => {
            each_term(over, visit);
            each_in_pattern(pattern, visit);
            each_of(parts, visit);
        }
        Term::TryCatch(inner, catch) => {
            each_term(inner, visit);
            each_of(catch.as_deref(), visit);
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, then) in branches {
                each_term(condition, visit);
                each_term(then, visit);
            }
            each_of(otherwise.as_deref(), visit);
        }
        Term::Def(definitions, inner) => {
            each_of(definitions.iter().map(|definition| &definition.body), visit);
            each_term(inner, visit);
        }
        Term::Call(_, arguments) => each_of(arguments, visit),
        Term::Path(inner, path) => {
            each_term(inner, visit);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => each_term(index, visit),
                    Part::Range(start, end) => each_of(start.iter().chain(end), visit),
                }
            }
        }
    }
}

fn each_of<'t, 's: 't>(terms: impl IntoIterator<Item = &'t Term<&'s str>>, visit: &mut dyn FnMut(&'t Term<&'s str>)) {
    for term in terms {
        each_term(term, visit);
    }
}

fn each_in_pattern<'t, 's>(pattern: &'t Pattern<&'s str>, visit: &mut dyn FnMut(&'t Term<&'s str>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(parts) => parts.iter().for_each(|part| each_in_pattern(part, visit)),
        Pattern::Obj(parts) => {
            for (key, part) in parts {
                each_term(key, visit);
                each_in_pattern(part, visit);
            }
        }
    }
}
