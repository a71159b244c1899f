//! Files of an SFTP server (version 3 of the protocol, which OpenSSH and most others speak): one session a step.

use super::sftp_session::{Session, failed};
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

/// A read may give less; none may give more than this with OpenSSH.
const READ_BYTES: u32 = 255 * 1024;
/// What every server takes (draft-ietf-secsh-filexfer-02, section 3).
const WRITE_BYTES: usize = 32 * 1024;
const WRITES_AT_ONCE: usize = 16;
/// What an entry of a list takes beside its name, about.
const ENTRY_BYTES: usize = 200;

/// A path as a step gives it.
#[derive(Debug, Clone)]
pub struct RemotePath {
    /// Relative paths are under the connection's folder.
    pub text: String,
    /// Whether the path begins with what a mapping gave: it may then not lead out of the connection's folder.
    pub is_inserted: bool,
}

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
    /// `{ path }`.
    Move {
        /// The file.
        path: RemotePath,
        /// Its new path.
        to: RemotePath,
    },
    /// `{ deleted }`.
    Delete {
        /// The file.
        path: RemotePath,
    },
}

impl Connectors {
    /// Does one thing with files of the server.
    ///
    /// # Errors
    /// `Mapping` for paths that cannot be, `Remote` for what the server refuses, `Limit` for files that are too large, `Body` for
    /// files that are not what their type says, `Connection` for a host key or a login that is not right.
    pub async fn sftp(&self, connection: &Arc<Connection>, action: FileAction, bounds: Bounds) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Sftp(sftp) = &connection.kind else { return Err(target.is_no("file server (sftp)")) };
        let changes = !matches!(action, FileAction::List { .. } | FileAction::Get { .. });
        let work = async {
            let session = Session::open(self.reach(), &target, sftp, bounds.timeout).await?;
            let done = act(&target, sftp, &session, action, bounds.most_bytes).await;
            session.end();
            done
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
            session.rename(&path, &to).await.map_err(|error| failed(target, &format!("{path} could not be moved to {to}"), &error))?;
            Ok(Value::object([("path", Value::string(to))]))
        }
        FileAction::Delete { path } => {
            let path = resolved(&path, &sftp.folder, false)?;
            let deleted = match session.files.remove(path.as_str()).await {
                Ok(_) => true,
                Err(error) if is(&error, StatusCode::NoSuchFile) => false,
                Err(error) => return Err(failed(target, &format!("{path} could not be deleted"), &error)),
            };
            Ok(Value::object([("deleted", Value::from(deleted))]))
        }
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
    // The session ends anyway.
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

/// The path on the server.
fn resolved(path: &RemotePath, folder: &str, may_be_empty: bool) -> Result<String, ExecutionError> {
    let RemotePath { text, is_inserted } = path;
    let wrong = |what: &str| Err(permanent(ErrorCode::Mapping, format!("path: '{}' {what}", text.escape_debug())));
    if text.is_empty() && !may_be_empty {
        return wrong("names no file");
    }
    if text.chars().any(char::is_control) {
        return wrong("holds a control character");
    }
    if text.split('/').any(|segment| segment == "..") {
        return wrong("holds the segment `..`, which leads to another folder");
    }
    let folder = folder.strip_suffix('/').unwrap_or(folder);
    if !text.starts_with('/') {
        return Ok(if folder.is_empty() { text.clone() } else { joined(folder, text) });
    }
    let is_under = text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if *is_inserted && !is_under {
        return wrong(&format!("is not under the connection's folder '{folder}'; begin the template with / to allow it"));
    }
    Ok(text.clone())
}

fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ if name.is_empty() => folder.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The media type that the ending of a file's name stands for.
pub(crate) fn type_of(path: &str) -> Option<&'static str> {
    let (_, ending) = name_of(path).rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "xml" => "application/xml",
        "csv" => "text/csv",
        "txt" => "text/plain",
        _ => return None,
    })
}

fn count(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `*` stands for any characters, `?` for one; without a recursion, so that no pattern is slow.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of_name) = (0, 0);
    // The last `*`, and how far the name is taken by it.
    let mut star: Option<(usize, usize)> = None;
    while of_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of_name));
                at += 1;
            }
            Some(character) if *character == '?' || *character == name[of_name] => {
                at += 1;
                of_name += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                of_name = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_whole_name() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.part", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("ö*", "öre", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_a_mapping_inserts_does_not_leave_the_folder() {
        let at = |text: &str, is_inserted, folder| {
            let path = RemotePath { text: text.to_owned(), is_inserted };
            resolved(&path, folder, false).map_err(|error| error.message)
        };
        assert_eq!(at("in/a.xml", true, "/data/"), Ok("/data/in/a.xml".to_owned()));
        assert_eq!(at("/data/a", true, "/data"), Ok("/data/a".to_owned()));
        assert_eq!(at("/etc/a", false, "/data"), Ok("/etc/a".to_owned()));
        assert_eq!(at("a", true, ""), Ok("a".to_owned()));
        for (text, folder) in [("/etc/passwd", "/data"), ("/database/a", "/data"), ("in/../../a", "/data"), ("a\n", ""), ("", "/data")] {
            assert!(at(text, true, folder).is_err(), "{text}");
        }
    }
}
