//! Events of one line: a line break in a field must not begin a line that looks like another event.

use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Writes each event to standard error as one line.
pub(super) struct OneLine;

/// Takes one event, which the formatter writes at once.
pub(super) struct Event(io::Stderr);

impl MakeWriter<'_> for OneLine {
    type Writer = Event;

    fn make_writer(&self) -> Event {
        Event(io::stderr())
    }
}

impl Write for Event {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns the event with every line break and control character within it escaped as in Rust. The line break at its end stays, and so does
/// the beginning of a colour (ESC), which the formatter itself writes and removes from fields.
fn one_line(event: &[u8]) -> Vec<u8> {
    let (text, end) = event.strip_suffix(b"\n").map_or((event, &b""[..]), |text| (text, b"\n"));
    let mut line = Vec::with_capacity(event.len());
    for byte in text {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' | 0x1b => line.push(*byte),
            0..=0x1f | 0x7f => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            _ => line.push(*byte),
        }
    }
    // NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR begin a line for some readers.
    let mut text = String::from_utf8_lossy(&line).into_owned();
    for (c, escape) in [('\u{85}', "\\u{85}"), ('\u{2028}', "\\u{2028}"), ('\u{2029}', "\\u{2029}")] {
        if text.contains(c) {
            text = text.replace(c, escape);
        }
    }
    [text.as_bytes(), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(one_line("a=b å\n".as_bytes()), "a=b å\n".as_bytes());
        assert_eq!(one_line(b"a=x\ny\r\nz\x08\tq\n"), b"a=x\\ny\\r\\nz\\x08\tq\n");
        assert_eq!(one_line("a=x\u{2028}y\u{85}".as_bytes()), b"a=x\\u{2028}y\\u{85}");
    }
}
