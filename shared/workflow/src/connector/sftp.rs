//! Files of an SFTP server (version 3 of the protocol, which OpenSSH and most others speak).

use super::sftp_path::{RemotePath, fits, joined, name_of, resolved, type_of};
use super::sftp_session::{Session, SftpSessions, failed};
use super::{Bounds, Connectors, Target};
use crate::body::read_body;
use crate::failure::{permanent, transient};
use crate::mapping::Value;
use crate::weight;
use forebay_contract::connection::{Connection, ConnectionKind, SftpConnection};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use futures_util::future::try_join_all;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use std::sync::Arc;
use uuid::Uuid;

/// Sessions of one process with one server: each does one step after the other.
const MOST_SESSIONS: usize = 8;
/// A read may give less; none may give more than this with OpenSSH.
const READ_BYTES: u32 = 255 * 1024;
/// What every server takes (draft-ietf-secsh-filexfer-02, section 3).
const WRITE_BYTES: usize = 32 * 1024;
const WRITES_AT_ONCE: usize = 16;
/// What an entry of a list takes beside its name, about.
const ENTRY_BYTES: usize = 200;

/// What is to be done.
#[derive(Debug, Clone)]
pub enum FileAction {
    /// `[{ name, path, size, modifiedAt, isFolder }]`, by name.
    List {
        /// The folder.
        path: RemotePath,
        /// A pattern of names with `*` and `?`.
        pattern: Option<String>,
    },
    /// `{ name, path, size, body }`.
    Get {
        /// The file.
        path: RemotePath,
        /// Its media type; absent: by the name's ending.
        content_type: Option<String>,
    },
    /// `{ path, size }`.
    Put {
        /// The file.
        path: RemotePath,
        /// Its content.
        bytes: bytes::Bytes,
        /// The same for the same content of the same step: names what is written before the file has its name.
        id: String,
    },
    /// `{ path }`; see [`Earlier`].
    Move {
        /// The file.
        path: RemotePath,
        /// Its new path.
        to: RemotePath,
    },
    /// `{ deleted }`; see [`Earlier`].
    Delete {
        /// The file.
        path: RemotePath,
    },
}

/// What is known of earlier attempts of a step that moves or deletes. Where one may have done it, and all is as it would have left it, it
/// is taken as done: the output has `assumed: true` then, since nobody knows who did it.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    /// An earlier attempt was broken off, perhaps after it was done.
    pub may_have_done_it: bool,
    /// Called with `true` before the server is asked, with `false` once it has said no.
    pub in_doubt: &'a (dyn Fn(bool) + Send + Sync),
}

impl Earlier<'static> {
    /// The first attempt, whose end nobody asks for.
    pub const NONE: Self = Self { may_have_done_it: false, in_doubt: &|_| {} };
}

impl Connectors {
    /// Does one thing with files of the server.
    ///
    /// # Errors
    /// `Mapping` for paths that cannot be, `Remote` for what the server refuses, `Limit` for files that are too large, `Body` for
    /// files that are not what their type says, `Connection` for a host key or a login that is not right.
    pub async fn sftp(
        &self,
        connection: &Arc<Connection>,
        action: FileAction,
        earlier: Earlier<'_>,
        bounds: Bounds,
    ) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Sftp(sftp) = &connection.kind else { return Err(target.is_no("file server (sftp)")) };
        let changes = !matches!(action, FileAction::List { .. } | FileAction::Get { .. });
        let work = async {
            let make = || SftpSessions::new(connection, sftp, self.reach());
            let session = self.sftp_pools().lease(connection, MOST_SESSIONS, make).await?;
            session.set_timeout(bounds.timeout);
            // After a failure a file may be open there: the session is not used again.
            let done = act(&target, sftp, &session, action, earlier, bounds.most_bytes).await?;
            session.done();
            Ok(done)
        };
        tokio::time::timeout(bounds.timeout, work).await.unwrap_or_else(|_| {
            let effect = if changes { "; what was asked for may have been done" } else { "" };
            let message = format!("{target} did not end within {}{effect}", format_duration(bounds.timeout));
            Err(transient(ErrorCode::Timeout, message))
        })
    }
}

