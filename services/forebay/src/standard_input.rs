//! Secrets from standard input, so that they are not in process lists or the history of a shell.

use crate::error::Error;
use forebay_contract::Secret;
use std::io::BufRead;

/// The value of a flag that means standard input.
const STANDARD_INPUT: &str = "-";

/// Returns the first line, without its line break. `what` is its name for errors, such as `password`.
pub(crate) fn first_line(what: &str) -> Result<Secret, Error> {
    let mut line = String::new();
    let failed = |source| Error::Io { doing: format!("cannot read the {what} from standard input"), source };
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() { Err(Error::Usage(format!("there is no {what} on standard input"))) } else { Ok(Secret::new(line)) }
}

/// Returns the key of `--key`: `-` reads it from standard input.
pub(crate) async fn key(given: Option<Secret>) -> Result<Option<Secret>, Error> {
    match given {
        Some(given) if given.expose() == STANDARD_INPUT => {
            // It may wait for a person, so it needs its own thread.
            let read = tokio::task::spawn_blocking(|| first_line("key")).await;
            read.map_err(|error| Error::Failed(format!("cannot read the key: {error}")))?.map(Some)
        }
        given => Ok(given),
    }
}
