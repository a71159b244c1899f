//! Patterns of jq that the parser does not support, rewritten to supported ones before parsing.
//!
//! `{$a: PATTERN}` is `{a: $a, a: PATTERN}`. With alternatives, `T as P ?// Q | BODY`, the body has all variables of all patterns; those of
//! patterns that were not used are null. The next pattern is tried if one does not match, or if the body fails with it:
//!
//! ```text
//! T as $whole | . as $input | def body($p; $q): BODY;
//! try ($whole as P | body($p; null)) catch ($input | $whole as Q | body(null; $q))
//! ```

use jaq_core::load::lex::{StrPart, Tok, Token};

const WHOLE: &str = "$forebay_alternatives_of";
const INPUT: &str = "$forebay_alternatives_input";
const BODY: &str = "forebay_alternatives_body";

/// Returns `tokens` without such patterns. Others, such as alternatives in `reduce`, are left for the parser to refuse.
pub(super) fn rewritten<'s>(tokens: Vec<Token<&'s str>>) -> Vec<Token<&'s str>> {
    let mut rest: Vec<Token<&'s str>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        // The text after `as` or `?//` is a pattern. The text after the operator `//` may not be one; then it has no `$name:`.
        let is_pattern = rest.last().is_some_and(|before| matches!(before, Token("as", Tok::Word) | Token("//", Tok::Sym)));
        rest.push(if is_pattern { named(inside(token)) } else { inside(token) });
    }
    // From the end, so that the content of a body is rewritten before the body is moved.
    for start in (0..rest.len()).rev() {
        let Some(patterns) = patterns_at(&rest[start..]) else { continue };
        // `as P`, then `?`, `//` and `Q` for each further pattern, and `|`.
        let body_start = start + 3 * patterns;
        let body_end = body_start + body_length(&rest[body_start..]);
        let after = rest.split_off(body_end);
        let body = rest.split_off(body_start);
        let found = rest.split_off(start);
        rest.extend(alternatives(found, body));
        rest.extend(after);
    }
    rest
}

/// Returns a pattern without `$name: PATTERN`, at any depth.
fn named<'s>(token: Token<&'s str>) -> Token<&'s str> {
    let tokens = match token {
        Token(text, Tok::Block(tokens)) if !text.starts_with('(') => (text, tokens),
        other => return other,
    };
    let (text, tokens) = tokens;
    let mut rewritten: Vec<Token<&'s str>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let name = match rewritten.last() {
            Some(Token(name, Tok::Var)) if token.0 == ":" && text.starts_with('{') => name.strip_prefix('$'),
            _ => None,
        };
        if let Some(name) = name
            && let Some(bound) = rewritten.pop()
        {
            rewritten.extend([word(name), symbol(":"), bound, symbol(","), word(name)]);
        }
        rewritten.push(named(token));
    }
    Token(text, Tok::Block(rewritten))
}

fn inside(token: Token<&str>) -> Token<&str> {
    let Token(text, tok) = token;
    let tok = match tok {
        Tok::Block(tokens) => Tok::Block(rewritten(tokens)),
        Tok::Str(parts) => Tok::Str(
            parts
                .into_iter()
                .map(|part| match part {
                    StrPart::Term(token) => StrPart::Term(inside(token)),
                    other => other,
                })
                .collect(),
        ),
        other => other,
    };
    Token(text, tok)
}

/// Returns the number of patterns that begin at `as P ?// Q |`, if there are several.
fn patterns_at(tokens: &[Token<&str>]) -> Option<usize> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.0 == text && !matches!(token.1, Tok::Str(_)));
    let is_pattern = |at: usize| match tokens.get(at) {
        Some(Token(_, Tok::Var)) => true,
        Some(Token(text, Tok::Block(_))) => !text.starts_with('('),
        _ => false,
    };
    if !is(0, "as") || !is_pattern(1) {
        return None;
    }
    let (mut patterns, mut at) = (1, 2);
    while is(at, "?") && is(at + 1, "//") && is_pattern(at + 2) {
        patterns += 1;
        at += 3;
    }
    (patterns > 1 && is(at, "|")).then_some(patterns)
}