async fn act(
    target: &Target<'_>,
    sftp: &SftpConnection,
    session: &Session,
    action: FileAction,
    earlier: Earlier<'_>,
    most_bytes: usize,
) -> Result<Value, ExecutionError> {
    match action {
        FileAction::List { path, pattern } => {
            let path = resolved(&path, &sftp.folder, true)?;
            list(target, session, &path, pattern.as_deref(), most_bytes).await
        }
        FileAction::Get { path, content_type } => {
            let path = resolved(&path, &sftp.folder, false)?;
            let bytes = read(target, session, &path, most_bytes).await?;
            let content_type = content_type.or_else(|| type_of(&path).map(str::to_owned));
            let size = count(bytes.len());
            let is_read = move || read_body(content_type.as_deref(), None, &bytes, most_bytes);
            let body = weight::run(weight::are_many(usize::try_from(size).unwrap_or_default()), is_read).await?;
            let body = body.map_err(|error| permanent(ErrorCode::Body, format!("{target}: {path}: {error}")))?;
            let name = Value::string(name_of(&path));
            Ok(Value::object([("name", name), ("path", Value::string(path)), ("size", Value::from(size)), ("body", body)]))
        }
        FileAction::Put { path, bytes, id } => {
            let path = resolved(&path, &sftp.folder, false)?;
            put(target, session, &path, &bytes, &id).await?;
            Ok(Value::object([("path", Value::string(path)), ("size", Value::from(count(bytes.len())))]))
        }
        FileAction::Move { path, to } => {
            let (path, to) = (resolved(&path, &sftp.folder, false)?, resolved(&to, &sftp.folder, false)?);
            move_file(target, session, &path, &to, earlier).await
        }
        FileAction::Delete { path } => {
            let path = resolved(&path, &sftp.folder, false)?;
            delete(target, session, &path, earlier).await
        }
    }
}

/// Marks an output that an earlier attempt may have made.
fn assumed() -> (&'static str, Value) {
    ("assumed", Value::from(true))
}

async fn move_file(target: &Target<'_>, session: &Session, path: &str, to: &str, earlier: Earlier<'_>) -> Result<Value, ExecutionError> {
    (earlier.in_doubt)(true);
    let Err(error) = session.rename(path, to).await else { return Ok(Value::object([("path", Value::string(to))])) };
    if matches!(error, SftpError::Status(_)) {
        (earlier.in_doubt)(false);
        if earlier.may_have_done_it && is_moved(session, path, to).await {
            return Ok(Value::object([("path", Value::string(to)), assumed()]));
        }
    }
    Err(failed(target, &format!("{path} could not be moved to {to}"), &error))
}

async fn is_moved(session: &Session, path: &str, to: &str) -> bool {
    let is_gone = session.files.lstat(path).await.is_err_and(|error| is(&error, StatusCode::NoSuchFile));
    is_gone && session.files.lstat(to).await.is_ok()
}

