//! Files of an SFTP server (version 3 of the protocol, which OpenSSH and most others speak).

mod names;
mod path;
mod session;
mod write;

pub use path::{RemotePath, type_of};
pub(crate) use session::SftpSessions;

use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::{Bounds, Connectors, Target};
use data_encoding::BASE64;
use forebay_contract::body::{BodyRule, Reading};
use forebay_contract::connection::{Connection, ConnectionKind, SftpConnection, SftpLogin};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use forebay_mapping::body::read_body;
use forebay_mapping::weight;
use futures_util::future::BoxFuture;
use names::{is_utf8, name_of as raw_name};
use path::{fits, joined, name_of, resolved};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use session::{Session, failed};
use std::sync::Arc;
use write::{Leftover, Put, assumed, delete, move_file, put};

/// Maximum sessions of one process with one server: each runs one step after another.
const MAX_SESSIONS: usize = 8;
/// Bytes of one read request. A server may return fewer; OpenSSH never returns more.
const READ_BYTES: u32 = 255 * 1024;
/// Approximate bytes of an entry of a list besides its name.
const ENTRY_BYTES: usize = 200;

impl Connector for SftpConnection {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn conceal(&self, concealment: &mut Concealment) {
        match &self.login {
            SftpLogin::Password(password) => concealment.add_secret(password.expose()),
            SftpLogin::PrivateKey { key, passphrase } => {
                concealment.add_secret(key.expose());
                passphrase.iter().for_each(|passphrase| concealment.add_secret(passphrase.expose()));
            }
        }
    }

    /// SSH has no TLS, so this advice is never shown.
    fn tls_advice(&self) -> TlsAdvice {
        TlsAdvice { takes_certificate: false, in_clear: "`tls: disable`" }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(check(self, test))
    }
}

async fn check(sftp: &SftpConnection, Test { connectors, connection, .. }: Test<'_>) -> Result<String, ExecutionError> {
    let target = Target(connection);
    let session = Session::open(connectors.reach(), &target, sftp).await?;
    let folder = if sftp.folder.is_empty() { "." } else { &sftp.folder };
    let found = session.files.stat(folder).await;
    let found = found.map_err(|error| failed(&target, &format!("the folder '{folder}' cannot be used"), &error))?;
    if !found.attrs.is_dir() {
        return Err(ExecutionError::permanent(ErrorCode::Connection, format!("{target}: '{folder}' is no folder; check folder")));
    }
    Ok(format!("file server, folder '{folder}', as '{}'", sftp.username))
}

/// An operation on files.
#[derive(Debug, Clone)]
pub enum FileAction {
    /// Returns `[{ name, path, size, modifiedAt, isFolder }]`, sorted by name; with `nameBase64` if the name is not UTF-8.
    List {
        /// The folder.
        path: RemotePath,
        /// A pattern of names with `*` and `?`.
        pattern: Option<String>,
    },
    /// Returns `{ name, path, size, body }`.
    Get {
        /// The file.
        path: RemotePath,
        /// The rule of reading; it takes precedence over the media type of the file name's extension.
        rule: BodyRule,
    },
    /// Returns `{ path, size }`; see [`Earlier`].
    Put {
        /// The file.
        path: RemotePath,
        /// Its content.
        bytes: bytes::Bytes,
        /// An id that is the same for each attempt of a step; it is part of the temporary name.
        id: String,
        /// True if it may replace an existing file.
        overwrite: bool,
        /// True if it is written under a temporary name first, so that nobody reads an incomplete file.
        rename: bool,
    },
    /// Returns `{ path }`; see [`Earlier`].
    Move {
        /// The file.
        path: RemotePath,
        /// Its new path.
        to: RemotePath,
        /// True if it may replace an existing file.
        overwrite: bool,
    },
    /// Returns `{ deleted }`; see [`Earlier`].
    Delete {
        /// The file.
        path: RemotePath,
    },
}

/// The earlier attempts of a step that writes, moves or deletes. If one of them may have done it, and the files are in the state after it,
/// the step counts as done; the output has `assumed: true`, since it is unknown who did it.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    /// An earlier attempt was interrupted, perhaps after it was done.
    pub may_have_done_it: bool,
    /// Called with `true` before the request is sent, and with `false` once the server has refused it.
    pub in_doubt: &'a (dyn Fn(bool) + Send + Sync),
}

impl Earlier<'static> {
    /// The first attempt, without a callback.
    pub const NONE: Self = Self { may_have_done_it: false, in_doubt: &|_| {} };
}

impl Connectors {
    /// Runs one operation on files of the server.
    ///
    /// # Errors
    /// `Mapping` for invalid paths, `Remote` if the server refuses the operation, `Limit` for files that are too large, `Body` for files
    /// that are not valid for their type, `Connection` for a wrong host key or login.
    pub async fn sftp(
        &self,
        connection: &Arc<Connection>,
        action: FileAction,
        earlier: Earlier<'_>,
        bounds: Bounds,
    ) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Sftp(sftp) = &connection.kind else { return Err(target.is_no("file server (sftp)")) };
        let effect = match &action {
            FileAction::List { .. } | FileAction::Get { .. } => "",
            FileAction::Put { rename: false, .. } => "; the file may be there, or a part of it",
            FileAction::Put { .. } | FileAction::Move { .. } | FileAction::Delete { .. } => "; what was asked for may have been done",
        };
        let make = || SftpSessions::new(connection, sftp, self.reach());
        let leftover = Leftover::none(make());
        let work = async {
            let session = self.sftp_pools().lease(connection, MAX_SESSIONS, make).await?;
            session.set_timeout(bounds.timeout);
            // After a failure a file may still be open in the session, so it is not reused.
            let done = act(&target, sftp, &session, action, earlier, &leftover, bounds.max_bytes).await?;
            session.done();
            Ok(done)
        };
        let ended = tokio::time::timeout(bounds.timeout, work).await;
        leftover.remove().await;
        ended.unwrap_or_else(|_| {
            let message = format!("{target} did not end within {}{effect}", format_duration(bounds.timeout));
            Err(ExecutionError::transient(ErrorCode::Timeout, message))
        })
    }
}

