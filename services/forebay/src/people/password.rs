//! Reading passwords without showing them.

use crate::error::Error;
use crate::output::note;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use forebay_contract::Secret;
use std::io::IsTerminal;

/// Reads a password twice, without an echo.
pub(super) fn from_terminal() -> Result<Secret, Error> {
    if !std::io::stdin().is_terminal() {
        let text = "there is no terminal to ask for the password: add --password-stdin";
        return Err(Error::Usage(text.to_owned()));
    }
    let password = read("Password:")?;
    if password == read("Repeat the password:")? {
        Ok(password)
    } else {
        Err(Error::Failed("the passwords differ: nothing was changed".to_owned()))
    }
}

fn read(prompt: &str) -> Result<Secret, Error> {
    note(prompt);
    terminal::enable_raw_mode().map_err(failed)?;
    let line = line();
    terminal::disable_raw_mode().map_err(failed)?;
    line.map_err(failed)?.map(Secret::from).ok_or_else(|| Error::Failed("cancelled: nothing was changed".to_owned()))
}

/// Reads a line; `None`: the user has cancelled.
fn line() -> std::io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Enter => return Ok(Some(text)),
                KeyCode::Esc => return Ok(None),
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(None),
                KeyCode::Char(c) => text.push(c),
                KeyCode::Backspace => drop(text.pop()),
                _ => {}
            },
            _ => {}
        }
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { doing: "cannot read the password".to_owned(), source }
}
