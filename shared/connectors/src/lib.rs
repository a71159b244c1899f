//! Access to remote systems: HTTP services, databases, mail, files, brokers. Each connector takes rendered values and returns the step's
//! output.
//!
//! [`Connectors`] reuse sessions of a connection for later steps. All of them connect only to addresses that [`Reach`] permits. Failures
//! name the connection and its address, never a credential; they are `transient` if another attempt may succeed, and say if an effect may
//! have happened nevertheless.
//!
//! Each kind of connection has a folder; their common interface is in `connector.rs`. This file is their registry.

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
pub use reach::{Reach, Refused, SETTING as REACH_SETTING};
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

/// Returns the connector of a kind.
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

/// The limits of one step.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum time of the whole step.
    pub timeout: Duration,
    /// Maximum bytes of the remote system's response, approximately.
    pub max_bytes: usize,
}
