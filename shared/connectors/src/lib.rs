//! What steps reach beside HTTP: databases, mail, files, brokers. Each takes values that are already rendered and gives the step's
//! output.
//!
//! A [`Connectors`] keeps sessions by connection and gives one to the next step that needs it. All of them connect only where the
//! [`Reach`] permits. Failures name the connection and its address, never a credential; they are `transient` where another attempt
//! may go better, and say so where an effect may have happened all the same.

mod amqp;
mod check;
pub mod concealment;
mod dial;
mod email;
mod http_auth;
pub mod http_client;
pub mod http_send;
mod http_token;
mod mail_message;
mod mail_session;
mod pool;
mod reach;
pub mod retry_after;
mod sftp;
mod sftp_names;
mod sftp_path;
mod sftp_session;
mod sftp_write;
mod sql;
mod starttls;
mod tls;

use dial::cause;
pub use email::Mail;
pub use forebay_broker::RemoteMessage;
pub use http_auth::Headers;
pub use mail_message::MailFile;
pub use reach::{Reach, ReachError, Refused, SETTING as REACH_SETTING};
pub use sftp::{Earlier, FileAction};
pub use sftp_path::{RemotePath, type_of};
pub use sql::{Statement, StatementText};

use amqp::AmqpPools;
use forebay_contract::connection::{Connection, ConnectionKind, TokenStore};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http_client::OwnClients;
use http_token::Tokens;
use mail_session::MailPools;
use pool::Pools;
use reqwest::Url;
use sftp_session::SftpPools;
use sql::mysql::MysqlSessions;
use sql::postgres::PostgresSessions;
use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

/// The bounds of one step.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum time of the whole step.
    pub timeout: Duration,
    /// Maximum bytes that the remote system may give, about.
    pub most_bytes: usize,
}

/// How long a session with a database or broker may be unused. Servers and what is between close them after some minutes or hours.
const MAX_IDLE: Duration = Duration::from_secs(300);
/// The same with mail and file servers, which often allow only a few sessions of one user.
const MAX_IDLE_OF_FEW: Duration = Duration::from_secs(30);
const LOOK_FOR_IDLE: Duration = Duration::from_secs(5);

/// Sessions with remote systems. Clones share them; one is enough for a process.
#[derive(Clone)]
pub struct Connectors {
    shared: Arc<Shared>,
}

struct Shared {
    reach: Reach,
    postgres: Pools<PostgresSessions>,
    mysql: Pools<MysqlSessions>,
    amqp: AmqpPools,
    mail: MailPools,
    sftp: SftpPools,
    tokens: Tokens,
    own_clients: OwnClients,
    closer: Once,
}

impl Connectors {
    /// No session yet: each is made when a step needs it.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::sharing(reach, None)
    }

    /// As [`new`](Self::new). `tokens`: where access tokens are shared with other processes.
    #[must_use]
    pub fn sharing(reach: Reach, tokens: Option<Arc<dyn TokenStore>>) -> Self {
        Self::with_tokens(reach, Tokens::shared_by(tokens))
    }

    fn with_tokens(reach: Reach, tokens: Tokens) -> Self {
        let shared = Shared {
            reach,
            postgres: Pools::new(MAX_IDLE),
            mysql: Pools::new(MAX_IDLE),
            amqp: Pools::new(MAX_IDLE),
            mail: Pools::new(MAX_IDLE_OF_FEW),
            sftp: Pools::new(MAX_IDLE_OF_FEW),
            tokens,
            own_clients: OwnClients::default(),
            closer: Once::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where connections may be made to.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.shared.reach
    }

    /// Sessions that are open at the moment.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let Shared { postgres, mysql, amqp, mail, sftp, .. } = &*self.shared;
        postgres.sessions() + mysql.sessions() + amqp.sessions() + mail.sessions() + sftp.sessions()
    }

    fn postgres(&self) -> &Pools<PostgresSessions> {
        self.close_idle_from_now_on();
        &self.shared.postgres
    }

    fn mysql(&self) -> &Pools<MysqlSessions> {
        self.close_idle_from_now_on();
        &self.shared.mysql
    }

    fn amqp_pools(&self) -> &AmqpPools {
        self.close_idle_from_now_on();
        &self.shared.amqp
    }

    fn mail_pools(&self) -> &MailPools {
        self.close_idle_from_now_on();
        &self.shared.mail
    }

    fn sftp_pools(&self) -> &SftpPools {
        self.close_idle_from_now_on();
        &self.shared.sftp
    }

    /// Started by the first step, which runs on the runtime that `new` need not have.
    fn close_idle_from_now_on(&self) {
        self.shared.closer.call_once(|| {
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_FOR_IDLE).await;
                    let Some(shared) = shared.upgrade() else { return };
                    shared.postgres.close_idle();
                    shared.mysql.close_idle();
                    shared.amqp.close_idle();
                    shared.mail.close_idle();
                    shared.sftp.close_idle();
                }
            });
        });
    }
}

/// A connection as messages name it: `connection 'crm' (postgres at db.example:5432)`.
pub struct Target<'a>(pub &'a Connection);

impl<'a> Target<'a> {
    /// # Errors
    /// The connection is not enabled.
    fn enabled(connection: &'a Connection) -> Result<Self, ExecutionError> {
        let target = Self(connection);
        if connection.enabled {
            return Ok(target);
        }
        Err(ExecutionError::permanent(ErrorCode::Connection, format!("{target} is not enabled: set `enabled: true` and apply it")))
    }

    /// The step needs another kind of connection.
    fn is_no(&self, wanted: &str) -> ExecutionError {
        ExecutionError::permanent(ErrorCode::Definition, format!("{self} is no {wanted}: name one in the step"))
    }

    /// Puts the connection before what is wrong.
    fn at(&self, error: ExecutionError) -> ExecutionError {
        ExecutionError { message: format!("{self}: {}", error.message), ..error }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection '{}' ({} at ", self.0.name, self.0.kind.as_str())?;
        match &self.0.kind {
            ConnectionKind::Postgres(database) | ConnectionKind::Mysql(database) => write!(f, "{}:{}", database.host, database.port)?,
            ConnectionKind::Smtp(smtp) => write!(f, "{}:{}", smtp.host, smtp.port)?,
            ConnectionKind::Sftp(sftp) => write!(f, "{}:{}", sftp.host, sftp.port)?,
            // Only what is no credential of a URL.
            ConnectionKind::Http(http) => write!(f, "{}", host_and_port(&http.url))?,
            ConnectionKind::Amqp(amqp) => write!(f, "{}", host_and_port(amqp.url.expose()))?,
        }
        f.write_str(")")
    }
}

fn host_and_port(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "an address that cannot be read".to_owned() };
    let port = url.port_or_known_default().or(match url.scheme() {
        "amqp" => Some(5672),
        "amqps" => Some(5671),
        _ => None,
    });
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}
