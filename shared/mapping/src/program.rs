//! Mappings: jq programs, compiled once and run often.

use std::fmt;
use std::sync::Arc;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::lex::{self, Tok, Token};
use jaq_core::load::parse::{self, Def, Parser, Term};
use jaq_core::load::{Arena, File, Lexer, Loader};
use jaq_core::{Compiler, Ctx, Exn, Filter, Lut, Vars};

use super::error::{CompileError, MappingError};
use super::limits::Limits;
use super::meter;
use super::value::{Value, json_size, shortened};
use super::{alternatives, library, rewrite, shape};

/// Stack of the thread that compiles; programs within the limits of [`shape`] need less than half of it in a debug build.
const COMPILE_STACK_BYTES: usize = 192 * 1024 * 1024;
/// Maximum bytes of an error text of the program.
const MAX_FAILURE_BYTES: usize = 2000;
/// The name of the main program in the prelude for jaq.
const MAIN: &str = "forebay_main_program";

/// Declares our value type to jaq, and that the meter is asked for each term.
pub(super) struct Metered;

#[derive(Clone, Copy)]
pub(super) struct Program<'a>(&'a Lut<Metered>);

impl DataT for Metered {
    type V<'a> = Value;
    type Data<'a> = Program<'a>;
}

impl<'a> HasLut<'a, Metered> for Program<'a> {
    #[inline]
    fn lut(&self) -> &'a Lut<Metered> {
        meter::enter();
        self.0
    }
}

/// A compiled jq program. Cheap to clone; shared by all threads.
#[derive(Clone)]
pub struct Mapping(Arc<Compiled>);

struct Compiled {
    source: String,
    filter: Filter<Metered>,
    is_deterministic: bool,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapping").field(&self.0.source).finish()
    }
}

impl Mapping {
    /// Compiles `source`.
    ///
    /// # Errors
    /// A text that is not a jq program, an unknown name, or a program that is too large.
    pub fn compile(source: &str) -> Result<Mapping, CompileError> {
        shape::check_source(source)?;
        // The parser and the compiler recurse; their depth is bounded, but needs a large stack.
        let compiled = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("compile mapping".into()).stack_size(COMPILE_STACK_BYTES);
            let thread = thread.spawn_scoped(scope, || compile(source)).map_err(|error| error.to_string())?;
            thread.join().map_err(|_| "the jq compiler panicked".to_string())
        });
        let compiled = compiled.map_err(|message| CompileError::at(source, 0, format!("cannot compile: {message}")))??;
        Ok(Mapping(Arc::new(compiled)))
    }

    /// Returns the source.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// False if the program can call a function with a different result each time, such as `now` and `uuid`: its output must be stored if
    /// it must not change when it runs again.
    pub fn is_deterministic(&self) -> bool {
        self.0.is_deterministic
    }

    /// Runs the program on `input`, and returns its only output.
    ///
    /// # Errors
    /// No output or more than one, an error of the program, or a limit.
    pub fn run(&self, input: &Value, limits: &Limits) -> Result<Value, MappingError> {
        meter::metered(limits, || self.run_unmetered(input, limits))
    }

    fn run_unmetered(&self, input: &Value, limits: &Limits) -> Result<Value, MappingError> {
        let context = Ctx::<Metered>::new(Program(&self.0.filter.lut), Vars::new([]));
        let mut outputs = self.0.filter.id.run((context, input.clone()));
        let output = outputs.next().ok_or(MappingError::NoOutput)?.map_err(failed)?;
        if let Some(second) = outputs.next() {
            second.map_err(failed)?;
            return Err(MappingError::ManyOutputs { seen: 2 });
        }
        // Parts of a value are shared, so its size as JSON may be far larger than its memory.
        if json_size(&output, limits.memory) > limits.memory {
            return Err(MappingError::Memory { limit: limits.memory });
        }
        Ok(output.stepped(0))
    }
}

fn failed(exception: Exn<'_, Value>) -> MappingError {
    let Ok(error) = exception.get_err() else {
        return MappingError::Internal { message: "the program left in a way that it should not have".to_string() };
    };
    let value = error.into_val();
    let mut message = match value.as_str() {
        Some(text) => text.to_string(),
        None => format!("the mapping ended in an error: {}", shortened(&value)),
    };
    if message.len() > MAX_FAILURE_BYTES {
        let end = (0..=MAX_FAILURE_BYTES).rev().find(|index| message.is_char_boundary(*index)).unwrap_or(0);
        message.truncate(end);
        message.push_str("...");
    }
    MappingError::Failed { message }
}

fn compile(source: &str) -> Result<Compiled, CompileError> {
    let arena = Arena::default();
    let term = parse(source)?;
    shape::check_term(source, &term)?;
    let term = rewrite::rewrite(term, source, &arena);
    let is_deterministic = library::is_deterministic(&term);
    let mut prelude: Vec<Def<&str>> = library::definitions_for(&term);
    prelude.push(Def { name: MAIN, args: Vec::new(), body: term });
    let main = File { code: MAIN, path: () };
    let internal = |what: &str| CompileError::at(source, 0, format!("cannot compile: {what}"));
    let modules = Loader::new(prelude).load(&arena, main).map_err(|_| internal("the prelude does not load"))?;
    let compiler = Compiler::<_, Metered>::default().with_funs(library::natives());
    let filter = compiler.compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_file, errors)| errors).next();
        match first {
            Some((name, undefined)) => {
                CompileError::at(source, shape::offset_of(source, name), library::explain_undefined(name, &undefined))
            }
            None => internal("no reason given"),
        }
    })?;
    Ok(Compiled { source: source.to_string(), filter, is_deterministic })
}

fn parse(source: &str) -> Result<Term<&str>, CompileError> {
    let tokens = Lexer::new(source).lex().map_err(|errors| lex_error(source, &errors))?;
    match tokens.first() {
        None => return Err(CompileError::at(source, source.len(), "expected a jq program; `.` is the whole input")),
        Some(Token(word @ ("import" | "include" | "module"), Tok::Word)) => {
            let message = format!("`{word}` does not exist here: a mapping is one text and reads no files");
            return Err(CompileError::at(source, shape::offset_of(source, word), message));
        }
        Some(_) => {}
    }
    let tokens = alternatives::rewritten(tokens);
    shape::check_tokens(source, &tokens)?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let Some((expected, found)) = errors.first() else {
            return CompileError::at(source, 0, "not a jq program");
        };
        let found_offset = found.map_or(source.len(), |token| shape::offset_of(source, token.as_str()));
        CompileError::at(source, found_offset, describe_expected(expected))
    })
}

fn describe_expected(expected: &parse::Expect<&str>) -> String {
    match expected {
        parse::Expect::Nothing => "expected the end of the program, or an operator".to_string(),
        parse::Expect::Just(text) => format!("expected `{text}`"),
        other => format!("expected {}", other.as_str()),
    }
}

fn lex_error(source: &str, errors: &[lex::Error<&str>]) -> CompileError {
    let Some((expected, place)) = errors.first() else {
        return CompileError::at(source, 0, "not a jq program");
    };
    let message = match expected {
        lex::Expect::Delim(open) => format!("`{}` is never closed", open.chars().next().unwrap_or('"')),
        lex::Expect::Token => "this cannot stand in a jq program".to_string(),
        other => format!("expected {}", other.as_str()),
    };
    // The place of an unclosed bracket is more useful than the end of the text.
    let place = match expected {
        lex::Expect::Delim(open) => open,
        _ => place,
    };
    CompileError::at(source, shape::offset_of(source, place), message)
}
