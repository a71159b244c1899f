//! Writes, moves and deletes files: incomplete files are removed again, and files are replaced only where that is allowed.

use super::session::{Session, SftpSessions, failed};
use super::{Earlier, is, read};
use crate::Target;
use deadpool::managed::Manager;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use std::time::Duration;
use uuid::Uuid;

/// Maximum bytes of a write that every server accepts (draft-ietf-secsh-filexfer-02, section 3).
const WRITE_BYTES: usize = 32 * 1024;
const WRITES_AT_ONCE: usize = 16;
/// Maximum time for removing the leftover of a failed step.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A file to write.
pub(super) struct Put<'a> {
    pub path: &'a str,
    pub bytes: &'a [u8],
    /// An id that is the same for each attempt of a step.
    pub id: &'a str,
    pub overwrite: bool,
    /// True if it is written under a temporary name first.
    pub rename: bool,
}

/// The incomplete file that a step would leave if it ended now.
pub(super) struct Leftover {
    sessions: SftpSessions,
    file: Mutex<Option<Unfinished>>,
}

struct Unfinished {
    path: String,
    /// True if no other attempt writes to this path, so that it may be removed at any time.
    is_own: bool,
}

impl Leftover {
    pub(super) fn none(sessions: SftpSessions) -> Self {
        Self { sessions, file: Mutex::default() }
    }

    fn is(&self, path: &str, is_own: bool) {
        *self.file.lock() = Some(Unfinished { path: path.to_owned(), is_own });
    }

    fn is_gone(&self) {
        self.take();
    }

    fn path(&self) -> Option<String> {
        self.file.lock().as_ref().map(|file| file.path.clone())
    }

    fn take(&self) -> Option<Unfinished> {
        self.file.lock().take()
    }

    /// Removes the leftover, in another session: the state of the earlier session is unknown.
    pub(super) async fn remove(&self) {
        if let Some(file) = self.take() {
            remove(self.sessions.clone(), file.path).await;
        }
    }
}

impl Drop for Leftover {
    /// Removes the leftover if the step was cancelled.
    fn drop(&mut self) {
        let (Some(file), Ok(runtime)) = (self.take(), tokio::runtime::Handle::try_current()) else { return };
        if file.is_own {
            runtime.spawn(remove(self.sessions.clone(), file.path));
        }
    }
}

async fn remove(sessions: SftpSessions, path: String) {
    let removal = async {
        let session = sessions.create().await.map_err(|error| error.message)?;
        match session.files.remove(path.as_str()).await {
            Err(error) if !is(&error, StatusCode::NoSuchFile) => Err(error.to_string()),
            _ => Ok(()),
        }
    };
    let removed = tokio::time::timeout(CLEANUP_TIMEOUT, removal).await.unwrap_or_else(|_| Err("the server did not answer".to_owned()));
    if let Err(error) = removed {
        tracing::warn!(sftp.path = path, error, "an unfinished file is left on the server until the step is tried again");
    }
}

/// Returns the mark of an output that an earlier attempt may have caused.
pub(super) fn assumed() -> (&'static str, Value) {
    ("assumed", Value::from(true))
}

/// Writes a file. Returns `true` if an earlier attempt did it.
pub(super) async fn put(
    target: &Target<'_>,
    session: &Session,
    file: &Put<'_>,
    earlier: Earlier<'_>,
    leftover: &Leftover,
) -> Result<bool, ExecutionError> {
    let Put { path, bytes, .. } = *file;
    if !file.overwrite && exists(target, session, path).await? {
        // Only the content shows it.
        let is_done = earlier.may_have_done_it && read(target, session, path, bytes.len()).await.is_ok_and(|there| there == bytes);
        return if is_done { Ok(true) } else { Err(is_there(target, path)) };
    }
    (earlier.in_doubt)(true);
    let mut has_begun = false;
    let written = if file.rename {
        write_and_rename(session, file, earlier, leftover).await
    } else {
        write_there(session, file, leftover, &mut has_begun).await
    };
    let Err(error) = written else { return Ok(false) };
    // Within the session, requests are ordered; another session is needed only if this one has ended.
    if let Some(unfinished) = leftover.path()
        && matches!(error, SftpError::Status(_))
        && removed(session, &unfinished).await
    {
        leftover.is_gone();
        has_begun = false;
    }
    if matches!(error, SftpError::Status(_)) {
        (earlier.in_doubt)(false);
        if !file.overwrite && exists(target, session, path).await.unwrap_or(false) {
            return Err(is_there(target, path));
        }
    }
    let error = failed(target, &format!("{path} could not be written"), &error);
    let message = if has_begun { format!("{}; a part of it may be there", error.message) } else { error.message };
    Err(ExecutionError { message, ..error })
}

