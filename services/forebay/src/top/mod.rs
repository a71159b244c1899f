//! `forebay top`: the state of the installation, on one screen.

mod frame;

use self::frame::Contents;
use crate::api::Api;
use crate::error::Error;
use crate::output::write;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, terminal};
use forebay_admin_api::client::ClientError;
use forebay_admin_api::executions::ExecutionFilter;
use forebay_admin_api::monitor::StatisticsQuery;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Interval between two frames.
const REFRESH: Duration = Duration::from_secs(2);
/// Maximum delay of a key press.
const KEYS: Duration = Duration::from_millis(100);
/// Maximum executions, the latest ones.
const LATEST: u32 = 20;

/// Prints one frame with `once` or without a terminal; otherwise runs until `q`.
pub(crate) async fn top(api: &Api, once: bool) -> Result<(), Error> {
    if once || !std::io::stdout().is_terminal() {
        return write(&frame::lines(&read(api).await?, jiff::Timestamp::now()).join("\n"));
    }
    let mut contents = read(api).await?;
    let _screen = Screen::enter()?;
    let (mut place, mut unavailable) = (0_usize, None);
    loop {
        let drawn_at = Instant::now();
        let mut lines = frame::lines(&contents, jiff::Timestamp::now());
        if let Some(reason) = &unavailable {
            lines.insert(0, format!("! {reason}"));
        }
        while drawn_at.elapsed() < REFRESH {
            place = draw(&lines, place)?;
            match key().await? {
                Some(Key::End) => return Ok(()),
                Some(Key::By(lines)) => place = place.saturating_add_signed(lines),
                None => {}
            }
        }
        match read(api).await {
            Ok(new) => (contents, unavailable) = (new, None),
            Err(error) if error.is_temporary() => unavailable = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
}

async fn read(api: &Api) -> Result<Contents, Error> {
    let statistics = StatisticsQuery::default();
    let parts = tokio::join!(
        api.statistics(&statistics),
        api.queues(None),
        api.workers(),
        api.triggers(None),
        api.executions(ExecutionFilter::default(), LATEST),
    );
    Ok(Contents {
        statistics: allowed(parts.0)?,
        queues: allowed(parts.1)?,
        workers: allowed(parts.2)?,
        triggers: allowed(parts.3)?,
        latest: allowed(parts.4)?,
    })
}

/// Returns the reason if the person may not see a part; any other error ends the frame.
fn allowed<T>(found: Result<Vec<T>, ClientError>) -> Result<Result<Vec<T>, String>, Error> {
    match found.map_err(Error::from) {
        Ok(items) => Ok(Ok(items)),
        Err(Error::Refused { status: 403, text }) => Ok(Err(text)),
        Err(error) => Err(error),
    }
}

enum Key {
    End,
    /// Scrolls by this number of lines.
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

/// Draws the lines that fit, from `place`; returns the maximum place.
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
        write!(stdout, "q: quit   arrow keys: scroll")?;
        stdout.flush()
    };
    drawing().map_err(failed)?;
    Ok(place)
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { doing: "cannot use the terminal".to_owned(), source }
}

/// The alternate screen of the terminal, without echo; dropping it restores the terminal.
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
        // Without a terminal there is nothing to restore.
        let _ = execute!(std::io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
