//! Limits of the shape of a program.
//!
//! The parser, the compiler and the interpreter recurse over a program, partly without the meter. So the depth of the recursion is limited
//! before they run.

use jaq_core::load::lex::{StrPart, Tok, Token};
use jaq_core::load::parse::{BinaryOp, Pattern, Term};

use super::error::CompileError;
use super::scan::{Event, Scanner};
use super::walk::each_term;

/// Maximum bytes of the source of a program or a template.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Maximum nesting of brackets.
const MAX_NESTING: usize = 100;
/// Maximum operators and keywords on a path from the outermost expression to an innermost one: the depth of a parse tree without brackets.
const MAX_OPERATORS: usize = 2000;
/// Maximum parts of one path, over which jaq recurses.
const MAX_PATH_PARTS: usize = 100;
/// Maximum names of variables, arguments and labels in a program. Visible ones are stored in a list that is dropped recursively.
const MAX_NAMES: usize = 500;
/// Maximum arguments of a definition.
const MAX_ARGUMENTS: usize = 32;

/// Returns the offset of `part`, a slice of `source`.
pub(super) fn offset_of(source: &str, part: &str) -> usize {
    (part.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize).min(source.len())
}

/// Checks the length and the nesting of brackets.
pub(super) fn check_source(source: &str) -> Result<(), CompileError> {
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!("the program has {} bytes; at most {MAX_SOURCE_BYTES} are allowed", source.len());
        return Err(CompileError::at(source, 0, message));
    }
    let mut scanner = Scanner::new(source, 0);
    loop {
        match scanner.next() {
            Event::Opened(offset, nesting) if nesting > MAX_NESTING => {
                return Err(CompileError::at(source, offset, format!("nested deeper than {MAX_NESTING} brackets")));
            }
            Event::Opened(..) | Event::Brace(_) => {}
            Event::End => return Ok(()),
        }
    }
}

/// Checks the depth of the parse tree without brackets. Commas do not count: they form a list, however long.
pub(super) fn check_tokens(source: &str, tokens: &[Token<&str>]) -> Result<(), CompileError> {
    check_operators(source, tokens, 0)
}

fn check_operators(source: &str, tokens: &[Token<&str>], above: usize) -> Result<(), CompileError> {
    let mut count = above;
    for Token(text, token) in tokens {
        let nests = match token {
            Tok::Sym => !matches!(*text, "," | ";" | ":" | "?" | "." | ")" | "]" | "}") && !text.starts_with('.'),
            Tok::Word => matches!(
                *text,
                "as" | "def" | "if" | "elif" | "try" | "catch" | "label" | "reduce" | "foreach" | "and" | "or" | "then" | "else"
            ),
            _ => false,
        };
        count += usize::from(nests);
        if count > MAX_OPERATORS {
            let message = format!("more than {MAX_OPERATORS} operators in one expression; split it up");
            return Err(CompileError::at(source, offset_of(source, text), message));
        }
    }
    for Token(_, token) in tokens {
        match token {
            Tok::Block(tokens) => check_operators(source, tokens, count)?,
            Tok::Str(parts) => {
                for part in parts {
                    if let StrPart::Term(Token(_, Tok::Block(tokens))) = part {
                        check_operators(source, tokens, count)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks the length of paths, and the number of names.
pub(super) fn check_term(source: &str, term: &Term<&str>) -> Result<(), CompileError> {
    let mut names = 0;
    let mut problem = None;
    each_term(term, &mut |term| {
        let before = names;
        let mut last_name = "";
        let mut count = |name| {
            names += 1;
            last_name = name;
        };
        let too_long = match term {
            Term::Path(_, path) if path.0.len() > MAX_PATH_PARTS => Some(format!("a path of more than {MAX_PATH_PARTS} parts")),
            Term::Def(definitions, _) => {
                definitions.iter().flat_map(|definition| &definition.args).for_each(|name| count(name));
                let max = definitions.iter().map(|definition| definition.args.len()).max();
                max.filter(|max| *max > MAX_ARGUMENTS).map(|_| format!("a definition with more than {MAX_ARGUMENTS} arguments"))
            }
            Term::Label(name, _) => {
                count(name);
                None
            }
            Term::BinOp(_, BinaryOp::Pipe(Some(pattern)), _) | Term::Fold(_, _, pattern, _) => {
                each_variable(pattern, &mut count);
                None
            }
            _ => None,
        };
        if before <= MAX_NAMES && names > MAX_NAMES {
            let message = format!("more than {MAX_NAMES} variables, arguments and labels in one program");
            problem.get_or_insert(CompileError::at(source, offset_of(source, last_name), message));
        }
        if let Some(message) = too_long {
            problem.get_or_insert(CompileError::at(source, offset_of(source, first_text(term)), message));
        }
    });
    problem.map_or(Ok(()), Err)
}

fn each_variable<'t, 's>(pattern: &'t Pattern<&'s str>, count: &mut dyn FnMut(&'s str)) {
    match pattern {
        Pattern::Var(name) => count(name),
        Pattern::Arr(parts) => parts.iter().for_each(|part| each_variable(part, count)),
        Pattern::Obj(parts) => parts.iter().for_each(|(_, part)| each_variable(part, count)),
    }
}

/// Returns a text of the source in `term`, for its place.
fn first_text<'s>(term: &Term<&'s str>) -> &'s str {
    let mut found = "";
    each_term(term, &mut |term| {
        let text = match term {
            Term::Num(text) | Term::Call(text, _) | Term::Var(text) => text,
            Term::Def(definitions, _) => definitions.first().map_or("", |definition| definition.name),
            Term::Str(_, parts) => match parts.first() {
                Some(StrPart::Str(text)) => text,
                _ => "",
            },
            _ => "",
        };
        if found.is_empty() {
            found = text;
        }
    });
    found
}
