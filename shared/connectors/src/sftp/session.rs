//! SFTP sessions: the host key is checked, the user is signed in, and they are reused.

use super::names::{MAX_RECODED_BYTES, name_of, recoded};
use crate::{Reach, Target, dial};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use forebay_contract::connection::{CONNECT_TIMEOUT, Connection, SftpConnection, SftpLogin};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{Disconnect, MethodKind, Preferred};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::rawsession::RawSftpSession;
use russh_sftp::protocol::{Packet, StatusCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The extension for renames over an existing file, which version 3 of the protocol does not support.
const POSIX_RENAME: &str = "posix-rename@openssh.com";

pub(crate) struct Session {
    pub files: RawSftpSession,
    /// Present until the session ends.
    handle: Option<Handle<HostKey>>,
    renames_over: bool,
}

/// Creates sessions of one connection.
#[derive(Clone)]
pub(crate) struct SftpSessions {
    connection: Arc<Connection>,
    sftp: SftpConnection,
    reach: Reach,
}

impl SftpSessions {
    pub(super) fn new(connection: &Arc<Connection>, sftp: &SftpConnection, reach: &Reach) -> Self {
        Self { connection: Arc::clone(connection), sftp: sftp.clone(), reach: reach.clone() }
    }
}

impl Manager for SftpSessions {
    type Type = Session;
    type Error = ExecutionError;

    async fn create(&self) -> Result<Session, ExecutionError> {
        Session::open(&self.reach, &Target(&self.connection), &self.sftp).await
    }

    /// Sends a request without an effect, to notice a session that the server has ended before a step uses it.
    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<ExecutionError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, session.files.realpath(".")).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(RecycleError::message("the session has ended")),
        }
    }
}

/// Compares the host's key with the key of the connection.
struct HostKey {
    expected: String,
    found: Arc<OnceLock<FoundKey>>,
}

/// A key that the host has presented.
struct FoundKey {
    algorithm: Algorithm,
    fingerprint: String,
}

impl client::Handler for HostKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let is_expected = fingerprint == self.expected.trim_end_matches('=');
        let _ = self.found.set(FoundKey { algorithm: key.public_key().algorithm(), fingerprint });
        Ok(is_expected)
    }
}

/// Connects to a host that proves to have the key of the connection. A host may have keys of several kinds and presents one of the
/// requested kinds, and a fingerprint does not contain its kind. So other kinds are requested until it is the right one.
async fn connect(reach: &Reach, target: &Target<'_>, sftp: &SftpConnection) -> Result<Handle<HostKey>, ExecutionError> {
    let mut shown: Vec<FoundKey> = Vec::new();
    loop {
        let stream = dial::dial(reach, target, &sftp.host, sftp.port).await?;
        let found = Arc::new(OnceLock::new());
        let handler = HostKey { expected: sftp.host_key.trim().to_owned(), found: found.clone() };
        let is_new = |kind: &&Algorithm| shown.iter().all(|key| !is_same_kind(&key.algorithm, kind));
        let kinds: Vec<Algorithm> = Preferred::DEFAULT.key.iter().filter(is_new).cloned().collect();
        if kinds.is_empty() {
            return Err(other_key(target, sftp, &shown));
        }
        let preferred = Preferred { key: kinds.into(), ..Preferred::DEFAULT };
        // The step's timeout and the pool bound its lifetime.
        let config = Arc::new(client::Config { inactivity_timeout: None, preferred, ..client::Config::default() });
        match client::connect_stream(config, stream, handler).await {
            Ok(handle) => return Ok(handle),
            Err(russh::Error::UnknownKey) => match Arc::into_inner(found).and_then(OnceLock::into_inner) {
                Some(key) if !shown.iter().any(|other| is_same_kind(&other.algorithm, &key.algorithm)) => shown.push(key),
                Some(_) | None => return Err(other_key(target, sftp, &shown)),
            },
            // The host has no key of another kind.
            Err(russh::Error::NoCommonAlgo { .. }) if !shown.is_empty() => return Err(other_key(target, sftp, &shown)),
            Err(error) => return Err(broke_off(target, &error)),
        }
    }
}

/// Returns true if the keys are of the same kind; the hash of a signature is not part of the kind.
fn is_same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    match (one, other) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        _ => one == other,
    }
}

fn other_key(target: &Target<'_>, sftp: &SftpConnection, shown: &[FoundKey]) -> ExecutionError {
    let keys: Vec<&str> = shown.iter().map(|key| key.fingerprint.as_str()).collect();
    let named = if keys.len() == 1 { "key" } else { "keys" };
    let message = format!(
        "{target} has the host {named} {}, and the connection's host_key is {}; where the server's key was changed (ask its operator), put \
         the new one into the connection",
        keys.join(", "),
        sftp.host_key
    );
    ExecutionError::permanent(ErrorCode::Connection, message)
}

impl Session {
    /// # Errors
    /// `Connection` for a wrong host key, login or private key; `Unreachable`.
    pub(super) async fn open(reach: &Reach, target: &Target<'_>, sftp: &SftpConnection) -> Result<Self, ExecutionError> {
        let mut handle = connect(reach, target, sftp).await?;
        sign_in(target, sftp, &mut handle).await?;
        let channel = handle.channel_open_session().await.map_err(|error| broke_off(target, &error))?;
        let refused = |error: russh::Error| ExecutionError::permanent(ErrorCode::Remote, format!("{target} offers no SFTP: {error}"));
        channel.request_subsystem(true, "sftp").await.map_err(refused)?;
        let library = russh_sftp::client::Config { max_packet_len: MAX_RECODED_BYTES, ..Default::default() };
        let files = RawSftpSession::new_with_config(recoded(channel.into_stream()), library);
        let version = files.init().await.map_err(|error| failed(target, "offers no SFTP", &error))?;
        Ok(Self { files, handle: Some(handle), renames_over: version.extensions.contains_key(POSIX_RENAME) })
    }