/// Writes a file under a temporary name, so that nobody reads an incomplete file, and renames it.
async fn write_and_rename(session: &Session, file: &Put<'_>, earlier: Earlier<'_>, leftover: &Leftover) -> Result<(), SftpError> {
    let mark = format!(".forebay-{}-", Uuid::new_v5(&Uuid::NAMESPACE_OID, file.id.as_bytes()).simple());
    let folder = file.path.rsplit_once('/').map(|(folder, _)| folder);
    let beside = |name: &str| folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"));
    if earlier.may_have_done_it {
        match marked(session, folder, &mark).await {
            Ok(names) => {
                for name in names {
                    removed(session, &beside(&name)).await;
                }
            }
            // The folder may be write-only.
            Err(SftpError::Status(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // Each attempt has its own name, so that a late removal does not affect another attempt.
    let unfinished = beside(&format!("{mark}{}.part", Uuid::new_v4().simple()));
    leftover.is(&unfinished, true);
    write(session, &unfinished, OpenFlags::TRUNCATE, file.bytes).await?;
    if file.overwrite {
        session.rename(&unfinished, file.path).await?
    } else {
        session.rename_to_new(&unfinished, file.path).await?
    }
    leftover.is_gone();
    Ok(())
}

/// Returns the leftovers of interrupted attempts of the same step in the folder.
async fn marked(session: &Session, folder: Option<&str>, mark: &str) -> Result<Vec<String>, SftpError> {
    let folder = match folder {
        None => ".",
        Some("") => "/",
        Some(folder) => folder,
    };
    let handle = session.files.opendir(folder).await?.handle;
    let mut names = Vec::new();
    loop {
        match session.files.readdir(handle.as_str()).await {
            Ok(some) => names.extend(some.files.into_iter().map(|file| file.filename).filter(|name| name.starts_with(mark))),
            Err(error) if is(&error, StatusCode::Eof) => break,
            Err(error) => return Err(error),
        }
    }
    session.files.close(handle).await?;
    Ok(names)
}

/// Writes a file in place, for servers that do not allow renames. `has_begun`: the file is of this attempt, complete or not.
async fn write_there(session: &Session, file: &Put<'_>, leftover: &Leftover, has_begun: &mut bool) -> Result<(), SftpError> {
    let flag = if file.overwrite { OpenFlags::TRUNCATE } else { OpenFlags::EXCLUDE };
    let handle = open(session, file.path, flag).await?;
    *has_begun = true;
    // A file that existed before is not removed: another attempt may have completed it.
    if !file.overwrite {
        leftover.is(file.path, false);
    }
    fill(session, handle, file.bytes).await?;
    leftover.is_gone();
    Ok(())
}

async fn write(session: &Session, path: &str, flag: OpenFlags, bytes: &[u8]) -> Result<(), SftpError> {
    let handle = open(session, path, flag).await?;
    fill(session, handle, bytes).await
}

async fn open(session: &Session, path: &str, flag: OpenFlags) -> Result<String, SftpError> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | flag;
    Ok(session.files.open(path, flags, FileAttributes::empty()).await?.handle)
}

async fn fill(session: &Session, handle: String, bytes: &[u8]) -> Result<(), SftpError> {
    let mut offset = 0;
    for batch in bytes.chunks(WRITE_BYTES * WRITES_AT_ONCE) {
        let mut writes = Vec::with_capacity(WRITES_AT_ONCE);
        for chunk in batch.chunks(WRITE_BYTES) {
            writes.push(session.files.write(handle.clone(), offset, chunk.to_vec()));
            offset += chunk.len() as u64;
        }
        try_join_all(writes).await?;
    }
    session.files.close(handle).await?;
    Ok(())
}

async fn removed(session: &Session, path: &str) -> bool {
    let removal = session.files.remove(path).await;
    removal.is_ok() || removal.is_err_and(|error| is(&error, StatusCode::NoSuchFile))
}

async fn exists(target: &Target<'_>, session: &Session, path: &str) -> Result<bool, ExecutionError> {
    match session.files.lstat(path).await {
        Ok(_) => Ok(true),
        Err(error) if is(&error, StatusCode::NoSuchFile) => Ok(false),
        Err(error) => Err(failed(target, &format!("{path} could not be looked for"), &error)),
    }
}

fn is_there(target: &Target<'_>, path: &str) -> ExecutionError {
    let message = format!("{target}: {path} is there already, and the step has overwrite: false; choose another name, or move it away");
    ExecutionError::permanent(ErrorCode::Remote, message)
}

pub(super) async fn move_file(
    target: &Target<'_>,
    session: &Session,
    path: &str,
    to: &str,
    overwrite: bool,
    earlier: Earlier<'_>,
) -> Result<Value, ExecutionError> {
    let done = || Value::object([("path", Value::string(to))]);
    let done_before = || Value::object([("path", Value::string(to)), assumed()]);
    if !overwrite && exists(target, session, to).await? {
        let is_done = earlier.may_have_done_it && is_moved(session, path, to).await;
        return if is_done { Ok(done_before()) } else { Err(is_there(target, to)) };
    }
    (earlier.in_doubt)(true);
    let moved = if overwrite { session.rename(path, to).await } else { session.rename_to_new(path, to).await };
    let Err(error) = moved else { return Ok(done()) };
    if matches!(error, SftpError::Status(_)) {
        (earlier.in_doubt)(false);
        if earlier.may_have_done_it && is_moved(session, path, to).await {
            return Ok(done_before());
        }
        if !overwrite && exists(target, session, to).await.unwrap_or(false) {
            return Err(is_there(target, to));
        }
    }
    Err(failed(target, &format!("{path} could not be moved to {to}"), &error))
}

async fn is_moved(session: &Session, path: &str, to: &str) -> bool {
    let is_gone = session.files.lstat(path).await.is_err_and(|error| is(&error, StatusCode::NoSuchFile));
    is_gone && session.files.lstat(to).await.is_ok()
}

pub(super) async fn delete(target: &Target<'_>, session: &Session, path: &str, earlier: Earlier<'_>) -> Result<Value, ExecutionError> {
    (earlier.in_doubt)(true);
    let error = match session.files.remove(path).await {
        Ok(_) => return Ok(Value::object([("deleted", Value::from(true))])),
        Err(error) => error,
    };
    if matches!(error, SftpError::Status(_)) {
        (earlier.in_doubt)(false);
    }
    match is(&error, StatusCode::NoSuchFile) {
        true if earlier.may_have_done_it => Ok(Value::object([("deleted", Value::from(true)), assumed()])),
        true => Ok(Value::object([("deleted", Value::from(false))])),
        false => Err(failed(target, &format!("{path} could not be deleted"), &error)),
    }
}
