//! Finds the place of an error in a program: the smallest part that fails with the same message, and its input.
//!
//! The interpreter has no places. So the program is split and its parts are run again. It is used for people who try a mapping, never for
//! executions.

use jaq_core::load::Lexer;
use jaq_core::load::lex::{StrPart, Tok, Token};

use super::error::{CompileError, MappingError};
use super::limits::Limits;
use super::program::Mapping;
use super::shape::offset_of;
use super::value::{Value, shortened};

/// Maximum runs of parts.
const MAX_RUNS: usize = 300;
/// A name that no author uses.
const INPUT: &str = "$forebay_input";

/// The place of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Line of the source, from 1.
    pub line: usize,
    /// Column in that line in characters, from 1.
    pub column: usize,
    /// The part that failed, cut at the end of its line or after 40 characters.
    pub snippet: String,
    /// The input of the part, or its output if that does not fit, as the beginning of its JSON text; absent: the whole input.
    pub value: Option<String>,
}

impl Mapping {
    /// Finds the place at which the run over `input` ended in `error`. `None` if it cannot be found, as for a limit.
    ///
    /// Runs parts of the program again, up to some hundred times, so it needs a thread that may block, with
    /// [`STACK_BYTES`](super::STACK_BYTES).
    #[must_use]
    pub fn locate(&self, input: &Value, error: &MappingError) -> Option<Located> {
        let source = self.source();
        let tokens = Lexer::new(source).lex().ok()?;
        let message = if let MappingError::Failed { message } = error { message.as_str() } else { "" };
        let mut search = Search { source, message, input, runs_left: MAX_RUNS };
        let whole = Part { tokens: &tokens, before: String::new() };
        let (part, given) = match error {
            MappingError::Failed { .. } => {
                let part = search.narrowed(whole);
                let given = search.given(&part, search.text(part.tokens)?).unwrap_or_else(|| input.clone());
                (part, Some(given))
            }
            MappingError::NoOutput => search.first_with_outputs(whole.tokens, |count| count == 0)?,
            MappingError::ManyOutputs { .. } => search.first_with_outputs(whole.tokens, |count| count > 1)?,
            _ => return None,
        };
        let text = search.text(part.tokens)?;
        let mut located = Located::at(source, offset_of(source, text), text);
        located.value = given.as_ref().map(shortened);
        Some(located)
    }
}

impl Located {
    /// Returns the place of `piece` at `offset` of `source`.
    pub(crate) fn at(source: &str, offset: usize, piece: &str) -> Self {
        let CompileError { line, column, snippet, .. } = CompileError::at(source, offset, "");
        let piece = piece.lines().next().unwrap_or_default();
        Self { line, column, snippet: if piece.len() < snippet.len() { piece.to_owned() } else { snippet }, value: None }
    }

    /// Returns a whole text as place, from its first character that is not blank.
    pub fn whole(source: &str) -> Self {
        let text = source.trim();
        Self::at(source, source.len() - source.trim_start().len(), text)
    }

    /// Adds the value that does not fit.
    pub fn with(self, value: &Value) -> Self {
        Self { value: Some(shortened(value)), ..self }
    }
}

/// A part of the program, whose input is the output of `before`.
struct Part<'t, 's> {
    tokens: &'t [Token<&'s str>],
    /// Empty, or a program that ends with `|`.
    before: String,
}

struct Search<'a, 's> {
    source: &'s str,
    message: &'a str,
    input: &'a Value,
    runs_left: usize,
}

