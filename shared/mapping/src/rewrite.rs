//! Changes of a parsed program before it is compiled, which do not change its meaning.
//!
//! - Long lists (`a, b, c, ...`, objects, interpolated strings) become balanced trees. jaq compiles them to a chain, and the stack of a run
//!   would grow with their length.
//! - An object literal becomes a call, see [`objects`].
//! - A definition with a filter as an argument never ends in a tail call: `def f(g): BODY;` becomes `def f(g): BODY | .;`. With tail calls
//!   it could wrap its argument repeatedly without using stack, and the chain of closures, which is dropped recursively, would overflow the
//!   stack.
//! - `$__loc__` is replaced by its value.

use jaq_core::load::Arena;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::objects;

/// Maximum length of a string that stays a chain.
const MAX_CHAIN_LENGTH: usize = 16;

/// Rewrites `term`, which was parsed from `source`.
pub(super) fn rewrite<'s>(term: Term<&'s str>, source: &str, arena: &'s Arena) -> Term<&'s str> {
    Rewriter { source, arena }.term(term)
}

struct Rewriter<'s, 'a> {
    source: &'a str,
    arena: &'s Arena,
}

impl<'s> Rewriter<'s, '_> {
    fn boxed(&self, mut term: Box<Term<&'s str>>) -> Box<Term<&'s str>> {
        *term = self.term(std::mem::take(&mut *term));
        term
    }

    fn terms(&self, terms: Vec<Term<&'s str>>) -> Vec<Term<&'s str>> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn term(&self, term: Term<&'s str>) -> Term<&'s str> {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Arr(None) => term,
            Term::Var(name @ "$__loc__") => self.location(name),
            Term::Var(_) => term,
            Term::Str(format, parts) => balanced_string(format, parts.into_iter().map(|part| self.string_part(part)).collect()),
            Term::Arr(Some(inner)) => Term::Arr(Some(self.boxed(inner))),
            Term::Obj(entries) => balanced_object(entries.into_iter().map(|entry| self.object_entry(entry)).collect()),
            Term::Neg(inner) => Term::Neg(self.boxed(inner)),
            Term::BinOp(left, BinaryOp::Comma, right) => self.list(*left, *right),
            Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
                Term::BinOp(self.boxed(left), BinaryOp::Pipe(Some(self.pattern(pattern))), self.boxed(right))
            }
            Term::BinOp(left, operator, right) => Term::BinOp(self.boxed(left), operator, self.boxed(right)),
            Term::Label(name, inner) => Term::Label(name, self.boxed(inner)),
            Term::Fold(name, over, pattern, parts) => Term::Fold(name, self.boxed(over), self.pattern(pattern), self.terms(parts)),
            Term::TryCatch(inner, catch) => Term::TryCatch(self.boxed(inner), catch.map(|catch| self.boxed(catch))),
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches.into_iter().map(|(condition, then)| (self.term(condition), self.term(then)));
                Term::IfThenElse(branches.collect(), otherwise.map(|otherwise| self.boxed(otherwise)))
            }
            Term::Def(definitions, inner) => {
                Term::Def(definitions.into_iter().map(|definition| self.definition(definition)).collect(), self.boxed(inner))
            }
            Term::Call(name, arguments) => Term::Call(name, self.terms(arguments)),
            Term::Path(inner, path) => {
                let parts = path.0.into_iter().map(|(part, optional)| (self.path_part(part), optional));
                Term::Path(self.boxed(inner), Path(parts.collect()))
            }
        }
    }

    fn definition(&self, definition: Def<&'s str>) -> Def<&'s str> {
        let body = self.term(definition.body);
        let takes_filter = definition.args.iter().any(|argument| !argument.starts_with('$'));
        let body = if takes_filter { Term::BinOp(Box::new(body), BinaryOp::Pipe(None), Box::new(Term::Id)) } else { body };
        Def { body, ..definition }
    }

    fn string_part(&self, part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
        match part {
            StrPart::Term(term) => StrPart::Term(self.term(term)),
            other => other,
        }
    }

    fn object_entry(&self, (key, value): (Term<&'s str>, Option<Term<&'s str>>)) -> (Term<&'s str>, Option<Term<&'s str>>) {
        match (key, value) {
            // `{$__loc__}` means `{"__loc__": $__loc__}`.
            (Term::Var(name @ "$__loc__"), None) => (text("__loc__"), Some(self.location(name))),
            (key, value) => (self.term(key), value.map(|value| self.term(value))),
        }
    }

    fn pattern(&self, pattern: Pattern<&'s str>) -> Pattern<&'s str> {
        match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(|part| self.pattern(part)).collect()),
            Pattern::Obj(parts) => Pattern::Obj(parts.into_iter().map(|(key, part)| (self.term(key), self.pattern(part))).collect()),
        }
    }

    fn path_part(&self, part: Part<Term<&'s str>>) -> Part<Term<&'s str>> {
        match part {
            Part::Index(index) => Part::Index(self.term(index)),
            Part::Range(start, end) => Part::Range(start.map(|start| self.term(start)), end.map(|end| self.term(end))),
        }
    }

    /// Returns `$__loc__`: the line of its place. `name` is the slice of the source.
    fn location(&self, name: &str) -> Term<&'s str> {
        let offset = (name.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize).min(self.source.len());
        let line = self.source[..offset].matches('\n').count() + 1;
        let line: &'s str = self.arena.alloc(line.to_string());
        Term::Obj(vec![(text("file"), Some(text("<mapping>"))), (text("line"), Some(Term::Num(line)))])
    }

    /// Rebuilds `((a, b), c), ...`, a chain to the left of any length, which is split in a loop.
    fn list(&self, left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
        let mut items = vec![right];
        let mut rest = left;
        while let Term::BinOp(left, BinaryOp::Comma, right) = rest {
            items.push(*right);
            rest = *left;
        }
        items.push(rest);
        items.reverse();
        balanced_list(self.terms(items))
    }
}

fn balanced_list(mut items: Vec<Term<&str>>) -> Term<&str> {
    if items.len() < 2 {
        return items.pop().unwrap_or_default();
    }
    let right = items.split_off(items.len() / 2);
    Term::BinOp(Box::new(balanced_list(items)), BinaryOp::Comma, Box::new(balanced_list(right)))
}

fn balanced_object<'s>(mut entries: Vec<(Term<&'s str>, Option<Term<&'s str>>)>) -> Term<&'s str> {
    if entries.len() <= objects::MAX_MEMBERS {
        return objects::literal(entries);
    }
    let right = entries.split_off(entries.len() / 2);
    sum(balanced_object(entries), balanced_object(right))
}

fn balanced_string<'s>(format: Option<&'s str>, mut parts: Vec<StrPart<&'s str, Term<&'s str>>>) -> Term<&'s str> {
    if parts.len() <= MAX_CHAIN_LENGTH {
        return Term::Str(format, parts);
    }
    let right = parts.split_off(parts.len() / 2);
    sum(balanced_string(format, parts), balanced_string(format, right))
}

fn text(text: &str) -> Term<&str> {
    Term::Str(None, vec![StrPart::Str(text)])
}

fn sum<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Math(Math::Add), Box::new(right))
}
