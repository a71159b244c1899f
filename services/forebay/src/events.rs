//! Server-sent events, which arrive in pieces.

use std::collections::VecDeque;

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Joins pieces to events. Comments are left out.
#[derive(Debug, Default)]
pub(crate) struct Events {
    rest: Vec<u8>,
    name: String,
    data: String,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            if !self.name.is_empty() || !self.data.is_empty() {
                self.ready.push_back(Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_wherever_their_pieces_were_cut() {
        let text =
            ": following\n\nevent: executions\ndata: [1,\ndata: \"å\"]\n\n: still here\n\nevent: missed\r\ndata: {}\r\n\r\n".as_bytes();
        for cut in 0..text.len() {
            let mut events = Events::default();
            events.push(&text[..cut]);
            events.push(&text[cut..]);
            let all: Vec<Event> = std::iter::from_fn(|| events.next()).collect();
            let of = |name: &str, data: &str| Event { name: name.to_owned(), data: data.to_owned() };
            assert_eq!(all, [of("executions", "[1,\n\"å\"]"), of("missed", "{}")]);
        }
    }
}
