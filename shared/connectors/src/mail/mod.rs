//! Emails by SMTP.

mod message;
mod session;
mod starttls;

pub use message::MailFile;
pub(crate) use session::MailSessions;

use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::{Bounds, Connectors, Target};
use forebay_contract::MailAddress;
use forebay_contract::connection::{Connection, ConnectionKind, ServerTrust, SmtpConnection, Tls};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::future::BoxFuture;
use message::{Written, written};
use session::{MailSession, refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum sessions of one process with one server: each sends one email after another.
const MAX_SESSIONS: usize = 8;

impl Connector for SmtpConnection {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn conceal(&self, concealment: &mut Concealment) {
        self.login.iter().for_each(|(_, password)| concealment.add_secret(password.expose()));
    }

    fn tls_advice(&self) -> TlsAdvice {
        let in_clear = match self.tls {
            Tls::Require => mode(self, "`tls: starttls`", "`mode: starttls` in `tls`"),
            Tls::StartTls | Tls::Disable => "`tls: disable`",
        };
        TlsAdvice { takes_certificate: true, in_clear }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(check(self, test))
    }
}

async fn check(smtp: &SmtpConnection, Test { connectors, connection, .. }: Test<'_>) -> Result<String, ExecutionError> {
    let name = MailSession::open(connectors.reach(), &Target(connection), smtp).await?.server_info().name().to_owned();
    Ok(match &smtp.login {
        Some((username, _)) => format!("mail server {name}, as '{username}'"),
        None => format!("mail server {name}, without a sign-in"),
    })
}

/// Returns the mode in the form in which the connection writes it: as a word, or in the object with the trusted certificate.
fn mode(smtp: &SmtpConnection, word: &'static str, in_object: &'static str) -> &'static str {
    match smtp.trust {
        ServerTrust::Machine => word,
        ServerTrust::Authority(_) | ServerTrust::Certificate(_) => in_object,
    }
}

/// A rendered email.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// A unique id; the same for repetitions of the same email.
    pub id: String,
    /// The sender; absent: the connection's.
    pub from: Option<MailAddress>,
    /// The visible recipients.
    pub to: Vec<MailAddress>,
    /// Further visible recipients.
    pub cc: Vec<MailAddress>,
    /// Hidden recipients, which are in no header.
    pub bcc: Vec<MailAddress>,
    /// The address for replies.
    pub reply_to: Option<MailAddress>,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML text.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<MailFile>,
}

impl Connectors {
    /// Sends an email to all of its recipients, or to none if the server refuses one of them. Returns `{ messageId, accepted }`; `accepted`
    /// has the addresses.
    ///
    /// # Errors
    /// `Mapping` if it is not a valid email, `Remote` if the server refuses it: transient with 4xx, permanent with 5xx. `Connection` if the
    /// login is not accepted.
    pub async fn email(&self, connection: &Arc<Connection>, mail: Mail, bounds: Bounds) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Smtp(smtp) = &connection.kind else { return Err(target.is_no("mail server (smtp)")) };
        let from = match &mail.from {
            Some(from) => from.clone(),
            None => MailAddress::parse(&smtp.from)
                .map_err(|error| ExecutionError::permanent(ErrorCode::Connection, format!("{target}: its `from`: {error}")))?,
        };
        let Written { envelope, bytes, id } = written(&mail, &from)?;
        let is_sent = AtomicBool::new(false);
        let send = async {
            let make = || MailSessions::new(connection, smtp, self.reach());
            let mut session = self.mail_pools().lease(connection, MAX_SESSIONS, make).await?;
            is_sent.store(true, Ordering::Relaxed);
            let sent = session.send(&envelope, &bytes).await;
            sent.map_err(|error| refused(&target, &error, "; the mail may have been sent"))?;
            session.done();
            Ok(())
        };
        tokio::time::timeout(bounds.timeout, send).await.unwrap_or_else(|_| {
            let effect = if is_sent.load(Ordering::Relaxed) { "the mail may have been sent" } else { "nothing was sent" };
            let within = format_duration(bounds.timeout);
            Err(ExecutionError::transient(ErrorCode::Timeout, format!("{target} did not take the mail within {within}; {effect}")))
        })?;
        let accepted: Vec<_> = envelope.to().iter().map(|address| Value::string(address.to_string())).collect();
        Ok(Value::object([("messageId", Value::string(id)), ("accepted", Value::array(accepted))]))
    }
}
