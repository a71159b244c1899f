//! SMTP sessions: in clear, with STARTTLS or with TLS from the first byte; signed in and reused.

use super::starttls;
use crate::tls::{self, Server};
use crate::{Reach, Target, dial};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use forebay_contract::connection::{CONNECT_TIMEOUT, Connection, SmtpConnection, Tls};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Maximum wait for the response to QUIT, which has no effect.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session. It is ended by QUIT when dropped.
pub(crate) struct MailSession(
    /// Present until the session ends.
    Option<AsyncSmtpConnection>,
);

/// Creates sessions of one connection.
#[derive(Clone)]
pub(crate) struct MailSessions {
    connection: Arc<Connection>,
    smtp: SmtpConnection,
    reach: Reach,
}

impl MailSessions {
    pub(super) fn new(connection: &Arc<Connection>, smtp: &SmtpConnection, reach: &Reach) -> Self {
        Self { connection: Arc::clone(connection), smtp: smtp.clone(), reach: reach.clone() }
    }
}

impl Manager for MailSessions {
    type Type = MailSession;
    type Error = ExecutionError;

    async fn create(&self) -> Result<MailSession, ExecutionError> {
        MailSession::open(&self.reach, &Target(&self.connection), &self.smtp).await
    }

    /// Checks the session, which the server may have ended, for example after some emails.
    async fn recycle(&self, session: &mut MailSession, _: &Metrics) -> RecycleResult<ExecutionError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, session.test_connected()).await {
            Ok(true) => Ok(()),
            _ => Err(RecycleError::message("the session has ended")),
        }
    }
}

impl MailSession {
    /// Connects, starts TLS if the connection requires it, and signs in.
    ///
    /// # Errors
    /// `Connection` for a login that is not accepted, `Unreachable`, and other errors of the server.
    pub(super) async fn open(reach: &Reach, target: &Target<'_>, smtp: &SmtpConnection) -> Result<Self, ExecutionError> {
        let stream = dial::dial(reach, target, &smtp.host, smtp.port).await?;
        let name = ClientId::default();
        let stream: Box<dyn AsyncTokioStream> = match smtp.tls {
            Tls::Require => Box::new(Encrypted::begin(target, smtp, stream).await?),
            Tls::StartTls => {
                let stream = starttls::ask(target, smtp, stream, &name.to_string()).await?;
                // The client expects the greeting, which was received before TLS.
                Box::new(Encrypted { greeting: GREETING, ..Encrypted::begin(target, smtp, stream).await? })
            }
            Tls::Disable => Box::new(stream),
        };
        let nothing_sent = |error: SmtpError| refused(target, &error, "; nothing was sent");
        let mut session = AsyncSmtpConnection::connect_with_transport(stream, &name).await.map_err(nothing_sent)?;
        if let Some((username, password)) = &smtp.login {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            session.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| {
                let refused = refused(target, &error, "; nothing was sent");
                if refused.transient {
                    return refused;
                }
                let message = format!("{}; check username and password", refused.message);
                ExecutionError::permanent(ErrorCode::Connection, message)
            })?;
        }
        Ok(Self(Some(session)))
    }
}

impl Drop for MailSession {
    /// Ends the session without waiting for the response.
    fn drop(&mut self) {
        let (Some(mut session), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        if !session.has_broken() {
            runtime.spawn(async move { tokio::time::timeout(FAREWELL, session.quit()).await });
        }
    }
}

impl Deref for MailSession {
    type Target = AsyncSmtpConnection;

    fn deref(&self) -> &AsyncSmtpConnection {
        match &self.0 {
            Some(session) => session,
            None => unreachable!("only the end of a session takes it"),
        }
    }
}

impl DerefMut for MailSession {
    fn deref_mut(&mut self) -> &mut AsyncSmtpConnection {
        match &mut self.0 {
            Some(session) => session,
            None => unreachable!("only the end of a session takes it"),
        }
    }
}

/// The innermost cause has the text of the server.
pub(super) fn refused(target: &Target<'_>, error: &SmtpError, effect: &str) -> ExecutionError {
    let why = dial::cause(error);
    match error.status() {
        Some(code) if error.is_permanent() => ExecutionError::permanent(ErrorCode::Remote, format!("{target} answered {code}: {why}")),
        Some(code) => ExecutionError::transient(ErrorCode::Remote, format!("{target} answered {code}: {why}")),
        None if error.is_tls() => ExecutionError::permanent(ErrorCode::Unreachable, format!("{target}: TLS could not be begun: {why}")),
        None if error.is_client() => ExecutionError::permanent(ErrorCode::Remote, format!("{target}: {why}")),
        None => ExecutionError::transient(ErrorCode::Unreachable, format!("{target} broke off{effect}: {why}")),
    }
}

/// A greeting for a client that starts after the server's own.
const GREETING: &[u8] = b"220 TLS has begun\r\n";

/// A stream with TLS.
#[derive(Debug)]
struct Encrypted {
    stream: TlsStream<TcpStream>,
    /// Read before the data of the server.
    greeting: &'static [u8],
}

impl Encrypted {
    async fn begin(target: &Target<'_>, smtp: &SmtpConnection, stream: TcpStream) -> Result<Self, ExecutionError> {
        let name = ServerName::try_from(smtp.host.clone()).map_err(|_| {
            ExecutionError::permanent(ErrorCode::Connection, format!("{target}: '{}' is no name that a certificate can have", smtp.host))
        })?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client_config(target, &smtp.trust)?));
        let stream = connector.connect(name, stream).await;
        stream.map(|stream| Self { stream, greeting: b"" }).map_err(|error| {
            let broke_off = || {
                ExecutionError::transient(
                    ErrorCode::Unreachable,
                    format!("{target} broke off while TLS was begun; nothing was sent: {error}"),
                )
            };
            tls::refused(target, Server::Of(target.0), &error).unwrap_or_else(broke_off)
        })
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (read, left) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
            buffer.put_slice(read);
            self.greeting = left;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
