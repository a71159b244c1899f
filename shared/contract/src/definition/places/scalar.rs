//! The places in a file of the characters of one text value.
//!
//! YAML has five styles of texts. They differ in blanks, line breaks and escapes; every other character of the value is in the file
//! unchanged, in the same order. So the value and the file are read in parallel.

use super::Place;
use std::iter::Peekable;
use std::str::Chars;

pub(super) fn place_of(file: &str, start: Place, scalar: &str, line: usize, column: usize) -> Option<Place> {
    let mut reader = Reader::at(file, start)?;
    let (mut at_line, mut at_column) = (1, 1);
    let mut last = start;
    for character in scalar.chars() {
        let is_target = (at_line, at_column) == (line, column);
        if !character.is_whitespace() {
            last = reader.find(character)?;
            if is_target {
                return Some(last);
            }
        } else if is_target {
            break;
        }
        if character == '\n' {
            (at_line, at_column) = (at_line + 1, 1);
        } else {
            at_column += 1;
        }
    }
    // For a blank, or the end of the text: the place after the last character.
    Some(Place { column: last.column + 1, ..last })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Plain, or a block: there are no escapes.
    Plain,
    /// Single quotes: a quote is doubled.
    Single,
    /// Double quotes, with escapes.
    Double,
}

struct Reader<'f> {
    rest: Peekable<Chars<'f>>,
    next: Place,
    style: Style,
}

impl<'f> Reader<'f> {
    fn at(file: &'f str, start: Place) -> Option<Self> {
        let line_start = file.split_inclusive('\n').take(usize::try_from(start.line).ok()?.checked_sub(1)?).map(str::len).sum::<usize>();
        let before = usize::try_from(start.column).ok()?.checked_sub(1)?;
        let mut reader = Self { rest: file.get(line_start..)?.chars().peekable(), next: Place { column: 1, ..start }, style: Style::Plain };
        for _ in 0..before {
            reader.take()?;
        }
        match reader.rest.peek()? {
            // Skips the header of a block and a comment after it.
            '|' | '>' => while reader.take()? != '\n' {},
            '\'' => {
                reader.style = Style::Single;
                reader.take();
            }
            '"' => {
                reader.style = Style::Double;
                reader.take();
            }
            _ => {}
        }
        Some(reader)
    }

    fn take(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.next = match character {
            '\n' => Place { line: self.next.line + 1, column: 1 },
            _ => Place { column: self.next.column + 1, ..self.next },
        };
        Some(character)
    }

    /// Returns the place of the next character of the value that is not blank.
    fn find(&mut self, expected: char) -> Option<Place> {
        loop {
            let place = self.next;
            let written = self.take()?;
            let character = match self.style {
                Style::Double if written == '\\' => self.escaped()?,
                Style::Single if written == '\'' => self.rest.next_if_eq(&'\'').inspect(|_| self.next.column += 1)?,
                _ => written,
            };
            if character == expected {
                return Some(place);
            }
            if !character.is_whitespace() {
                return None;
            }
        }
    }

    /// Returns the character of an escape (YAML 1.2.2, section 5.7), after its backslash.
    fn escaped(&mut self) -> Option<char> {
        let kind = self.take()?;
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0' => return Some('\0'),
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            'e' => return Some('\u{1b}'),
            // Line breaks and blanks are not distinguished here.
            't' | 'n' | 'v' | 'f' | 'r' | 'N' | '_' | 'L' | 'P' => return Some(' '),
            other => return Some(other),
        };
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + self.take()?.to_digit(16)?;
        }
        char::from_u32(code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Places;

    /// Returns the place of the `x` in the value of `a`, and the character at that place in the file.
    fn found(file: &str, scalar: &str) -> Option<(u64, u64, char)> {
        let offset = scalar.find('x').unwrap();
        let before = &scalar[..offset];
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        let place = Places::of_documents(file)[0].inside(file, "a", scalar, before.matches('\n').count() + 1, column)?;
        let line = file.lines().nth(usize::try_from(place.line).unwrap() - 1).unwrap();
        Some((place.line, place.column, line.chars().nth(usize::try_from(place.column).unwrap() - 1).unwrap()))
    }

    #[test]
    fn a_character_of_a_value_is_found_in_the_file_in_every_style() {
        let cases = [
            ("a: .b | x", ".b | x", (1, 9, 'x')),
            ("a: .b |\n  x", ".b | x", (2, 3, 'x')),
            ("b: 1\na: 'it''s ö x'", "it's ö x", (2, 13, 'x')),
            ("a: \"\\\"q\\\" \\u00e9\\n  x\"", "\"q\" é\n  x", (1, 21, 'x')),
            ("a: \"\\x78\"", "x", (1, 5, '\\')),
            ("a: |\n  one\n\n    x y\n", "one\n\n  x y\n", (4, 5, 'x')),
            ("a: >- # folded\n  one\n  two x\n", "one two x", (3, 7, 'x')),
            ("{ \"a\": \".b\\\\x\" }", ".b\\x", (1, 13, 'x')),
        ];
        for (file, scalar, expected) in cases {
            assert_eq!(found(file, scalar), Some(expected), "{file}");
        }
    }

    #[test]
    fn the_end_of_a_value_is_after_its_last_character_and_what_is_not_there_is_nowhere() {
        let place = |file: &str, scalar: &str, column| {
            let place = Places::of_documents(file)[0].inside(file, "a", scalar, 1, column)?;
            Some((place.line, place.column))
        };
        assert_eq!(place("a: '1 +'", "1 +", 4), Some((1, 8)));
        assert_eq!(place("a: '1 +'", "2 +", 3), None);
        assert_eq!(place("b: &here x\na: *here", "x", 1).map(|(line, _)| line), None);
    }
}