/// Returns the number of tokens of a body: it ends with the brackets, the branch or the definition around it.
fn body_length(tokens: &[Token<&str>]) -> usize {
    let (mut branches, mut definitions) = (0_usize, 0_usize);
    for (index, Token(text, tok)) in tokens.iter().enumerate() {
        match (tok, *text) {
            (Tok::Word, "if") => branches += 1,
            (Tok::Word, "end" | "then" | "elif" | "else") if branches == 0 => return index,
            (Tok::Word, "end") => branches -= 1,
            (Tok::Word, "def") => definitions += 1,
            (Tok::Sym, ";") if definitions == 0 => return index,
            (Tok::Sym, ";") => definitions -= 1,
            (Tok::Sym, ")" | "]" | "}") => return index,
            _ => {}
        }
    }
    tokens.len()
}

fn alternatives<'s>(found: Vec<Token<&'s str>>, body: Vec<Token<&'s str>>) -> Vec<Token<&'s str>> {
    let patterns: Vec<Token<&'s str>> = found.into_iter().filter(|token| matches!(token.1, Tok::Var | Tok::Block(_))).collect();
    let names: Vec<Vec<&'s str>> = patterns.iter().map(|pattern| names_in(std::slice::from_ref(pattern))).collect();
    let mut all: Vec<&'s str> = names.concat();
    all.sort_unstable();
    all.dedup();
    let mut tokens = vec![word("as"), variable(WHOLE), symbol("|"), symbol("."), word("as"), variable(INPUT), symbol("|")];
    tokens.extend([word("def"), word(BODY)]);
    tokens.extend(arguments(all.iter().map(|name| variable(name))));
    tokens.push(symbol(":"));
    tokens.extend(body);
    tokens.push(symbol(";"));
    let last = patterns.len() - 1;
    // Each pattern except the last is tried; the next ones are in its `catch`, whose input is the error.
    let mut built: Vec<Token<&'s str>> = Vec::new();
    for (index, (pattern, names)) in patterns.into_iter().zip(&names).enumerate().rev() {
        let mut taken = if index == 0 { Vec::new() } else { vec![variable(INPUT), symbol("|")] };
        let given = all.iter().map(|name| if names.contains(name) { variable(name) } else { word("null") });
        let call = || std::iter::once(word(BODY)).chain(arguments(given));
        let mut attempt = vec![variable(WHOLE), word("as"), pattern, symbol("|")];
        attempt.extend(call());
        if index == last {
            taken.extend(attempt);
        } else {
            taken.extend([word("try"), block(attempt), word("catch"), block(built)]);
        }
        built = taken;
    }
    tokens.extend(built);
    tokens
}

/// Returns the variables that a pattern binds; expressions in it, which are in parentheses, bind none.
fn names_in<'s>(tokens: &[Token<&'s str>]) -> Vec<&'s str> {
    let mut names = Vec::new();
    for token in tokens {
        match token {
            Token(name, Tok::Var) => names.push(*name),
            Token(text, Tok::Block(inner)) if !text.starts_with('(') => names.extend(names_in(inner)),
            _ => {}
        }
    }
    names
}

/// Returns `(a; b)`; `None` for no arguments.
fn arguments<'s>(arguments: impl Iterator<Item = Token<&'s str>>) -> Option<Token<&'s str>> {
    let mut tokens: Vec<Token<&'s str>> = arguments.flat_map(|argument| [symbol(";"), argument]).skip(1).collect();
    if tokens.is_empty() {
        return None;
    }
    tokens.push(symbol(")"));
    Some(Token("()", Tok::Block(tokens)))
}

fn block(mut tokens: Vec<Token<&str>>) -> Token<&str> {
    tokens.push(symbol(")"));
    Token("()", Tok::Block(tokens))
}

fn word(text: &str) -> Token<&str> {
    Token(text, Tok::Word)
}

fn variable(text: &str) -> Token<&str> {
    Token(text, Tok::Var)
}

fn symbol(text: &str) -> Token<&str> {
    Token(text, Tok::Sym)
}