async fn delete(target: &Target<'_>, session: &Session, path: &str, earlier: Earlier<'_>) -> Result<Value, ExecutionError> {
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

async fn list(
    target: &Target<'_>,
    session: &Session,
    path: &str,
    pattern: Option<&str>,
    most_bytes: usize,
) -> Result<Value, ExecutionError> {
    let wrong = |error: SftpError| failed(target, &format!("the folder {path} could not be listed"), &error);
    let folder = if path.is_empty() { "." } else { path };
    let handle = session.files.opendir(folder).await.map_err(wrong)?.handle;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    loop {
        let names = match session.files.readdir(handle.as_str()).await {
            Ok(names) => names.files,
            Err(error) if is(&error, StatusCode::Eof) => break,
            Err(error) => return Err(wrong(error)),
        };
        for file in names {
            if file.filename == "." || file.filename == ".." || pattern.is_some_and(|pattern| !fits(pattern, &file.filename)) {
                continue;
            }
            bytes += ENTRY_BYTES + file.filename.len() * 2 + path.len();
            if bytes > most_bytes {
                let message = format!("{target}: the folder {path} holds too many files to list; use a pattern");
                return Err(permanent(ErrorCode::Limit, message));
            }
            entries.push((file.filename, file.attrs));
        }
    }
    // Read whole: what the server says of the end changes nothing.
    let _ = session.files.close(handle).await;
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut output = Vec::with_capacity(entries.len());
    for (name, mut attributes) in entries {
        let file = joined(path, &name);
        if attributes.is_symlink()
            && let Ok(followed) = session.files.stat(file.as_str()).await
        {
            attributes = followed.attrs;
        }
        let modified = attributes.mtime.and_then(|seconds| jiff::Timestamp::from_second(i64::from(seconds)).ok());
        output.push(Value::object([
            ("name", Value::string(name)),
            ("path", Value::string(file)),
            ("size", attributes.size.map_or(Value::NULL, |size| Value::from(i64::try_from(size).unwrap_or(i64::MAX)))),
            ("modifiedAt", modified.map_or(Value::NULL, |time| Value::string(time.to_string()))),
            ("isFolder", Value::from(attributes.is_dir())),
        ]));
    }
    Ok(Value::array(output))
}

async fn read(target: &Target<'_>, session: &Session, path: &str, most_bytes: usize) -> Result<Vec<u8>, ExecutionError> {
    let wrong = |error: SftpError| failed(target, &format!("{path} could not be read"), &error);
    let too_large = || permanent(ErrorCode::Limit, format!("{target}: {path} has more than {most_bytes} bytes"));
    let attributes = session.files.stat(path).await.map_err(wrong)?.attrs;
    if attributes.is_dir() {
        return Err(permanent(ErrorCode::Remote, format!("{target}: {path} is a folder")));
    }
    if attributes.size.is_some_and(|size| size > most_bytes as u64) {
        return Err(too_large());
    }
    let handle = session.files.open(path, OpenFlags::READ, FileAttributes::empty()).await.map_err(wrong)?.handle;
    let mut bytes = Vec::new();
    loop {
        match session.files.read(handle.as_str(), bytes.len() as u64, READ_BYTES).await {
            Ok(chunk) if chunk.data.is_empty() => break,
            Ok(chunk) if bytes.len() + chunk.data.len() > most_bytes => return Err(too_large()),
            Ok(chunk) => bytes.extend_from_slice(&chunk.data),
            Err(error) if is(&error, StatusCode::Eof) => break,
            Err(error) => return Err(wrong(error)),
        }
    }
    let _ = session.files.close(handle).await;
    Ok(bytes)
}

/// Nobody sees the file before it is whole; a repetition writes over what an attempt before it left.
async fn put(target: &Target<'_>, session: &Session, path: &str, bytes: &[u8], id: &str) -> Result<(), ExecutionError> {
    let unfinished = format!(".forebay-{}.part", Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{id} {path}").as_bytes()));
    let unfinished = match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{unfinished}"),
        None => unfinished,
    };
    let result = async {
        write(session, &unfinished, bytes).await?;
        session.rename(&unfinished, path).await
    };
    if let Err(error) = result.await {
        let _ = session.files.remove(unfinished.as_str()).await;
        return Err(failed(target, &format!("{path} could not be written"), &error));
    }
    Ok(())
}

async fn write(session: &Session, path: &str, bytes: &[u8]) -> Result<(), SftpError> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let handle = session.files.open(path, flags, FileAttributes::empty()).await?.handle;
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

pub(super) fn is(error: &SftpError, code: StatusCode) -> bool {
    matches!(error, SftpError::Status(status) if status.status_code == code)
}

fn count(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