    /// Renames over an existing file; if the server cannot do that in one operation, the existing file is deleted first.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), SftpError> {
        if self.renames_over {
            let mut paths = Vec::with_capacity(from.len() + to.len() + 8);
            for path in [name_of(from), name_of(to)] {
                paths.extend(u32::try_from(path.len()).unwrap_or(u32::MAX).to_be_bytes());
                paths.extend_from_slice(&path);
            }
            return match self.files.extended(POSIX_RENAME, paths).await? {
                Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
                Packet::Status(status) => Err(SftpError::Status(status)),
                _ => Err(SftpError::UnexpectedPacket),
            };
        }
        let Err(error) = self.files.rename(from, to).await else { return Ok(()) };
        // The source must exist, since otherwise the file at the target would be lost.
        if self.files.stat(from).await.is_err() || self.files.remove(to).await.is_err() {
            return Err(error);
        }
        self.files.rename(from, to).await.map(|_| ())
    }

    /// Renames to a path without a file: by version 3 of the protocol a rename fails if the target exists, as in OpenSSH.
    pub(super) async fn rename_to_new(&self, from: &str, to: &str) -> Result<(), SftpError> {
        self.files.rename(from, to).await.map(|_| ())
    }

    /// Sets the timeout of requests, which is that of the step.
    pub(super) fn set_timeout(&self, timeout: Duration) {
        self.files.set_timeout(timeout.as_secs().max(1));
    }
}

impl Drop for Session {
    /// Ends the session without waiting for the response.
    fn drop(&mut self) {
        let (Some(handle), Ok(runtime)) = (self.handle.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
        });
    }
}

async fn sign_in(target: &Target<'_>, sftp: &SftpConnection, handle: &mut Handle<HostKey>) -> Result<(), ExecutionError> {
    let lost = |error: russh::Error| broke_off(target, &error);
    let user = sftp.username.as_str();
    let is_in = match &sftp.login {
        SftpLogin::Password(password) => match handle.authenticate_password(user, password.expose()).await.map_err(lost)? {
            AuthResult::Success => true,
            // Servers that use PAM support no other method.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.contains(&MethodKind::KeyboardInteractive) => {
                answer_prompts(handle, user, password.expose()).await.map_err(lost)?
            }
            AuthResult::Failure { .. } => false,
        },
        SftpLogin::PrivateKey { key, passphrase } => {
            let key = decode_secret_key(key.expose(), passphrase.as_ref().map(|passphrase| passphrase.expose()));
            let key = key.map_err(|error| {
                ExecutionError::permanent(
                    ErrorCode::Connection,
                    format!("{target}: private_key cannot be read (with its passphrase): {error}"),
                )
            })?;
            let hash = handle.best_supported_rsa_hash().await.map_err(lost)?.flatten();
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            handle.authenticate_publickey(user, key).await.map_err(lost)?.success()
        }
    };
    if is_in {
        return Ok(());
    }
    let which = if matches!(sftp.login, SftpLogin::Password(_)) { "password" } else { "private_key" };
    Err(ExecutionError::permanent(ErrorCode::Connection, format!("{target} does not accept the login; check username and {which}")))
}

/// Answers every prompt with the password (RFC 4256).
async fn answer_prompts(handle: &mut Handle<HostKey>, user: &str, password: &str) -> Result<bool, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None).await?;
    // The prompts, then perhaps an empty round; further prompts mean that the password is wrong.
    for _ in 0..3 {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = prompts.iter().map(|_| password.to_owned()).collect();
                answer = handle.authenticate_keyboard_interactive_respond(answers).await?;
            }
        }
    }
    Ok(matches!(answer, KeyboardInteractiveAuthResponse::Success))
}

fn broke_off(target: &Target<'_>, error: &russh::Error) -> ExecutionError {
    ExecutionError::transient(ErrorCode::Unreachable, format!("{target} broke off before anything was done: {}", dial::cause(error)))
}

/// Returns the failure for an error of the server about a file. `Failure` may mean anything, including a full disk.
pub(super) fn failed(target: &Target<'_>, what: &str, error: &SftpError) -> ExecutionError {
    match error {
        SftpError::Status(status) => {
            let said = status.error_message.trim();
            let code = status.status_code;
            let why =
                if said.is_empty() || said.eq_ignore_ascii_case(&code.to_string()) { code.to_string() } else { format!("{code}: {said}") };
            let message = format!("{target}: {what}: {why}");
            let is_for_good =
                matches!(code, StatusCode::NoSuchFile | StatusCode::PermissionDenied | StatusCode::OpUnsupported | StatusCode::BadMessage);
            if is_for_good {
                ExecutionError::permanent(ErrorCode::Remote, message)
            } else {
                ExecutionError::transient(ErrorCode::Remote, message)
            }
        }
        error => ExecutionError::transient(ErrorCode::Unreachable, format!("{target}: {what}: the connection broke off: {error}")),
    }
}
