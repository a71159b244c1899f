//! Finds the structure of jq source without parsing it: strings, comments and brackets.
//!
//! A template needs it to find the end of `${ ... }`, and the compiler to refuse deep nesting before a recursive parser reads it.

/// The innermost open part at a place in the source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// A bracket that closes with this byte.
    Bracket(u8),
    /// A string.
    String,
}

/// Scans jq source.
pub(super) struct Scanner<'s> {
    source: &'s [u8],
    at: usize,
    inside: Vec<Inside>,
}

/// The result of [`Scanner::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A bracket, or the `\(` of an interpolation, opens at this offset; the second number counts the open ones.
    Opened(usize, usize),
    /// A closing brace at this offset without an opening one: within `${` it ends the expression.
    Brace(usize),
    /// The end, whether or not all parts are closed.
    End,
}

impl<'s> Scanner<'s> {
    /// Starts at byte `at` of `source`.
    pub(super) fn new(source: &'s str, at: usize) -> Self {
        Scanner { source: source.as_bytes(), at, inside: Vec::new() }
    }

    /// Returns the next event. A closing bracket that does not match is skipped: the parser has a better error for it.
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

    /// Skips a comment. It ends with its line, unless an odd number of backslashes is at its end.
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