impl<'s> Search<'_, 's> {
    /// Returns the smallest part within a part that fails.
    fn narrowed<'t>(&mut self, part: Part<'t, 's>) -> Part<'t, 's> {
        let mut part = part;
        while let Some(inner) = self.inside(&part) {
            part = inner;
        }
        part
    }

    fn text(&self, tokens: &[Token<&'s str>]) -> Option<&'s str> {
        let (first, last) = (tokens.first()?, tokens.last()?);
        let end = offset_of(self.source, last.0) + last.0.len();
        self.source.get(offset_of(self.source, first.0)..end)
    }

    fn fails(&mut self, before: &str, tokens: &[Token<&'s str>]) -> bool {
        let Some(text) = self.text(tokens) else { return false };
        // A line break, since the part may end with a comment.
        let result = self.run(&format!("[{before} ({text}\n)]"));
        matches!(result, Some(Err(MappingError::Failed { message })) if message == self.message)
    }

    /// Returns the first value for which the part fails.
    fn given(&mut self, part: &Part<'_, 's>, text: &str) -> Option<Value> {
        let before = &part.before;
        self.run(&format!("first({before} (. as {INPUT} | try ((({text}\n)) | empty) catch {INPUT}))"))?.ok()
    }

    fn run(&mut self, program: &str) -> Option<Result<Value, MappingError>> {
        self.runs_left = self.runs_left.checked_sub(1)?;
        Some(Mapping::compile(program).ok()?.run(self.input, &Limits::default()))
    }

    fn first_failing<'t>(&mut self, before: &str, candidates: &[&'t [Token<&'s str>]]) -> Option<Part<'t, 's>> {
        let found = candidates.iter().find(|tokens| !tokens.is_empty() && self.fails(before, tokens))?;
        Some(Part { tokens: found, before: before.to_owned() })
    }

    /// Returns a part of the part that fails in the same way.
    fn inside<'t>(&mut self, part: &Part<'t, 's>) -> Option<Part<'t, 's>> {
        let tokens = part.tokens;
        if self.runs_left == 0 || tokens.first()?.0 == "def" {
            return None;
        }
        let stages = split(tokens, |text| text == "|");
        if stages.len() > 1 {
            return self.stage(&stages, &part.before);
        }
        let operands = split(tokens, |text| text == ",");
        if operands.len() > 1 {
            return self.first_failing(&part.before, &operands);
        }
        match tokens[0].0 {
            "if" => {
                let branches = split_at_depth(tokens, 1, |text| matches!(text, "if" | "then" | "elif" | "else" | "end"));
                return self.first_failing(&part.before, &branches);
            }
            "reduce" | "foreach" => {
                let source = split(&tokens[1..], |text| text == "as");
                return self.first_failing(&part.before, &source[..1]);
            }
            "try" | "label" => return None,
            _ => {}
        }
        let operands = split(tokens, is_operator);
        if operands.len() > 1 {
            return self.first_failing(&part.before, &operands);
        }
        self.link(tokens, &part.before)
    }

    /// Returns the first stage of the program's pipeline after which there are this many outputs, and its first input; `None` stands for
    /// the whole input.
    fn first_with_outputs<'t>(
        &mut self,
        tokens: &'t [Token<&'s str>],
        is_wrong: impl Fn(i64) -> bool,
    ) -> Option<(Part<'t, 's>, Option<Value>)> {
        let mut before = String::new();
        for stage in split(tokens, |text| text == "|") {
            let text = self.text(stage)?;
            let binds = binds(stage);
            if !binds {
                let count = self.run(&format!("[{before} ({text}\n)] | length"))?.ok()?;
                if count.as_f64().is_some_and(|count| is_wrong(count as i64)) {
                    let given = if before.is_empty() { None } else { self.run(&format!("first({before} .)"))?.ok() };
                    return Some((Part { tokens: stage, before }, given));
                }
            }
            before.push_str(&passed_on(text, binds));
        }
        None
    }

    /// Returns the stage of a pipeline that fails; the ones before it are added to `before`.
    fn stage<'t>(&mut self, stages: &[&'t [Token<&'s str>]], before: &str) -> Option<Part<'t, 's>> {
        let mut before = before.to_owned();
        for stage in stages {
            let (bound, binds) = (split(stage, |text| text == "as"), binds(stage));
            if let Some(found) = self.first_failing(&before, if binds { &bound[..1] } else { std::slice::from_ref(stage) }) {
                return Some(found);
            }
            before.push_str(&passed_on(self.text(stage)?, binds));
        }
        None
    }

    /// Returns the link of a chain such as `.a.b[0]` that fails, or the content of its only link.
    fn link<'t>(&mut self, tokens: &'t [Token<&'s str>], before: &str) -> Option<Part<'t, 's>> {
        let mut ends = Vec::new();
        for end in 1..=tokens.len() {
            let calls = matches!(tokens.get(end), Some(Token(text, Tok::Block(_))) if text.starts_with('('));
            if !calls {
                ends.push(end);
            }
        }
        let first = *ends.first()?;
        if first < tokens.len() {
            let mut start = 0;
            for end in ends {
                if self.fails(before, &tokens[..end]) {
                    if start == 0 {
                        return Some(Part { tokens: &tokens[..end], before: before.to_owned() });
                    }
                    // The link alone is not a program: the part is the chain up to here, without the rest.
                    return (end < tokens.len()).then(|| Part { tokens: &tokens[..end], before: before.to_owned() });
                }
                start = end;
            }
            return None;
        }
        match tokens {
            [Token(text, Tok::Block(inner))] => {
                let (_, inner) = inner.split_last()?;
                match text.starts_with('{') {
                    true => {
                        let entries = split(inner, |text| text == ",");
                        let values: Vec<_> = entries.iter().filter_map(|entry| split(entry, |text| text == ":").get(1).copied()).collect();
                        self.first_failing(before, &values)
                    }
                    false => self.first_failing(before, &[inner]),
                }
            }
            [Token(_, Tok::Word), Token(_, Tok::Block(inner))] => {
                let (_, inner) = inner.split_last()?;
                let arguments = split(inner, |text| text == ";");
                // `map`, `select` and similar functions run their argument for each item, others for the input itself.
                let of_items = format!("{before} .[] | ");
                self.first_failing(before, &arguments).or_else(|| self.first_failing(&of_items, &arguments))
            }
            [Token(_, Tok::Str(parts))] => {
                let inner = parts.iter().filter_map(|part| match part {
                    StrPart::Term(Token(_, Tok::Block(inner))) => inner.split_last().map(|(_, inner)| inner),
                    _ => None,
                });
                self.first_failing(before, &inner.collect::<Vec<_>>())
            }
            _ => None,
        }
    }
}

