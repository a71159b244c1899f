//! Finds the structure of jq source without parsing it: strings, comments and brackets.
//!
//! A template needs it to find where `${ ... }` ends, and the compiler to refuse deep nesting before a recursive parser sees it.

/// What a place in the source is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// A bracket that closes with this byte.
    Bracket(u8),
    /// A string.
    String,
}

/// Walks over jq source.
pub(super) struct Scanner<'s> {
    source: &'s [u8],
    at: usize,
    inside: Vec<Inside>,
}

/// What [`Scanner::next`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A bracket, or the `\(` of an interpolation, was opened at this offset; there are now so many open.
    Opened(usize, usize),
    /// A closing brace at this offset that closes nothing: where it is inside `${`, the end of the expression.
    Brace(usize),
    /// The end, inside of something or not.
    End,
}

impl<'s> Scanner<'s> {
    /// Starts at byte `at` of `source`.
    pub(super) fn new(source: &'s str, at: usize) -> Self {
        Scanner { source: source.as_bytes(), at, inside: Vec::new() }
    }

    /// The next event. A closing bracket that does not fit is passed over: the parser has better words for it.
    pub(super) fn next(&mut self) -> Event {
        loop {
            let Some(byte) = self.source.get(self.at).copied() else { return Event::End };
            let offset = self.at;
            self.at += 1;
            if self.inside.last() == Some(&Inside::String) {
                match byte {
                    b'"' => drop(self.inside.pop()),
                    b'\\' => {
                        let escaped = self.source.get(self.at).copied();
                        self.at += 1;
                        if escaped == Some(b'(') {
                            self.inside.push(Inside::Bracket(b')'));
                            return Event::Opened(offset, self.inside.len());
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.inside.push(Inside::String),
                b'#' => self.skip_comment(),
                b'(' | b'[' | b'{' => {
                    let close = [b')', b']', b'}'][usize::from(byte != b'(') + usize::from(byte == b'{')];
                    self.inside.push(Inside::Bracket(close));
                    return Event::Opened(offset, self.inside.len());
                }
                b')' | b']' | b'}' if self.inside.last() == Some(&Inside::Bracket(byte)) => drop(self.inside.pop()),
                b'}' if self.inside.is_empty() => return Event::Brace(offset),
                _ => {}
            }
        }
    }

    /// A comment ends with its line, unless an odd number of backslashes stands before the end of it.
    fn skip_comment(&mut self) {
        let mut backslashes = 0;
        while let Some(byte) = self.source.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'\n' if backslashes % 2 == 0 => return,
                b'\\' => backslashes += 1,
                b'\r' => {}
                _ => backslashes = 0,
            }
        }
    }
}
