//! What steps reach: HTTP services, databases, mail, files, brokers. Each takes values that are already rendered and gives the step's
//! output.
//!
//! A [`Connectors`] keeps sessions by connection and gives one to the next step that needs it. All of them connect only where the
//! [`Reach`] permits. Failures name the connection and its address, never a credential; they are `transient` where another attempt
//! may go better, and say so where an effect may have happened all the same.
//!
//! Each kind of connection is one folder; what all of them do alike is in `connector.rs`. This file is their registry.

mod amqp;
mod check;
pub mod concealment;
mod connector;
mod dial;
pub mod http;
mod mail;
mod pool;
mod reach;
mod sessions;
mod sftp;
mod sql;
mod target;
mod tls;

pub use crate::http::Headers;
pub use forebay_broker::RemoteMessage;
pub use mail::{Mail, MailFile};
pub use reach::{Reach, ReachError, Refused, SETTING as REACH_SETTING};
pub use sessions::Connectors;
pub use sftp::{Earlier, FileAction, RemotePath, type_of};
pub use sql::{Statement, StatementText};
pub use target::Target;

use amqp::AmqpSessions;
use connector::Connector;
use forebay_contract::connection::ConnectionKind;
use mail::MailSessions;
use pool::{MAX_IDLE, MAX_IDLE_OF_FEW};
use sftp::SftpSessions;
use sql::{MysqlSessions, PostgresSessions};
use std::time::Duration;

/// The connector of a kind.
fn connector_of(kind: &ConnectionKind) -> &dyn Connector {
    match kind {
        ConnectionKind::Http(http) => http,
        ConnectionKind::Postgres(postgres) => postgres,
        ConnectionKind::Mysql(mysql) => mysql,
        ConnectionKind::Smtp(smtp) => smtp,
        ConnectionKind::Sftp(sftp) => sftp,
        ConnectionKind::Amqp(amqp) => amqp,
    }
}

sessions::kept! {
    postgres_pools: PostgresSessions, MAX_IDLE;
    mysql_pools: MysqlSessions, MAX_IDLE;
    amqp_pools: AmqpSessions, MAX_IDLE;
    mail_pools: MailSessions, MAX_IDLE_OF_FEW;
    sftp_pools: SftpSessions, MAX_IDLE_OF_FEW;
}

/// The bounds of one step.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum time of the whole step.
    pub timeout: Duration,
    /// Maximum bytes that the remote system may give, about.
    pub max_bytes: usize,
}