async fn act(
    target: &Target<'_>,
    sftp: &SftpConnection,
    session: &Session,
    action: FileAction,
    earlier: Earlier<'_>,
    leftover: &Leftover,
    max_bytes: usize,
) -> Result<Value, ExecutionError> {
    match action {
        FileAction::List { path, pattern } => {
            let path = resolved(&path, &sftp.folder, true)?;
            list(target, session, &path, pattern.as_deref(), max_bytes).await
        }
        FileAction::Get { path, rule } => {
            let path = resolved(&path, &sftp.folder, false)?;
            let bytes = read(target, session, &path, max_bytes).await?;
            let content_type = type_of(&path);
            let size = count(bytes.len());
            let is_read = move || read_body(Reading { rule: &rule, max_bytes }, content_type, None, &bytes);
            let body = weight::run(weight::are_many(usize::try_from(size).unwrap_or_default()), is_read).await?;
            let body = body.map_err(|error| ExecutionError::permanent(ErrorCode::Body, format!("{target}: {path}: {error}")))?;
            let name = Value::string(name_of(&path));
            Ok(Value::object([("name", name), ("path", Value::string(path)), ("size", Value::from(size)), ("body", body)]))
        }
        FileAction::Put { path, bytes, id, overwrite, rename } => {
            let path = resolved(&path, &sftp.folder, false)?;
            let file = Put { path: &path, bytes: &bytes, id: &id, overwrite, rename };
            let was_done = put(target, session, &file, earlier, leftover).await?;
            let members = [("path", Value::string(path)), ("size", Value::from(count(bytes.len())))];
            Ok(Value::object(members.into_iter().chain(was_done.then(assumed))))
        }
        FileAction::Move { path, to, overwrite } => {
            let (path, to) = (resolved(&path, &sftp.folder, false)?, resolved(&to, &sftp.folder, false)?);
            move_file(target, session, &path, &to, overwrite, earlier).await
        }
        FileAction::Delete { path } => {
            let path = resolved(&path, &sftp.folder, false)?;
            delete(target, session, &path, earlier).await
        }
    }
}

async fn list(
    target: &Target<'_>,
    session: &Session,
    path: &str,
    pattern: Option<&str>,
    max_bytes: usize,
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
            if bytes > max_bytes {
                let message = format!("{target}: the folder {path} holds too many files to list; use a pattern");
                return Err(ExecutionError::permanent(ErrorCode::Limit, message));
            }
            entries.push((file.filename, file.attrs));
        }
    }
    // The file was read completely, so the result of closing it does not matter.
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
        let raw = (!is_utf8(&name)).then(|| ("nameBase64", Value::string(BASE64.encode(&raw_name(&name)))));
        let members = [
            ("name", Value::string(name)),
            ("path", Value::string(file)),
            ("size", attributes.size.map_or(Value::NULL, |size| Value::from(i64::try_from(size).unwrap_or(i64::MAX)))),
            ("modifiedAt", modified.map_or(Value::NULL, |time| Value::string(time.to_string()))),
            ("isFolder", Value::from(attributes.is_dir())),
        ];
        output.push(Value::object(members.into_iter().chain(raw)));
    }
    Ok(Value::array(output))
}

pub(super) async fn read(target: &Target<'_>, session: &Session, path: &str, max_bytes: usize) -> Result<Vec<u8>, ExecutionError> {
    let wrong = |error: SftpError| failed(target, &format!("{path} could not be read"), &error);
    let too_large = || ExecutionError::permanent(ErrorCode::Limit, format!("{target}: {path} has more than {max_bytes} bytes"));
    let attributes = session.files.stat(path).await.map_err(wrong)?.attrs;
    if attributes.is_dir() {
        return Err(ExecutionError::permanent(ErrorCode::Remote, format!("{target}: {path} is a folder")));
    }
    if attributes.size.is_some_and(|size| size > max_bytes as u64) {
        return Err(too_large());
    }
    let handle = session.files.open(path, OpenFlags::READ, FileAttributes::empty()).await.map_err(wrong)?.handle;
    let mut bytes = Vec::new();
    loop {
        match session.files.read(handle.as_str(), bytes.len() as u64, READ_BYTES).await {
            Ok(chunk) if chunk.data.is_empty() => break,
            Ok(chunk) if bytes.len() + chunk.data.len() > max_bytes => return Err(too_large()),
            Ok(chunk) => bytes.extend_from_slice(&chunk.data),
            Err(error) if is(&error, StatusCode::Eof) => break,
            Err(error) => return Err(wrong(error)),
        }
    }
    let _ = session.files.close(handle).await;
    Ok(bytes)
}

pub(super) fn is(error: &SftpError, code: StatusCode) -> bool {
    matches!(error, SftpError::Status(status) if status.status_code == code)
}

fn count(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
