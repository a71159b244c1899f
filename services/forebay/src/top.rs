//! `forebay top`: how the installation does, on one screen.

mod frame;

use crate::api::{Api, Part};
use crate::error::Error;
use crate::output::write;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, terminal};
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two looks at the installation.
const REFRESH: Duration = Duration::from_secs(2);
/// A key waits no longer than this.
const KEYS: Duration = Duration::from_millis(100);
/// Latest executions that are shown.
const LATEST: u32 = 20;

/// What one frame shows; of what the person may not see, the reason.
pub(crate) struct Seen {
    pub(crate) traffic: Result<Vec<Value>, String>,
    pub(crate) queues: Result<Vec<Value>, String>,
    pub(crate) workers: Result<Vec<Value>, String>,
    pub(crate) triggers: Result<Vec<Value>, String>,
    pub(crate) latest: Result<Vec<Value>, String>,
}

/// One frame with `once` or where the output is no terminal; else until `q`.
pub(crate) async fn top(api: &Api, once: bool) -> Result<(), Error> {
    if once || !std::io::stdout().is_terminal() {
        return write(&frame::lines(&look(api).await?, jiff::Timestamp::now()).join("\n"));
    }
    let mut seen = look(api).await?;
    let _screen = Screen::enter()?;
    let (mut place, mut away) = (0_usize, None);
    loop {
        let looked_at = Instant::now();
        let mut lines = frame::lines(&seen, jiff::Timestamp::now());
        if let Some(why) = &away {
            lines.insert(0, format!("! {why}"));
        }
        while looked_at.elapsed() < REFRESH {
            place = draw(&lines, place)?;
            match key().await? {
                Some(Key::End) => return Ok(()),
                Some(Key::By(lines)) => place = place.saturating_add_signed(lines),
                None => {}
            }
        }
        match look(api).await {
            Ok(new) => (seen, away) = (new, None),
            Err(error) if error.is_passing() => away = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
}

async fn look(api: &Api) -> Result<Seen, Error> {
    let all: &[Part<'_>] = &[];
    let halves = tokio::join!(
        api.get("monitor/traffic", all),
        api.list("monitor/queues", all),
        api.list("monitor/workers", all),
        api.list("triggers", all),
        api.list_some("executions", all, LATEST),
    );
    let traffic = halves.0.map(|mut page| match page["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    });
    Ok(Seen {
        traffic: allowed(traffic)?,
        queues: allowed(halves.1)?,
        workers: allowed(halves.2)?,
        triggers: allowed(halves.3)?,
        latest: allowed(halves.4)?,
    })
}

/// A part that the person may not see is left out; anything else ends the frame.
fn allowed(found: Result<Vec<Value>, Error>) -> Result<Result<Vec<Value>, String>, Error> {
    match found {
        Ok(items) => Ok(Ok(items)),
        Err(Error::Refused { status: 403, text }) => Ok(Err(text)),
        Err(error) => Err(error),
    }
}

enum Key {
    End,
    /// Scrolls by lines.
    By(isize),
}

async fn key() -> Result<Option<Key>, Error> {
    let read = tokio::task::spawn_blocking(|| if event::poll(KEYS)? { event::read().map(Some) } else { Ok(None) });
    let read = read.await.map_err(|error| Error::Failed(format!("cannot read keys: {error}")))?.map_err(failed)?;
    let Some(Event::Key(key)) = read.filter(|event| matches!(event, Event::Key(key) if key.kind != KeyEventKind::Release)) else {
        return Ok(None);
    };
    Ok(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::End),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::End),
        KeyCode::Up => Some(Key::By(-1)),
        KeyCode::Down => Some(Key::By(1)),
        KeyCode::PageUp => Some(Key::By(-10)),
        KeyCode::PageDown => Some(Key::By(10)),
        KeyCode::Home => Some(Key::By(isize::MIN)),
        _ => None,
    })
}

/// Draws what fits from `place` on; where it can begin at most.
fn draw(lines: &[String], place: usize) -> Result<usize, Error> {
    let (width, height) = terminal::size().map_err(failed)?;
    let (width, body) = (usize::from(width), usize::from(height).saturating_sub(1));
    let place = place.min(lines.len().saturating_sub(body));
    let mut stdout = std::io::stdout().lock();
    let mut drawing = || -> std::io::Result<()> {
        queue!(stdout, cursor::MoveTo(0, 0))?;
        for line in lines.iter().skip(place).take(body) {
            let cut: String = line.chars().take(width).collect();
            write!(stdout, "{cut}")?;
            queue!(stdout, terminal::Clear(terminal::ClearType::UntilNewLine))?;
            write!(stdout, "\r\n")?;
        }
        queue!(stdout, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        write!(stdout, "q ends, arrows scroll")?;
        stdout.flush()
    };
    drawing().map_err(failed)?;
    Ok(place)
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { doing: "cannot use the terminal".to_owned(), source }
}

/// The terminal's other screen, without the echo of keys; dropped, all is as it was.
struct Screen;

impl Screen {
    fn enter() -> Result<Self, Error> {
        terminal::enable_raw_mode().map_err(failed)?;
        let screen = Self;
        execute!(std::io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).map_err(failed)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Without a terminal there is nothing to put back.
        let _ = execute!(std::io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