/// Returns true if a stage is `... as $x`, which applies to all later stages.
fn binds(stage: &[Token<&str>]) -> bool {
    let starts_loop = stage.first().is_some_and(|token| matches!(token.0, "reduce" | "foreach"));
    !starts_loop && split(stage, |text| text == "as").len() > 1
}

/// Returns a stage as it is before the next one.
fn passed_on(stage: &str, binds: bool) -> String {
    if binds { format!("{stage}\n | ") } else { format!("({stage}\n) | ") }
}

fn is_operator(text: &str) -> bool {
    matches!(text, "and" | "or") || text.starts_with(|c| "=!<>+-*/%|".contains(c))
}

/// Returns the parts between separators outside of `if ... end`.
fn split<'t, 's>(tokens: &'t [Token<&'s str>], is_separator: impl Fn(&str) -> bool) -> Vec<&'t [Token<&'s str>]> {
    split_at_depth(tokens, 0, is_separator)
}

fn split_at_depth<'t, 's>(tokens: &'t [Token<&'s str>], depth: usize, is_separator: impl Fn(&str) -> bool) -> Vec<&'t [Token<&'s str>]> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, 0);
    for (index, Token(text, token)) in tokens.iter().enumerate() {
        let is_plain = matches!(token, Tok::Word | Tok::Sym);
        if is_plain && *text == "if" {
            open += 1;
        }
        if is_plain && open == depth && is_separator(text) {
            parts.push(&tokens[start..index]);
            start = index + 1;
        }
        if is_plain && *text == "end" {
            open = open.saturating_sub(1);
        }
    }
    parts.push(&tokens[start..]);
    parts
}
