//! Secrets from standard input, so that they are in no list of processes and no history of a shell.

use crate::error::Error;
use std::io::BufRead;

/// Stands for standard input where a flag takes a secret.
const STANDARD_INPUT: &str = "-";

/// The first line, without its break. `what` it is, for errors, such as `password`.
pub(crate) fn first_line(what: &str) -> Result<String, Error> {
    let mut line = String::new();
    let failed = |source| Error::Io { doing: format!("cannot read the {what} from standard input"), source };
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    if line.is_empty() { Err(Error::Usage(format!("there is no {what} on standard input"))) } else { Ok(line) }
}

/// A key as `--key` gives it: `-` reads it from standard input.
pub(crate) async fn key(given: Option<String>) -> Result<Option<String>, Error> {
    match given {
        Some(given) if given == STANDARD_INPUT => {
            // It may wait for a person: not on a thread that others need.
            let read = tokio::task::spawn_blocking(|| first_line("key")).await;
            read.map_err(|error| Error::Failed(format!("cannot read the key: {error}")))?.map(Some)
        }
        given => Ok(given),
    }
}
